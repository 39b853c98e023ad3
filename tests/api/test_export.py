"""Everything known of a person, over real HTTP."""

import json
from typing import Any

from django.utils import timezone

from campaigns.models import Receipt, ReceiptKind
from pushplatform.sites.models import Site
from subscribers.models import Subscription
from tests.api.over_http import Crm, of
from tests.api.test_erasure import MARK, WHO, fill, in_days
from tests.campaigns.shop import accepted, linked_device, new_contact, new_message


def test_what_was_told_of_a_person_is_all_there(crm: Crm, shop: Site) -> None:
    browser = fill(crm, shop)
    body = crm.get(of(WHO, "/export")).json()
    assert body["contact"] == crm.get(of(WHO)).json()
    assert body["merged_external_ids"] == [f"old {MARK}"]
    assert body["lists"] == ["Fair"]
    (device,) = body["devices"]
    assert device["device_id"] == browser.device_id
    assert (device["subscribed_on_page"], device["tags"], device["statistics"]["sent"]) == (f"/{MARK}", [MARK], 3)
    proofs = [line["evidence"] for line in body["consents"]["history"]]
    assert [proof["recording"] for proof in proofs if proof and "recording" in proof] == [MARK, MARK]
    assert sum(1 for proof in proofs if proof and proof.get("path") == f"/{MARK}") == 3
    assert {(one["id"], one["name"]) for one in body["events"]} == {(MARK, MARK), ("d", MARK)}
    assert len(body["recipients"]) == 4
    assert all(one["params"] == {"name": MARK} for one in body["recipients"])
    assert [one["content"]["title"] for one in body["messages"]] == ["Hello", f"Hello {MARK}", "Hello", "Hello"]
    assert [one["correlation_id"] for one in body["messages"]] == [None, f"deal-{MARK}", None, None]


def test_what_was_sent_and_what_the_browsers_reported_is_there(crm: Crm, shop: Site) -> None:
    device = linked_device(new_contact(shop, external_id="A"), "offers")
    message = new_message(shop)
    accepted(message, device)
    now = timezone.now()
    Receipt.objects.create(
        message_id=message.pk, device_ref=device.pk, kind=ReceiptKind.CLICKED, action="buy", at=now, reported_at=now
    )
    (delivery,) = crm.get(of("A", "/export")).json()["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("accepted", 1)
    assert [(one["kind"], one["action"]) for one in delivery["receipts"]] == [("clicked", "buy")]


def test_nothing_that_lets_others_send_and_nothing_of_others_is_there(crm: Crm, shop: Site) -> None:
    browser = fill(crm, shop)
    text = crm.get(of(WHO, "/export")).text
    subscription = Subscription.objects.get(device_id=browser.device.pk)
    secrets: list[Any] = [subscription.endpoint, *browser.subscription["keys"].values(), browser.secret]
    assert not [one for one in secrets if one in text]
    assert "BEN" not in text
    assert '"Ben"' not in text
    other = json.dumps(crm.get(of("BEN", "/export")).json())
    assert MARK not in other
    assert in_days(0)[:4] in other
