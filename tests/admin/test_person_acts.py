"""What an administrator does about a whole person, and to the catalogue of attributes."""

from datetime import timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from subscribers.models import Attribute, AttributeLock, Contact, Device, ErasedContact, JournalLine
from tests.admin.house import House


def at(house: House, act: str) -> str:
    return reverse(f"admin:subscribers_contact_{act}", args=[house.contact.pk])


def test_erasing_asks_for_the_crm_id_and_keeps_it_out_of_the_log(ours: House) -> None:
    browser = ours.browser("administrator")
    external_id = ours.contact.external_id
    browser.post(at(ours, "edit"), {"attributes": "{}", "tags": "", "language": "pl", "time_zone": "", "owner": ""})
    assert LogEntry.objects.filter(object_repr=external_id).exists()
    said = browser.post(at(ours, "erase"), {"confirm": "another"}, follow=True).content
    assert b"Nothing was erased" in said
    assert Contact.objects.filter(pk=ours.contact.pk).exists()
    said = browser.post(at(ours, "erase"), {"confirm": external_id}, follow=True).content
    assert b"The person is erased, with 1 device." in said
    assert not Contact.objects.filter(pk=ours.contact.pk).exists()
    assert Device.objects.get(pk=ours.device.pk).status == Device.Status.ERASED
    assert ErasedContact.objects.filter(site=ours.site).count() == 1
    entries = LogEntry.objects.filter(object_id=str(ours.contact.pk), content_type__model="contact")
    assert {entry.object_repr for entry in entries} == {"erased"}


def test_two_contacts_become_one(ours: House) -> None:
    browser = ours.browser("administrator")
    other = ours.new_contact()
    for wrong in ("nobody", ours.contact.external_id):
        assert b"There is no other contact" in browser.post(at(ours, "merge"), {"into": wrong}, follow=True).content
    answer = browser.post(at(ours, "merge"), {"into": other.external_id})
    assert answer["Location"] == reverse("admin:subscribers_contact_change", args=[other.pk])
    assert not Contact.objects.filter(pk=ours.contact.pk).exists()


def test_everything_known_is_downloaded(ours: House) -> None:
    answer = ours.browser("administrator").get(at(ours, "export"))
    assert "attachment" in answer["Content-Disposition"]
    assert answer.json()["contact"]["external_id"] == ours.contact.external_id


def test_only_administrators_do_such_things(ours: House) -> None:
    for role in ("marketer", "analyst"):
        browser = ours.browser(role)
        for act in ("export", "merge", "erase"):
            given = {"confirm": ours.contact.external_id, "into": "x"}
            assert browser.post(at(ours, act), given).status_code == 403
        page = browser.get(at(ours, "change")).content
        assert b"erase-dialog" not in page
        assert browser.post(lock_url(ours), {"locked": "yes"}).status_code == 403
    assert Contact.objects.filter(pk=ours.contact.pk).exists()
    assert not AttributeLock.objects.exists()


def test_a_privacy_journal_that_cannot_be_written_is_told_to_administrators(ours: House) -> None:
    now = timezone.now()
    JournalLine.objects.create(line={}, made_at=now - timedelta(minutes=1))
    home = reverse("admin:index")
    assert b"privacy journal" not in ours.browser("administrator").get(home).content
    JournalLine.objects.create(line={}, made_at=now - timedelta(minutes=6))
    assert b"The privacy journal cannot be written" in ours.browser("administrator").get(home).content
    assert b"privacy journal" not in ours.browser("marketer").get(home).content


# --- the catalogue


def lock_url(house: House) -> str:
    return f"{reverse('admin:subscribers_attribute_lock')}?_site={house.site.pk}"


def retype(house: House, type_: str) -> Any:
    browser = house.browser("administrator")
    path = reverse("admin:subscribers_attribute_change", args=[house.attribute.pk])
    return browser.post(path, {"title": "Plan", "type": type_, "filterable": "on"})


def test_a_type_changes_only_where_every_value_is_of_the_new_one(ours: House) -> None:
    answer = retype(ours, "date")
    assert answer.status_code == 200
    assert b"1 contacts have a value that is no date" in answer.content
    ours.attribute.refresh_from_db()
    assert ours.attribute.type == "string"
    Contact.objects.filter(site=ours.site).update(attributes={ours.attribute.key: "2026-01-31"})
    assert retype(ours, "date").status_code == 302
    ours.attribute.refresh_from_db()
    assert ours.attribute.type == "date"


def test_a_locked_attribute_keeps_its_type(ours: House) -> None:
    Contact.objects.filter(site=ours.site).update(attributes={})
    Attribute.objects.filter(pk=ours.attribute.pk).update(locked=True)
    retype(ours, "number")
    ours.attribute.refresh_from_db()
    assert ours.attribute.type == "string"


def test_the_catalogue_is_locked_and_unlocked(ours: House) -> None:
    browser = ours.browser("administrator")
    catalogue = reverse("admin:subscribers_attribute_changelist")
    assert b"Lock the catalogue" in browser.get(catalogue).content
    browser.post(lock_url(ours), {"locked": "yes"})
    assert AttributeLock.objects.get().site_id == ours.site.pk
    assert b"The catalogue is locked" in browser.get(catalogue).content
    browser.post(lock_url(ours), {"locked": "no"})
    assert not AttributeLock.objects.exists()


def test_tags_from_pages_are_listed_and_made(ours: House) -> None:
    browser = ours.browser("administrator")
    browser.post(f"{reverse('admin:subscribers_pagetag_add')}?_site={ours.site.pk}", {"tag": "bikes"})
    page = browser.get(reverse("admin:subscribers_pagetag_changelist")).content
    assert b"bikes" in page
