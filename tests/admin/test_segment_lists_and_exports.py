"""Lists of CRM ids are uploaded with a report; members of a segment leave as CSV, and who took them is noted."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from pushplatform.sites import public_ids
from subscribers import list_uploads
from subscribers.models import ContactList, ContactListMember
from tests.admin.house import House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("marketer")


def upload(browser: Client, house: House, content: bytes, name: str = "Staff", into: ContactList | None = None) -> Any:
    path = (
        reverse("admin:subscribers_contactlist_change", args=[into.pk])
        if into
        else f"{reverse('admin:subscribers_contactlist_add')}?_site={house.site.pk}"
    )
    return browser.post(path, {"name": name, "file": SimpleUploadedFile("ids.csv", content, "text/csv")})


def test_an_upload_makes_a_list_and_reports_unknown_and_repeated_ids(ours: House, browser: Client) -> None:
    known = ours.contact.external_id
    answer = upload(browser, ours, f"name,external_id\nA,{known}\nB,nobody\nC,{known}\n".encode())
    found = ContactList.objects.get(name="Staff")
    assert (found.site, found.members, found.unknown) == (ours.site, 1, 1)
    assert (answer.context["report"].rows, answer.context["report"].doubles) == (3, 1)
    assert list(answer.context["unknown"]) == [(3, "nobody")]
    assert "nobody" in answer.content.decode()
    assert LogEntry.objects.filter(object_id=found.pk, content_type__model="contactlist").count() == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Is empty"),
        (b"name\nx\n", "Line 1: must name the columns"),
        ("external_id\n\u0142\u00f3d\u017a".encode("iso8859-2"), "is not UTF-8"),
        (b"external_id\nA\0B\n", "Line 2: is no text"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line_and_nothing_is_stored(
    ours: House, browser: Client, content: bytes, said: str
) -> None:
    answer = upload(browser, ours, content)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert answer.context["form"]["name"].value() == "Staff"
    assert not ContactList.objects.filter(name="Staff").exists()


def test_the_trail_and_the_delete_page_call_it_an_uploaded_list(ours: House, browser: Client) -> None:
    found = ContactList.objects.create(site=ours.site, name="Staff", members=1)
    ContactListMember.objects.create(list=found, contact=ours.contact)
    path = reverse("admin:subscribers_contactlist_delete", args=[found.pk])
    page = browser.get(path).content.decode()
    assert "Uploaded list: Staff" in page
    assert "People in it, who stay contacts: 1" in page
    assert "contact list" not in page.lower()
    assert browser.post(path, {"post": "yes"}).status_code == 302
    assert not ContactListMember.objects.filter(list_id=found.pk).exists()


def test_a_form_without_its_name_is_shown_again_as_any_form_is(ours: House, browser: Client) -> None:
    before = ContactList.objects.count()
    answer = upload(browser, ours, b"external_id\nx\n", name=" ")
    assert answer.status_code == 200
    assert answer.context["form"].errors == {"name": ["This field is required."]}
    assert ContactList.objects.count() == before


def test_more_rows_than_a_list_takes_are_refused_at_their_line(
    ours: House, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_uploads, "MOST_ROWS", 2)
    answer = upload(browser, ours, b"external_id\na\nb\nc\n")
    assert (answer.status_code, answer.context["faults"]) == (422, ["line 4: the file has more than 2 rows; split it"])


def test_a_new_upload_takes_the_place_of_the_old_ids_and_a_broken_one_does_not(ours: House, browser: Client) -> None:
    other = ours.new_contact()
    found = ContactList.objects.create(site=ours.site, name="Staff", members=1)
    ContactListMember.objects.create(list=found, contact=ours.contact)
    refused = upload(browser, ours, b"nothing here", into=found)
    assert (refused.status_code, "the list is as it was" in refused.content.decode()) == (422, True)
    assert [one.contact_id for one in ContactListMember.objects.filter(list=found)] == [ours.contact.pk]
    upload(browser, ours, f"id\n{other.external_id}\n".encode(), into=found)
    assert [one.contact_id for one in ContactListMember.objects.filter(list=found)] == [other.pk]


def test_a_list_that_a_segment_asks_about_is_not_deleted(ours: House, browser: Client) -> None:
    found = ContactList.objects.create(site=ours.site, name="Staff")
    rule = {"field": "contact.list", "op": "not_in", "value": [public_ids.encode("lst", found.pk)]}
    segment = ours.new_segment("Not staff", {"all": [{"any": [rule]}]})
    path = reverse("admin:subscribers_contactlist_delete", args=[found.pk])
    browser.post(path, {"post": "yes"})
    assert ContactList.objects.filter(pk=found.pk).exists()
    segment.delete()
    browser.post(path, {"post": "yes"})
    assert not ContactList.objects.filter(pk=found.pk).exists()


def test_an_analyst_uploads_nothing(ours: House) -> None:
    assert upload(ours.browser("analyst"), ours, b"external_id\nx\n").status_code == 403


def exported(browser: Client, house: House) -> Any:
    return browser.post(reverse("admin:subscribers_segment_members", args=[house.segment.pk]))


def test_an_administrator_exports_members_and_the_log_says_so(ours: House) -> None:
    ours.new_device()
    answer = exported(ours.browser("administrator"), ours)
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["external_id"] for row in rows] == [ours.contact.external_id, ""]
    assert rows[0]["device_id"] == public_ids.encode("dev", ours.device.pk)
    noted = LogEntry.objects.get(object_id=ours.segment.pk, content_type__model="segment")
    assert (noted.user, noted.get_change_message()) == (ours.users["administrator"], "Exported its members")


@pytest.mark.parametrize("role", ["marketer", "analyst"])
def test_others_export_nothing(ours: House, role: str) -> None:
    browser = ours.browser(role)
    assert exported(browser, ours).status_code == 403
    page = browser.get(reverse("admin:subscribers_segment_change", args=[ours.segment.pk])).content.decode()
    assert "Export members" not in page
    assert not LogEntry.objects.filter(content_type__model="segment").exists()


def test_a_segment_that_cannot_be_understood_is_not_exported_as_everyone(ours: House) -> None:
    ours.segment.definition = {"field": "contact.attributes.gone", "op": "is_set"}
    ours.segment.save()
    answer = exported(ours.browser("administrator"), ours)
    assert answer.status_code == 302
    assert not LogEntry.objects.filter(content_type__model="segment").exists()
