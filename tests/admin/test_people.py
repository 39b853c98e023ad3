"""The page of a contact: who is this, what may we send, what did we send, and why not?"""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Delivery, Message, Recipient, Retry
from pushplatform.sites.public_ids import encode
from pushplatform.webpush.outcome import REASONS
from subscribers.models import ConsentRecord, Contact, Decision, Scope
from tests.admin.drafts import said
from tests.admin.house import CONTENT, House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("administrator")


def page_of(browser: Client, contact: Contact, **query: object) -> str:
    path = reverse("admin:subscribers_contact_change", args=[contact.pk])
    return browser.get(path, query).content.decode().replace("&#x27;", "'")


def test_a_contacts_page_tells_devices_consents_ledger_and_messages(ours: House, browser: Client) -> None:
    page = page_of(browser, ours.contact)
    for text in (
        "Firefox 130 on Linux",
        "ours offers",
        "ours sent",
        "clicked",
        "version 1, en",
        "https://ours.example",
    ):
        assert text in page, text


def test_attributes_are_written_as_people_write_them(ours: House, browser: Client) -> None:
    ours.contact.attributes = {"newsletter": True, "interests": ["tea", "bowls"], "lifetime_value": 12.5}
    ours.contact.save()
    page = page_of(browser, ours.contact)
    for key, text in (("newsletter", "yes"), ("interests", "tea, bowls"), ("lifetime_value", "12.5")):
        assert f"<dt>{key}</dt><dd>{text}</dd>" in page


def test_a_withdrawal_told_to_us_counts_at_once_and_is_a_line_of_the_ledger(ours: House, browser: Client) -> None:
    path = reverse("admin:subscribers_contact_withdraw", args=[ours.contact.pk])
    browser.post(path, {"purpose": ours.offers.pk, "told": "Called on Monday"})
    line = ConsentRecord.objects.get(scope=Scope.CONTACT, subject_id=ours.contact.pk)
    assert (line.decision, line.source, line.purpose_id) == (Decision.WITHDRAWN, "admin", ours.offers.pk)
    ours.device.refresh_from_db()
    assert not ours.device.allowed & (1 << ours.offers.bit)
    assert LogEntry.objects.filter(object_id=str(ours.contact.pk)).get().change_message.endswith("of offers")


@pytest.mark.parametrize("purpose", ["", "x", "0", "999999"])
def test_a_withdrawal_of_what_is_no_purpose_of_the_site_records_nothing(
    ours: House, theirs: House, browser: Client, purpose: str
) -> None:
    for wanted in (purpose, str(theirs.offers.pk)):
        browser.post(reverse("admin:subscribers_contact_withdraw", args=[ours.contact.pk]), {"purpose": wanted})
    assert not ConsentRecord.objects.filter(scope=Scope.CONTACT).exists()


def test_a_contact_is_changed_through_the_same_rules_as_the_api(ours: House, browser: Client) -> None:
    path = reverse("admin:subscribers_contact_edit", args=[ours.contact.pk])
    good = {"attributes": '{"first_name": "Ewa"}', "tags": "vip\nb2b", "language": "pl", "time_zone": "Europe/Warsaw"}
    assert browser.post(path, good).status_code == 302
    ours.contact.refresh_from_db()
    assert (ours.contact.attributes, ours.contact.tags) == ({"first_name": "Ewa"}, ["b2b", "vip"])
    for field, value in (
        ("attributes", "{"),
        ("attributes", "[1]"),
        ("attributes", f'{{"{ours.attribute.key}": 5, "x y": {{}}}}'),
        ("language", "polish please"),
        ("time_zone", "Warsaw"),
        ("tags", "x" * 65),
    ):
        errors = said(browser.post(path, {**good, field: value}).content)
        assert any(error.startswith(f"{field}: ") for error in errors), (field, value, errors)
    before = ours.contact.updated_at
    ours.contact.refresh_from_db()
    assert ours.contact.updated_at == before


def test_a_new_contact_belongs_to_the_site_of_its_form(ours: House, browser: Client) -> None:
    path = f"{reverse('admin:subscribers_contact_add')}?_site={ours.site.pk}"
    browser.post(path, {"external_id": "CRM-new", "attributes": "{}"})
    assert Contact.objects.get(external_id="CRM-new").site == ours.site
    errors = said(browser.post(path, {"external_id": "CRM-new"}).content)
    assert errors == ["external_id: A contact with this CRM id is there already. Find it in the list."]


def why(browser: Client, contact: Contact, message: Message) -> str:
    found = re.search(r'<p class="pp-strong" role="status">(.*?)</p>', page_of(browser, contact, why=message.pk))
    return found[1] if found else ""


def test_why_a_person_did_not_get_it_is_answered_in_a_sentence(ours: House, browser: Client) -> None:
    assert why(browser, ours.contact, ours.message).startswith("It was shown ")
    other = ours.new_contact()
    assert why(browser, other, ours.message) == "This person has no active device."
    device = ours.new_device(other, allowed=0)
    assert "has not agreed to “ours offers”" in why(browser, other, ours.message)
    device.allowed = 1 << ours.offers.bit
    device.save()
    assert "not in its segments" in why(browser, other, ours.message)
    now = timezone.now()
    key = {"message_id": ours.message.pk, "device_id": device.pk, "contact_id": other.pk}
    Retry.objects.create(**key, lane=2, service=6, vapid_key_id=ours.key.pk, attempt=2, not_before=now, expires_at=now)
    assert "busy" in why(browser, other, ours.message)
    Retry.objects.all().delete()
    Delivery.objects.create(**key, status=5, reason=REASONS["link_changed"].number, service=6, at=now)
    assert REASONS["link_changed"].sentence in why(browser, other, ours.message)


def test_why_a_crms_message_did_not_go_is_the_recipients_reason(ours: House, browser: Client) -> None:
    now = timezone.now()
    message = Message.objects.create(
        site=ours.site, purpose=ours.offers, content=CONTENT, status=4, send_at=now, expires_at=now
    )
    Recipient.objects.create(
        message_id=message.pk,
        no=0,
        external_id=ours.contact.external_id,
        status=2,
        reason=REASONS["no_matching_device"].number,
    )
    assert why(browser, ours.contact, message) == REASONS["no_matching_device"].sentence


def test_another_sites_message_is_not_asked_about(ours: House, theirs: House, browser: Client) -> None:
    assert why(browser, ours.contact, theirs.message) == ""


def test_a_device_is_found_by_its_public_id_and_its_contacts_crm_id(ours: House, browser: Client) -> None:
    ours.new_device(browser="safari")
    path = reverse("admin:subscribers_device_changelist")
    for term in (encode("dev", ours.device.pk), ours.contact.external_id):
        page = browser.get(path, {"q": term}).content.decode()
        assert "Firefox 130" in page
        assert "Safari" not in page
