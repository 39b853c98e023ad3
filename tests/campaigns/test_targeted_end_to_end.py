"""From a CRM's POST to the screen and back into the statistics, through real processes."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.utils import timezone

from pushplatform.sites.api_keys import make_key
from pushplatform.webpush.keys import b64url
from subscribers.models import Device, Subscription
from tests.campaigns.shop import grant, new_client, new_contact
from tests.campaigns.world import World
from tests.localpush.conftest import LocalPushProcess, eventually
from tests.parts.stack import Stack


@pytest.fixture
def stack(begin_stack: Callable[..., Stack]) -> Stack:
    return begin_stack(web=True, targeted=True)


@pytest.fixture
def world(stack: Stack, push_service: LocalPushProcess) -> World:
    return World(push_service)


def subscribed(world: World, stack: Stack, external_id: str, *purposes: str) -> Device:
    """A contact whose simulated browser reports what it does to the platform."""
    browser = world.push.browser(
        b64url(bytes(world.key.public_key)), label=external_id, receipts_url=f"{stack.web_url}/push/v1/receipts"
    )
    now = timezone.now()
    device = Device.objects.create(
        site=world.site, contact=new_contact(world.site, external_id=external_id), service=6, vapid_key=world.key,
        subscribed_at=now, last_seen_at=now,
    )  # fmt: skip
    Subscription.objects.bulk_create([world._subscription(device, browser)])
    grant(device, "personal_data", *purposes)
    return device


@pytest.fixture
def call(stack: Stack, world: World) -> Callable[..., requests.Response]:
    """Calls the API with a key of this Site."""
    secret = make_key(new_client(world.site)).text

    def request(method: str, path: str, *, key: str = "", body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}
        return requests.request(method, f"{stack.web_url}/api/v1/{path}", headers=headers, json=body, timeout=120)

    return request


def test_a_message_reaches_the_screen_and_its_figures_come_back(
    stack: Stack, world: World, call: Callable[..., requests.Response]
) -> None:
    subscribed(world, stack, "ANNA", "offers", "measurement")
    subscribed(world, stack, "BEN", "offers")
    body = {
        "recipients": [
            {"external_id": "ANNA", "params": {"order": "A-1"}},
            {"external_id": "BEN", "params": {"order": "B-2"}},
            {"external_id": "NOBODY"},
        ],
        "purpose": "offers",
        "content": {"title": "Order {{ params.order }}", "url": "https://shop.example/o/{{ params.order }}"},
    }
    sent = call("POST", "messages", key="one", body=body)
    assert (sent.status_code, sent.json()["devices_queued"]) == (202, 2)
    for label, order in (("ANNA", "A-1"), ("BEN", "B-2")):
        (shown,) = eventually(lambda label=label: world.push.inbox(label=label))
        notification = shown["payload"]["notification"]
        assert notification["title"] == f"Order {order}"
        assert notification["data"]["url"] == f"https://shop.example/o/{order}"
        follow = requests.get(notification["navigate"].replace("http://localhost:8000", stack.web_url), timeout=120,
                              allow_redirects=False)  # fmt: skip
        assert follow.headers["Location"] == f"https://shop.example/o/{order}"

    def finished() -> dict[str, Any] | None:
        got = call("GET", f"messages/{sent.json()['id']}").json()
        return got if got["status"] == "finished" and got["statistics"]["shown"] == 2 else None

    got = eventually(finished)
    figures = {name: number for name, number in got["statistics"].items() if number}
    assert figures == {"targeted": 2, "accepted": 2, "received": 2, "shown": 2, "clicked": 2}
    assert got["people"] == {"targeted": 2, "reached": 2, "shown": 1, "clicked": 1}  # Ben agreed to no measurement
