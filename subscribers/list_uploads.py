"""Uploads of lists of CRM ids: a CSV file, read as it comes, all of it or nothing."""

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from django.db import connection, transaction

from pushplatform.sites.models import Site
from subscribers.contacts import external_id_faults
from subscribers.errors import Fault, Invalid
from subscribers.models import ContactList, ContactListMember

MOST_ROWS: Final = 1_000_000
MOST_FAULTS: Final = 100
"""After so many the rest of the file is not looked at."""
MOST_REPORTED: Final = 10_000
LONGEST_LINE: Final = 10_000
"""Octets: a file without line ends is not read into memory."""

COLUMNS: Final = ("external_id", "crm_id", "crm id", "id")
"""What the column with the ids may be called, in any case."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """`unknown`: line and id of the first MOST_REPORTED that no contact has; `doubles`: rows that repeat another."""

    contact_list: ContactList
    rows: int
    doubles: int
    unknown: list[tuple[int, str]]


def upload(site: Site, name: str, file: BinaryIO) -> Uploaded:
    """Makes a list of the CRM ids in a CSV file: UTF-8, a header with one of COLUMNS, at most MOST_ROWS rows.

    Raises Invalid, whose pointers are `/name`, `/file` or `/file/<line>`; nothing is stored then.
    """
    name = name.strip()
    if not 0 < len(name) <= 100:
        raise Invalid([("/name", "out_of_range", "must have 1 to 100 characters")])
    with transaction.atomic():
        found = ContactList.objects.create(site=site, name=name)
        return _fill(found, file)


def replace(found: ContactList, file: BinaryIO) -> Uploaded:
    """Puts the CRM ids in a CSV file in the place of those in the list; the same rules as `upload`."""
    with transaction.atomic():
        ContactListMember.objects.filter(list=found).delete()
        return _fill(found, file)


def _fill(found: ContactList, file: BinaryIO) -> Uploaded:
    with connection.cursor() as cursor:
        cursor.execute(
            "drop table if exists list_upload;"
            'create temporary table list_upload (line int, external_id text collate "C") on commit drop'
        )
        _copy(cursor, file)
        cursor.execute("select count(*), count(*) - count(distinct external_id) from list_upload")
        rows, doubles = cursor.fetchone()
        cursor.execute(
            """insert into contact_list_member (list_id, contact_id)
               select %s, c.id from (select distinct external_id from list_upload) u
               join contact c on c.site_id = %s and c.external_id = u.external_id order by c.id""",
            [found.pk, found.site_id],
        )
        found.members = cursor.rowcount
        cursor.execute(
            """select count(*) over (), line, external_id from (
                   select min(line) line, external_id from list_upload u where not exists (
                       select from contact c where c.site_id = %s and c.external_id = u.external_id)
                   group by external_id) x order by line limit %s""",
            [found.site_id, MOST_REPORTED],
        )
        unknown = cursor.fetchall()
    found.unknown = unknown[0][0] if unknown else 0
    found.save(update_fields=["members", "unknown"])
    return Uploaded(found, rows, doubles, [(line, external_id) for _, line, external_id in unknown])


def _copy(cursor: Any, file: BinaryIO) -> None:
    faults: list[Fault] = []
    with cursor.copy("copy list_upload (line, external_id) from stdin") as copy:
        for line, external_id in _ids(file):
            own = [fault.detail for fault in external_id_faults(external_id, f"/file/{line}")]
            faults += [Fault(f"/file/{line}", "invalid_id", f"line {line}: the CRM id {detail}") for detail in own]
            if len(faults) >= MOST_FAULTS:
                break
            if not own:
                copy.write_row((line, external_id))
    if faults:
        raise Invalid(faults)


def _ids(file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Line and id of each row; raises Invalid."""
    rows = _rows(file)
    first = next(rows, None)
    if first is None:
        raise Invalid([("/file", "empty_file", "is empty: its first line must name the columns, such as external_id")])
    place = _column(first[1])
    number = 0
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue  # an empty line
        number += 1
        if number > MOST_ROWS:
            detail = f"line {line}: the file has more than {MOST_ROWS:,} rows; split it"
            raise Invalid([(f"/file/{line}", "too_many_rows", detail)])
        if place >= len(row):
            detail = f"line {line}: has {len(row)} columns, the ids are in column {place + 1}"
            raise Invalid([(f"/file/{line}", "missing_column", detail)])
        yield line, unicodedata.normalize("NFC", row[place].strip())


def _column(header: list[str]) -> int:
    names = [cell.strip().lower() for cell in header]
    for name in COLUMNS:
        if name in names:
            return names.index(name)
    known = ", ".join(COLUMNS)
    raise Invalid([("/file/1", "no_header", f"line 1: must name the columns, one of them {known}")])


def _rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """The rows with the lines they end on; columns are divided by what divides those of the first line."""
    text = _Lines(file)
    try:
        first = next(text, None)
        if first is None:
            return
        delimiter = max(",;\t", key=first.count)
        yield 1, next(csv.reader([first], delimiter=delimiter, strict=True), [])
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        for row in reader:
            yield reader.line_num + 1, row
    except UnicodeDecodeError:
        detail = f"line {text.number + 1}: is not UTF-8; save the file as “CSV UTF-8”"
        raise Invalid([(f"/file/{text.number + 1}", "not_utf8", detail)]) from None
    except csv.Error as error:
        raise Invalid([(f"/file/{text.number}", "broken_csv", f"line {text.number}: {error}")]) from None


class _Lines:
    """The lines of a file as text, counted; raises UnicodeDecodeError, and Invalid for what is no text."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        raw = self._file.readline(LONGEST_LINE)
        if not raw:
            raise StopIteration
        line = raw.decode("utf-8-sig" if self.number == 0 else "utf-8")
        self.number += 1
        at, number = f"/file/{self.number}", self.number
        if "\0" in line:
            detail = f"line {number}: is no text; a CSV file is wanted, not a spreadsheet's own format"
            raise Invalid([(at, "binary_file", detail)])
        if len(raw) >= LONGEST_LINE:
            raise Invalid([(at, "line_too_long", f"line {number}: has more than {LONGEST_LINE:,} octets")])
        return line
