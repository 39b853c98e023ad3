"""Firefox's WebSocket protocol, spoken by a client of our own; a real Firefox speaks it in tests/browser."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .conftest import LocalPushProcess, Sender, eventually

BODY = b"0123456789abcdef" * 10  # only a browser could tell that it decrypts to nothing


class Firefox:
    """One connection of a Firefox."""

    def __init__(self, localpush: LocalPushProcess, uaid: str | None = None, hello: bool = True) -> None:
        self.socket: ClientConnection = connect(
            f"ws://127.0.0.1:{localpush.port}/", subprotocols=[Subprotocol("push-notification")]
        )
        self.uaid = uaid
        if hello:
            frame = {
                "messageType": "hello",
                "broadcasts": {"remote-settings/monitor_changes": '"1"'},
                "use_webpush": True,
            }
            self.hello = self.ask(frame if uaid is None else {**frame, "uaid": uaid})
            self.uaid = self.hello["uaid"]

    def say(self, frame: dict[str, Any]) -> None:
        self.socket.send(json.dumps(frame))

    def hear(self) -> dict[str, Any]:
        return json.loads(self.socket.recv(timeout=30))

    def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        self.say(frame)
        return self.hear()

    def register(self, key: str | None, channel: str | None = None) -> dict[str, Any]:
        frame = {"channelID": channel or str(uuid.uuid4()), "messageType": "register"}
        return self.ask(frame if key is None else {**frame, "key": key})

    def acknowledge(self, notification: dict[str, Any], code: int = 100) -> None:
        update = {"channelID": notification["channelID"], "version": notification["version"], "code": code}
        self.say({"messageType": "ack", "updates": [update]})

    def is_silent(self) -> bool:
        """Nothing more has come: the answer to a ping is the next frame."""
        return self.ask({}) == {}

    def close_code(self) -> int:
        with pytest.raises(ConnectionClosed) as closed:
            self.socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def firefox(localpush: LocalPushProcess) -> Iterator[Firefox]:
    browser = Firefox(localpush)
    yield browser
    browser.close()


def push(sender: Sender, registered: dict[str, Any], **headers: str | None) -> requests.Response:
    wanted = {name.replace("_", "-"): value for name, value in headers.items()}
    return sender.post({"endpoint": registered["pushEndpoint"]}, BODY, wanted)


def newest_state(localpush: LocalPushProcess, firefox: Firefox) -> str:
    return localpush.inbox(kind="firefox", limit=1)[0]["state"]


def test_hello_gives_an_identity_and_the_protocol_is_echoed(firefox: Firefox) -> None:
    assert firefox.socket.subprotocol == "push-notification"
    assert firefox.hello["status"] == 200
    assert firefox.hello["use_webpush"] is True
    assert firefox.hello["broadcasts"] == {}
    assert 0 < len(firefox.hello["uaid"]) <= 128


def test_register_answers_with_an_endpoint_and_a_push_to_it_arrives(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    channel = str(uuid.uuid4())
    registered = firefox.register(sender.public_key + "=", channel)
    assert (registered["messageType"], registered["channelID"], registered["status"]) == ("register", channel, 200)
    assert push(sender, registered).status_code == 201
    notification = firefox.hear()
    assert notification["messageType"] == "notification"
    assert notification["channelID"] == channel
    assert notification["headers"] == {"encoding": "aes128gcm"}
    assert base64.urlsafe_b64decode(notification["data"] + "==") == BODY
    assert newest_state(localpush, firefox) == "sent"
    firefox.acknowledge(notification)
    entry = localpush.in_state("delivered", kind="firefox")
    assert (entry["size"], entry["payload"], entry["title"]) == (len(BODY), None, None)
    assert entry["headers"]["ttl"] == "60"


def test_an_empty_push_carries_neither_data_nor_headers(firefox: Firefox, sender: Sender) -> None:
    registered = firefox.register(sender.public_key)
    sender.post({"endpoint": registered["pushEndpoint"]}, b"", {"Content-Encoding": None})
    assert set(firefox.hear()) == {"messageType", "channelID", "version"}


@pytest.mark.parametrize(("code", "state"), [(101, "undecryptable"), (102, "not_delivered")])
def test_an_ack_with_a_complaint_is_kept(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender, code: int, state: str
) -> None:
    push(sender, firefox.register(sender.public_key))
    firefox.acknowledge(firefox.hear(), code)
    assert str(code) in localpush.in_state(state, kind="firefox")["note"]


def test_a_nack_is_kept(localpush: LocalPushProcess, firefox: Firefox, sender: Sender) -> None:
    push(sender, firefox.register(sender.public_key))
    firefox.say({"messageType": "nack", "version": firefox.hear()["version"], "code": 302})
    assert "302" in localpush.in_state("not_delivered", kind="firefox")["note"]


def test_only_the_key_of_the_registration_may_push(firefox: Firefox, sender: Sender) -> None:
    registered = firefox.register(sender.public_key)
    assert push(Sender(), registered).status_code == 403
    assert push(sender, registered, Authorization=None).status_code == 401
    assert firefox.is_silent()


def test_a_known_browser_keeps_its_identity_and_gets_what_it_missed(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    firefox.close()
    eventually(lambda: not localpush.statistics()["browsers"]["connected"])
    assert push(sender, registered).status_code == 201
    assert push(sender, registered, TTL="0").status_code == 201
    assert newest_state(localpush, firefox) == "dropped"
    back = Firefox(localpush, firefox.uaid)
    assert back.hello["uaid"] == firefox.uaid
    back.acknowledge(back.hear())
    assert back.is_silent()
    back.close()
    again = Firefox(localpush, firefox.uaid)
    assert again.is_silent()
    again.close()


def test_what_was_not_acknowledged_comes_again_with_the_same_version(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    push(sender, firefox.register(sender.public_key))
    first = firefox.hear()
    firefox.close()
    back = Firefox(localpush, firefox.uaid)
    assert back.hear() == first
    back.close()


def test_a_second_connection_of_the_same_browser_takes_over(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    second = Firefox(localpush, firefox.uaid)
    assert firefox.close_code() == 4000
    push(sender, registered)
    second.acknowledge(second.hear())
    assert localpush.in_state("delivered", kind="firefox")
    second.close()


def test_an_unknown_identity_is_replaced_so_that_firefox_drops_its_subscriptions(localpush: LocalPushProcess) -> None:
    stranger = Firefox(localpush, "f" * 32)
    assert stranger.uaid != "f" * 32
    stranger.close()


def test_unregistering_ends_the_endpoint_and_keeps_the_reason(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    kept = firefox.register(sender.public_key)
    frame = {"channelID": registered["channelID"], "messageType": "unregister", "code": 201}
    assert firefox.ask(frame) == {"messageType": "unregister", "channelID": registered["channelID"], "status": 200}
    assert push(sender, registered).status_code == 410
    assert push(sender, kept).status_code == 201
    browsers = localpush.call("GET", "/browsers", params={"kind": "firefox"}).json()["data"]
    subscriptions = {each["channel"]: each["gone_code"] for browser in browsers for each in browser["subscriptions"]}
    assert subscriptions[registered["channelID"]] == 201
    assert subscriptions[kept["channelID"]] is None


def test_registering_a_channel_again_gives_the_same_endpoint_and_another_key_a_conflict(
    firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    assert firefox.register(sender.public_key, registered["channelID"]) == registered
    assert firefox.register(Sender().public_key, registered["channelID"])["status"] == 409
    assert firefox.register("AAAA")["status"] == 400


def test_a_deleted_browser_is_hung_up_on_and_gets_a_new_identity(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    browsers = localpush.call("GET", "/browsers", params={"kind": "firefox"}).json()["data"]
    [mine] = [each for each in browsers if registered["channelID"] in str(each)]
    assert mine["online"] is True
    assert localpush.call("DELETE", f"/browsers/{mine['id']}").status_code == 204
    assert firefox.close_code() == 1001
    assert push(sender, registered).status_code == 410
    back = Firefox(localpush, firefox.uaid)
    assert back.uaid != firefox.uaid
    back.close()


def test_topic_replaces_for_a_firefox_that_is_away(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    registered = firefox.register(sender.public_key)
    firefox.close()
    eventually(lambda: not localpush.statistics()["browsers"]["connected"])
    for _ in range(3):
        push(sender, registered, Topic="one")
    back = Firefox(localpush, firefox.uaid)
    back.acknowledge(back.hear())
    assert back.is_silent()
    back.close()


def test_pings_are_answered_and_broadcasts_ignored(firefox: Firefox) -> None:
    firefox.say({"messageType": "broadcast_subscribe", "broadcasts": {"a": "1"}})
    assert firefox.ask({}) == {}
    assert firefox.ask({"messageType": "ping"}) == {}


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        '{"messageType": "register", "channelID": "12"}',
        '{"messageType": "register"}',
        '{"messageType": "ack", "updates": 7}',
        '{"messageType": "hello"}',
        '{"messageType": "dance"}',
        '{"messageType": {}}',
    ],
)
def test_a_frame_that_breaks_the_protocol_ends_the_connection(firefox: Firefox, frame: str) -> None:
    firefox.socket.send(frame)
    assert firefox.close_code() == 1002


def test_the_first_frame_must_be_hello(localpush: LocalPushProcess) -> None:
    impolite = Firefox(localpush, hello=False)
    impolite.say({"messageType": "register", "channelID": str(uuid.uuid4())})
    assert impolite.close_code() == 1002


def test_acks_of_foreign_or_unknown_messages_change_nothing(
    localpush: LocalPushProcess, firefox: Firefox, sender: Sender
) -> None:
    push(sender, firefox.register(sender.public_key))
    notification = firefox.hear()
    other = Firefox(localpush)
    other.acknowledge(notification)
    other.say({"messageType": "ack", "updates": ["odd", {"version": "nothing"}]})
    assert other.is_silent()
    assert newest_state(localpush, firefox) == "sent"
    other.close()
