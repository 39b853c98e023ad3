"""The privacy journal: erasures and withdrawals once more, in a file outside the database.

A restored backup knows nothing of what people decided after it was taken; `manage.py after_restore` reads it from here.
A line is first a row, written in the transaction of the act, and moved to the file right after the commit. So an act
that is rolled back leaves no line, and where the file cannot be written (a full disk, a wrong mount) the act stands,
the line waits in the table, the log says so, and a chore tries again.

Lines hold surrogate ids, and marks (HMACs) by which a restored row is known to be the same; no CRM id, no text.
"""

import contextlib
import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from django.conf import settings
from django.db import connection, transaction

from pushplatform.sites import public_ids
from subscribers.contacts import erasure_mark
from subscribers.models import Contact, Device, JournalLine, Scope

OFF: Final = "off"
STEP: Final = 1_000
"""Lines moved at once."""
STUCK_AFTER: Final = timedelta(minutes=5)

log = logging.getLogger(__name__)


class Withdrawal(Protocol):
    """What a withdrawal is to the journal."""

    @property
    def site_id(self) -> int: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def subject_id(self) -> int: ...
    @property
    def purpose_id(self) -> int: ...


def erased(site_id: int, contact_id: int, marks: Sequence[bytes], device_ids: Sequence[int], at: datetime) -> Any:
    """`marks`: of the person's CRM id, and of those merged into it."""
    devices = device_marks(device_ids)
    return _line(
        at,
        act="erased",
        site=site_id,
        contact=contact_id,
        marks=[mark.hex() for mark in marks],
        devices=[[device_id, devices.get(device_id, "")] for device_id in device_ids],
    )


def recreated(site_id: int, mark: bytes, at: datetime) -> Any:
    """A person who was erased was brought back on purpose."""
    return _line(at, act="recreated", site=site_id, marks=[mark.hex()])


def withdrawals(withdrawn: Sequence[Withdrawal], at: datetime) -> list[Any]:
    devices = device_marks([one.subject_id for one in withdrawn if one.scope == Scope.DEVICE])
    contacts = contact_marks([one.subject_id for one in withdrawn if one.scope == Scope.CONTACT])
    return [
        _line(
            at,
            act="withdrawn",
            site=one.site_id,
            scope=int(one.scope),
            subject=one.subject_id,
            mark=(devices if one.scope == Scope.DEVICE else contacts).get(one.subject_id, ""),
            purpose=one.purpose_id,
        )
        for one in withdrawn
    ]


def device_marks(device_ids: Iterable[int]) -> dict[int, str]:
    """By what a restored row is known to be this very browser: the HMAC of its secret's hash."""
    found = Device.objects.filter(id__in=list(device_ids), subscription__isnull=False)
    return {
        device_id: public_ids.digest(f"journal device\0{device_id}\0{bytes(secret).hex()}").hex()
        for device_id, secret in found.values_list("id", "subscription__secret_hash")
    }


def contact_marks(contact_ids: Iterable[int]) -> dict[int, str]:
    found = Contact.objects.filter(id__in=list(contact_ids)).values_list("id", "site_id", "external_id")
    return {contact_id: erasure_mark(site_id, external_id).hex() for contact_id, site_id, external_id in found}


def write(lines: Sequence[Any]) -> None:
    """Part of the caller's transaction; the lines are in the file soon after its commit."""
    if lines and settings.PRIVACY_JOURNAL != OFF:
        JournalLine.objects.bulk_create(
            [JournalLine(line=line, made_at=datetime.fromisoformat(line["at"])) for line in lines]
        )
        transaction.on_commit(flush, robust=True)


def flush() -> int:
    """Moves the lines that wait into the file; how many. What cannot be written waits on, and the log says so."""
    moved = 0
    while settings.PRIVACY_JOURNAL != OFF:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"select id, line from journal_line order by id limit {STEP} for update skip locked")
            rows = cursor.fetchall()
            if not rows:
                break
            try:
                append(Path(settings.PRIVACY_JOURNAL), [_json(line) for _, line in rows])
            except OSError as error:
                log.error(
                    "the privacy journal cannot be written (%s): erasures and withdrawals wait in the database, where "
                    "a restored backup does not have them. Mend PRIVACY_JOURNAL",
                    error.strerror,
                )
                break
            cursor.execute("delete from journal_line where id = any(%s)", [[id_ for id_, _ in rows]])
            moved += len(rows)
    return moved


def is_stuck(now: datetime) -> bool:
    """Whether lines wait for the file longer than a moment."""
    return JournalLine.objects.filter(made_at__lt=now - STUCK_AFTER).exists()


def append(folder: Path, lines: Sequence[str]) -> None:
    """Adds lines to this month's file and waits until they are on the disk; raises OSError and then adds nothing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m}.jsonl"
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = os.fstat(file).st_size
        torn = before and os.pread(file, 1, before - 1) != b"\n"  # a machine that stopped in the middle of a line
        text = ("\n" if torn else "") + "".join(f"{line}\n" for line in lines)
        try:
            _write_all(file, text.encode())
            os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):  # what cannot be taken back is a torn line, which `read` leaves out
                os.ftruncate(file, before)
            raise
    finally:
        os.close(file)
    if not before:
        _sync_folder(folder)


def read(folder: Path) -> Iterator[Any]:
    """The lines of all files in the order they were made, each once.

    What cannot be read, such as a line torn by a machine that stopped in the middle of it, is left out and logged.
    """
    known: set[str] = set()
    lines = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, text in enumerate(path.read_text().split("\n"), 1):
            try:
                line = json.loads(text) if text else None
            except ValueError:
                log.warning("%s, line %s cannot be read and is left out", path.name, number)
                continue
            if line is not None and line["id"] not in known:
                known.add(line["id"])
                lines.append(line)
    lines.sort(key=lambda line: datetime.fromisoformat(line["at"]))
    yield from lines


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _line(at: datetime, **members: Any) -> Any:
    return {"id": uuid.uuid4().hex, "at": at.astimezone(UTC).isoformat(), **members}


def _json(line: Any) -> str:
    return json.dumps(json.loads(line) if isinstance(line, str) else line, separators=(",", ":"))
