"""Uploaded lists of CRM ids: what is taken, what is reported, and what is refused at its line."""

from __future__ import annotations

import io

import pytest

from pushplatform.sites import public_ids
from subscribers import list_uploads
from subscribers.errors import Invalid
from subscribers.models import ContactList, ContactListMember
from tests.subscribers.people import new_contact, new_device
from tests.subscribers.segment_rows import ids_of


def uploaded(site, content: str | bytes, name: str = "Fair"):
    raw = content.encode() if isinstance(content, str) else content
    return list_uploads.upload(site, name, io.BytesIO(raw))


def test_known_people_become_members_and_unknown_ones_are_reported(site, other_site):
    anna, łucja = new_contact(site, external_id="ANNA"), new_contact(site, external_id="ŁUCJA, JR")
    new_contact(other_site, external_id="BEN")
    content = '\ufeffname;CRM id\r\nx;ANNA\r\n\r\ny;BEN\r\nz;"ŁUCJA, JR"\r\nx; ANNA \r\nq;CARL\r\nq;CARL\r\n'
    found = uploaded(site, content)
    assert (found.rows, found.doubles, found.unknown) == (6, 2, [(4, "BEN"), (7, "CARL")])
    assert (found.contact_list.members, found.contact_list.unknown) == (2, 2)
    members = ContactListMember.objects.filter(list=found.contact_list).values_list("contact_id", flat=True)
    assert set(members) == {anna.pk, łucja.pk}
    device = new_device(site, contact=anna)
    new_device(site)
    rule = {"field": "contact.list", "op": "in", "value": [public_ids.encode("lst", found.contact_list.pk)]}
    assert ids_of(rule, site) == {device.pk}
    again = list_uploads.replace(found.contact_list, io.BytesIO(b"id\nCARL\n"))
    assert (again.contact_list.members, again.contact_list.unknown) == (0, 1)
    assert ids_of(rule, site) == set()


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b"", "/file", "empty_file"),
        (b"ANNA\nBEN\n", "/file/1", "no_header"),
        (b"id\nANNA\n\xb1\xe6\n", "/file/3", "not_utf8"),
        ("id\nANNA\n".encode("utf-16"), "/file/1", "not_utf8"),
        (b"PK\x03\x04\x00\x00\n", "/file/1", "binary_file"),
        (b"id\n" + b"A" * 20_000, "/file/2", "line_too_long"),
        (b'id\n"ANNA\nBEN\n', "/file/3", "broken_csv"),
        (b"name,id\nx,ANNA\ny\n", "/file/3", "missing_column"),
        (b"id,name\n,x\n", "/file/2", "invalid_id"),
        (b"id\nA\x07B\n" + b"C" * 256 + b"\n", "/file/2", "invalid_id"),
    ],
)
def test_a_broken_file_is_refused_at_its_line_and_leaves_nothing(site, content, pointer, code):
    with pytest.raises(Invalid) as refused:
        uploaded(site, content)
    assert refused.value.errors[0][:2] == (pointer, code)
    assert not ContactList.objects.exists()


def test_a_list_has_a_million_rows_at_most(site, monkeypatch):
    monkeypatch.setattr(list_uploads, "MOST_ROWS", 2)
    assert uploaded(site, "id\nA\nB\n").rows == 2
    with pytest.raises(Invalid, match="more than 2 rows"):
        uploaded(site, "id\nA\nB\nC\n", "Larger")


@pytest.mark.soak
def test_a_million_rows_are_read_as_they_come(site):
    class Rows(io.RawIOBase):
        made = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            lines = [f"CRM-{number}" for number in range(self.made, min(self.made + 100, 1_000_000))]
            self.made += len(lines)
            raw = ("id\n" if self.made == 100 else "").encode() + "".join(f"{line}\n" for line in lines).encode()
            buffer[: len(raw)] = raw
            return len(raw)

    new_contact(site, external_id="CRM-999999")
    found = list_uploads.upload(site, "Everybody", io.BufferedReader(Rows()))
    assert (found.rows, found.contact_list.members) == (10**6, 1)
    assert (found.contact_list.unknown, len(found.unknown)) == (999_999, 10_000)
