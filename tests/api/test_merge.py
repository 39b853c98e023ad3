"""Two contacts become one, over real HTTP."""

from typing import Any

import pytest

from campaigns.models import Delivery, Recipient
from pushplatform.sites.models import Site
from subscribers.models import Behaviour, ConsentRecord, Contact, ContactList, ContactListMember, Device
from subscribers.reconciling import differences
from tests.api.over_http import Crm, of, problem
from tests.api.test_erasure import identity_of
from tests.campaigns.shop import accepted, grant, linked_device, new_contact, new_message, new_site, withdraw
from tests.parts.stack import Stack
from tests.subscribers.browsers import Browser


def merge(crm: Crm, gone: str = "OLD", into: str = "NEW") -> dict[str, Any]:
    answer = crm.post(of(gone, "/merge"), {"into": into})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_devices_history_lists_and_events_move(crm: Crm, shop: Site) -> None:
    old, new = new_contact(shop, external_id="OLD"), new_contact(shop, external_id="NEW")
    device = linked_device(old, "offers")
    accepted(new_message(shop), device)
    crm.post("events", {"events": [{"external_id": "OLD", "name": "visit"}]})
    said = {"recipients": [{"external_id": "OLD"}], "purpose": "offers", "content": {"title": "Hello"}}
    crm.post("messages", said, Idempotency_Key="m")
    fair, both = (ContactList.objects.create(site=shop, name=name, members=2) for name in ("Fair", "Both"))
    for listed, contact in ((fair, old), (both, old), (both, new)):
        ContactListMember.objects.create(list=listed, contact=contact)
    answer = merge(crm)
    assert (answer["merged"], answer["into"]["external_id"]) == ("OLD", "NEW")
    assert (answer["devices_moved"], answer["deliveries_moved"]) == (1, 1)
    device.refresh_from_db()
    assert device.contact_id == new.pk
    assert device.allowed >> shop.purposes.get(key="offers").bit & 1  # its own yes goes with it
    assert Delivery.objects.get(device_id=device.pk).contact_id == new.pk
    assert Behaviour.objects.get(site_id=shop.pk).contact_id == new.pk
    assert Recipient.objects.get(external_id="OLD").contact_id == new.pk
    assert set(ContactListMember.objects.values_list("list_id", "contact_id")) == {(fair.pk, new.pk), (both.pk, new.pk)}
    assert dict(ContactList.objects.filter(site=shop).values_list("name", "members")) == {"Fair": 2, "Both": 1}
    assert not Contact.objects.filter(pk=old.pk).exists()
    assert len(differences()) == 0


def test_what_the_survivor_has_stands_and_the_other_fills_the_gaps(crm: Crm) -> None:
    crm.put(of("OLD"), {"attributes": {"a": 1, "b": 2}, "tags": ["x", "y"], "owner": "kate", "language": "pl"})
    crm.put(of("NEW"), {"attributes": {"b": 3, "c": 4}, "tags": ["y", "z"], "language": "en"})
    into = merge(crm)["into"]
    assert into["attributes"] == {"a": 1, "b": 3, "c": 4}
    assert (into["tags"], into["owner"], into["language"]) == (["x", "y", "z"], "kate", "en")


def test_the_most_restrictive_consent_wins_with_one_line_for_each_purpose(crm: Crm, shop: Site) -> None:
    old, new = new_contact(shop, external_id="OLD"), new_contact(shop, external_id="NEW")
    withdraw(old, "offers")
    grant(new, "offers")
    grant(old, "order_updates")
    grant(old, "measurement")
    withdraw(new, "measurement")
    merge(crm)
    state = {one["purpose"]: one["decision"] for one in crm.get(of("NEW", "/consents")).json()["state"]}
    assert state == {
        "personal_data": None, "measurement": "withdrawn", "offers": "withdrawn", "order_updates": "granted",
    }  # fmt: skip
    lines = ConsentRecord.objects.filter(scope=2, subject_id=new.pk, source="merge")
    assert lines.count() == 3
    history = crm.get(of("NEW", "/consents")).json()["history"]
    assert len(history) == 8  # the lines about the other are this person's now


def test_a_withdrawn_personal_data_of_either_cuts_the_links_of_both(crm: Crm, shop: Site) -> None:
    old, new = new_contact(shop, external_id="OLD"), new_contact(shop, external_id="NEW")
    devices = [linked_device(new), linked_device(new)]
    withdraw(old, "personal_data")
    merge(crm)
    assert not Device.objects.filter(pk__in=[one.pk for one in devices], contact__isnull=False).exists()


def test_the_merged_id_leads_to_the_survivor(crm: Crm, shop: Site) -> None:
    for who in ("OLD", "NE/W", "LAST"):
        crm.put(of(who), {})
    merge(crm, "OLD", "NE/W")
    for answer in (crm.get(of("OLD")), crm.get(of("OLD", "/consents")), crm.delete(of("OLD"))):
        assert "NE/W" in problem(answer, 404, "contact_merged")["detail"]
        assert answer.headers["Location"] == "/api/v1/contacts/NE%2FW"
    problem(crm.put(of("OLD"), {}), 409, "contact_merged")
    batch = crm.post("contacts/batch", {"contacts": [{"external_id": "OLD"}]}).json()
    assert batch["results"][0]["code"] == "contact_merged"
    merge(crm, "NE/W", "LAST")
    assert crm.get(of("OLD")).headers["Location"] == "/api/v1/contacts/LAST"
    assert crm.put(of("OLD"), {"recreate": True}).status_code == 201
    assert crm.get(of("OLD")).status_code == 200


def test_a_browser_signed_in_under_the_merged_id_stays_anonymous(crm: Crm, shop: Site) -> None:
    for who in ("OLD", "NEW"):
        crm.put(of(who), {})
    merge(crm)
    browser = Browser(shop)
    answer = browser.register({"personal_data": "granted"}, identity=identity_of(shop, "OLD"))
    assert (answer["identified"], answer["not_identified_because"]) == (False, "contact_merged")
    assert not Contact.objects.filter(site=shop, external_id="OLD").exists()


def test_whoever_is_erased_takes_the_merged_ids_along(crm: Crm, shop: Site) -> None:
    for who in ("OLD", "NEW"):
        crm.put(of(who), {})
    merge(crm)
    crm.delete(of("NEW"))
    problem(crm.put(of("OLD"), {}), 409, "contact_erased")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"into": "OLD"}, "merge_with_itself", "/into"),
        ({"into": "NOBODY"}, "unknown_contact", "/into"),
        ({"into": "OTHER"}, "unknown_contact", "/into"),
        ({"into": 7}, "invalid_type", "/into"),
        ({"into": "a\nb"}, "invalid_text", "/into"),
        ({}, "required", "/into"),
        ({"into": "NEW", "from": "OLD"}, "unknown_field", "/from"),
    ],
)
def test_a_merge_that_cannot_be_is_refused(crm: Crm, web: Stack, body: dict[str, Any], code: str, pointer: str) -> None:
    Crm(web.web_url, new_site()).put(of("OTHER"), {})
    for who in ("OLD", "NEW"):
        crm.put(of(who), {})
    found = problem(crm.post(of("OLD", "/merge"), body), 422, "invalid_request", pointer)
    assert found["errors"][0]["code"] == code
    problem(crm.post(of("NOBODY", "/merge"), {"into": "NEW"}), 404, "not_found")
