"""Messages over real HTTP: the life of one from its trial to its end, as a CRM goes through it."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import Message
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from tests.api.over_http import Crm, problem
from tests.campaigns.shop import accepted, new_contact, new_person, new_site
from tests.parts.stack import Stack


def body(device_id: str, **members: Any) -> dict[str, Any]:
    """The example of the contract, with all of its members."""
    return {
        "recipients": [
            {"external_id": "CRM-42", "params": {"first_name": "Anna"}, "devices": "latest"},
            {"external_id": "CRM-43"},
            {"device_id": device_id},
        ],
        "purpose": "order_updates",
        "content": {
            "title": "Hello {{ params.first_name }}", "body": "…", "url": "https://shop.example/o/1",
            "icon": None, "image": None, "badge": None,
            "actions": [{"action": "track", "title": "Track it", "url": "https://shop.example/track"}],
            "require_interaction": False,
            "translations": {"pl": {"title": "Cześć {{ params.first_name }}", "body": "…"}},
        },
        "devices": "all", "ttl": 3600, "expires_at": None, "urgency": "normal", "collapse_key": None,
        "send_at": None, "correlation_id": "deal-42", **members,
    }  # fmt: skip


def test_a_message_is_tried_sent_read_listed_and_followed(crm: Crm, shop: Site) -> None:
    (device,) = new_person(shop, "CRM-42", "order_updates")
    new_contact(shop, external_id="CRM-43")
    asked = body("dev_" + "a" * 26)
    said = {
        "recipients_queued": 1,
        "recipients_skipped": 2,
        "devices_queued": 1,
        "correlation_id": "deal-42",
        "results": [
            {"external_id": "CRM-42", "status": "queued", "devices": 1},
            {"external_id": "CRM-43", "status": "skipped", "reason": "no_active_device"},
            {"device_id": "dev_" + "a" * 26, "status": "skipped", "reason": "unknown_device"},
        ],
    }
    tried = crm.post("messages/validate", asked)
    assert (tried.status_code, {**tried.json(), "preview": None}) == (200, {"status": "valid", **said, "preview": None})
    assert tried.json()["preview"]["payload"]["notification"]["title"] == "Hello Anna"
    assert crm.get("messages").json() == {"data": [], "next_cursor": None}

    answer = crm.post("messages", asked, Idempotency_Key="shipped")
    assert answer.status_code == 202
    sent = answer.json()
    assert sent == {"id": sent["id"], "status": "queued", **said}
    again = crm.post("messages", asked, Idempotency_Key="shipped")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (sent, "true")

    message = Message.objects.get(pk=public_ids.decode("msg", sent["id"]))
    accepted(message, device)
    (delivery,) = crm.get(f"messages/{sent['id']}/deliveries?external_id=CRM-42&status=accepted").json()["data"]
    assert (delivery["device_id"], delivery["status"]) == (public_ids.encode("dev", device.pk), "accepted")
    assert delivery["accepted_at"]
    read = crm.get(f"messages/{sent['id']}").json()
    assert (read["purpose"], read["statistics"]["targeted"], read["people"]["targeted"]) == ("order_updates", 1, 1)
    (listed,) = crm.get("messages?correlation_id=deal-42&limit=1").json()["data"]
    assert listed == {name: read[name] for name in listed}


def test_a_message_for_later_can_be_cancelled_once(crm: Crm, shop: Site) -> None:
    new_person(shop, "CRM-42", "order_updates")
    at = (timezone.now() + timedelta(hours=2)).isoformat()
    sent = crm.post("messages", body("dev_x", send_at=at), Idempotency_Key="later").json()
    assert sent["status"] == "scheduled"
    cancelled = crm.call("POST", f"messages/{sent['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()) == (
        200, {"id": sent["id"], "status": "cancelled", "already_sent": 0},
    )  # fmt: skip
    problem(crm.call("POST", f"messages/{sent['id']}/cancel"), 409, "not_cancellable")


def test_who_may_do_what_with_a_message(crm: Crm, shop: Site, web: Stack) -> None:
    sent = crm.post("messages", body("dev_x"), Idempotency_Key="theirs").json()["id"]
    sender, reader, seer = (
        Crm(web.web_url, shop, scope) for scope in ("messages:send", "messages:read", "messages:read_all")
    )
    stranger = Crm(web.web_url, new_site())
    assert "messages:read" in problem(sender.get(f"messages/{sent}"), 403, "missing_scope")["detail"]
    problem(reader.post("messages", body("dev_x"), Idempotency_Key="x"), 403, "missing_scope")
    assert seer.get(f"messages/{sent}").status_code == 200
    for path in (f"messages/{sent}", f"messages/{sent}/deliveries"):
        problem(reader.get(path), 404, "not_found")
        problem(stranger.get(path), 404, "not_found")
    problem(sender.call("POST", f"messages/{sent}/cancel"), 404, "not_found")
    problem(crm.post("messages", body("dev_x")), 400, "idempotency_key_required")
