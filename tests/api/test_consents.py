"""What a CRM tells of a person's decisions, over real HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import purposes
from subscribers.models import ConsentEvidence, ConsentRecord, Contact, Device, Wording
from tests.api.over_http import NASTY, Crm, of, problem
from tests.campaigns.shop import grant, linked_device, new_contact, new_site, withdraw
from tests.subscribers.people import wording_of

A = of("A", "/consents")


@pytest.fixture
def contact(shop: Site) -> Contact:
    return new_contact(shop, external_id="A")


def yes(shop: Site, **members: Any) -> dict[str, Any]:
    return {
        "purpose": "offers",
        "decision": "granted",
        "wording": public_ids.encode("wrd", wording_of(shop.purposes.get(key="offers")).pk),
        "source": "shop-account",
        "occurred_at": "2026-03-01T12:00:00+01:00",
        **members,
    }


def state(crm: Crm, purpose: str = "offers") -> dict[str, Any]:
    (found,) = [one for one in crm.get(A).json()["state"] if one["purpose"] == purpose]
    return dict(found)


def test_a_yes_is_recorded_with_its_proof_and_allows_the_persons_devices(
    crm: Crm, shop: Site, contact: Contact
) -> None:
    device = linked_device(contact)
    answer = crm.post(A, yes(shop, evidence={"form": "42", "signed": True}))
    assert answer.status_code == 201
    line = answer.json()
    assert (line["purpose"], line["decision"], line["scope"]) == ("offers", "granted", "contact")
    assert line["occurred_at"] == "2026-03-01T11:00:00.000Z"
    assert line["wording"]["text"] == "Send me offers."
    assert line["counts"] is True
    record = ConsentRecord.objects.get(scope=2, subject_id=contact.pk)
    assert ConsentEvidence.objects.get(record_id=record.id).body["form"] == "42"
    device.refresh_from_db()
    assert device.allowed >> shop.purposes.get(key="offers").bit & 1
    now = state(crm)
    assert (now["decision"], now["devices_allowed"], now["devices_active"]) == ("granted", 1, 1)
    assert now["at"] == "2026-03-01T11:00:00.000Z"
    assert now["ended_by_newer_wording"] is False


def test_the_history_has_the_crms_lines_and_those_of_the_persons_browsers(
    crm: Crm, shop: Site, contact: Contact
) -> None:
    device = linked_device(contact, "offers")
    crm.post(A, {"purpose": "offers", "decision": "withdrawn"})
    history = crm.get(A).json()["history"]
    assert [(one["scope"], one["purpose"], one["decision"], one["source"]) for one in history] == [
        ("contact", "offers", "withdrawn", "crm-api"),
        ("device", "offers", "granted", "test"),
        ("device", "personal_data", "granted", "test"),
    ]
    assert history[1]["device_id"] == public_ids.encode("dev", device.pk)
    assert "evidence" not in history[0]


@pytest.mark.parametrize("missing", [["wording"], ["source"], ["occurred_at"], ["wording", "source", "occurred_at"]])
def test_a_yes_without_its_proof_is_refused(crm: Crm, shop: Site, contact: Contact, missing: list[str]) -> None:
    body = {name: value for name, value in yes(shop).items() if name not in missing}
    problem(crm.post(A, body), 422, "consent_proof_missing", *(f"/{name}" for name in missing))
    assert not ConsentRecord.objects.filter(subject_id=contact.pk, scope=2).exists()


def test_a_no_needs_no_proof_and_stops_all_devices(crm: Crm, shop: Site, contact: Contact) -> None:
    device = linked_device(contact, "offers")
    assert crm.post(A, {"purpose": "offers", "decision": "withdrawn"}).status_code == 201
    device.refresh_from_db()
    assert not device.allowed >> shop.purposes.get(key="offers").bit & 1


def test_a_withdrawn_personal_data_cuts_every_link(crm: Crm, contact: Contact) -> None:
    devices = [linked_device(contact, "offers") for _ in range(2)]
    crm.post(A, {"purpose": "personal_data", "decision": "withdrawn"})
    assert not Device.objects.filter(pk__in=[one.pk for one in devices], contact__isnull=False).exists()


def test_decisions_count_by_when_they_were_made_and_a_tie_is_a_no(crm: Crm, shop: Site, contact: Contact) -> None:
    crm.post(A, yes(shop, occurred_at="2026-03-02T00:00:00Z"))
    older = {"purpose": "offers", "decision": "withdrawn", "occurred_at": "2026-03-01T00:00:00Z"}
    assert crm.post(A, older).json()["counts"] is False
    assert state(crm)["decision"] == "granted"
    assert crm.post(A, older | {"occurred_at": "2026-03-02T00:00:00Z"}).json()["counts"] is True
    assert state(crm)["decision"] == "withdrawn"
    # Nobody decides in the future: what claims to counts from when it arrived, and so a no after it counts.
    crm.post(A, yes(shop, occurred_at=(timezone.now() + timedelta(days=9)).isoformat()))
    assert state(crm)["decision"] == "granted"
    crm.post(A, {"purpose": "offers", "decision": "withdrawn"})
    assert state(crm)["decision"] == "withdrawn"


def test_a_text_is_kept_as_a_version_once_and_browsers_are_not_asked_with_it(
    crm: Crm, shop: Site, contact: Contact
) -> None:
    told = {"language": "en", "text": " I want the letter. "}
    ids = {crm.post(A, yes(shop, wording=told)).json()["wording"]["id"] for _ in range(2)}
    assert len(ids) == 1
    wording = Wording.objects.get(pk=public_ids.decode("wrd", ids.pop()))
    assert (wording.text, wording.version, wording.from_crm) == ("I want the letter.", 2, True)
    shown = {one.purpose.key: one.wording for one in purposes.shown(shop, ["en"])}
    assert shown["offers"].text == "Send me offers."
    known = crm.post(A, yes(shop, wording={"language": "en", "text": "Send me offers."})).json()["wording"]
    assert known["version"] == 1


def test_a_newer_wording_ends_an_older_yes(crm: Crm, shop: Site, contact: Contact) -> None:
    linked_device(contact)
    crm.post(A, yes(shop))
    purposes.add_wording(shop.purposes.get(key="offers"), {"en": "More offers."}, timezone.now(), ends_older=True)
    now = state(crm)
    assert (now["decision"], now["ended_by_newer_wording"], now["devices_allowed"]) == ("granted", True, 0)


@pytest.mark.parametrize(
    ("change", "code", "pointers"),
    [
        ({"purpose": "unknown"}, "unknown_purpose", ["/purpose"]),
        ({"purpose": None}, "invalid_request", ["/purpose"]),
        ({"decision": "maybe"}, "invalid_request", ["/decision"]),
        ({"wording": "wrd_nothing"}, "unknown_wording", ["/wording"]),
        ({"wording": 7}, "invalid_request", ["/wording"]),
        ({"wording": {"language": "en"}}, "invalid_request", ["/wording/text"]),
        ({"wording": {"language": "no language", "text": "x"}}, "invalid_request", ["/wording/language"]),
        ({"wording": {"language": "en", "text": "x" * 2001}}, "invalid_request", ["/wording/text"]),
        ({"wording": {"language": "en", "text": "x", "by": "me"}}, "invalid_request", ["/wording/by"]),
        ({"source": "The Shop"}, "invalid_request", ["/source"]),
        ({"occurred_at": "2026-03-01"}, "invalid_request", ["/occurred_at"]),
        ({"occurred_at": 1}, "invalid_request", ["/occurred_at"]),
        ({"evidence": "yes"}, "invalid_request", ["/evidence"]),
        ({"evidence": {"x": "y" * 9000}}, "invalid_request", ["/evidence"]),
        ({"scope": "device"}, "invalid_request", ["/scope"]),
    ],
)
def test_every_wrong_member_is_named(
    crm: Crm, shop: Site, contact: Contact, change: dict[str, Any], code: str, pointers: list[str]
) -> None:
    problem(crm.post(A, yes(shop, **change)), 422, code, *pointers)
    assert not ConsentRecord.objects.filter(subject_id=contact.pk, scope=2).exists()
    assert not Wording.objects.filter(purpose__site=shop, from_crm=True).exists()


def test_a_wording_of_another_purpose_or_site_is_refused(crm: Crm, shop: Site, contact: Contact) -> None:
    for purpose in (shop.purposes.get(key="order_updates"), new_site().purposes.get(key="offers")):
        wording = public_ids.encode("wrd", wording_of(purpose).pk)
        problem(crm.post(A, yes(shop, wording=wording)), 422, "unknown_wording", "/wording")


@pytest.mark.parametrize(("body", "status", "code"), NASTY)
def test_a_body_that_cannot_be_used_is_a_problem(
    crm: Crm, contact: Contact, body: bytes, status: int, code: str
) -> None:
    answer = crm.post(A, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_nobody_decides_for_somebody_who_is_not_there(crm: Crm, shop: Site) -> None:
    problem(crm.post(of("NOBODY", "/consents"), yes(shop)), 404, "not_found")


def test_an_archived_purpose_takes_a_no_and_no_yes(crm: Crm, shop: Site, contact: Contact) -> None:
    grant(contact, "offers")
    shop.purposes.filter(key="offers").update(archived=True)
    problem(crm.post(A, yes(shop)), 422, "unknown_purpose", "/purpose")
    assert crm.post(A, {"purpose": "offers", "decision": "withdrawn"}).status_code == 201
    withdraw(contact, "order_updates")
    assert {one["purpose"] for one in crm.get(A).json()["state"]} >= {"offers", "order_updates"}
