"""Between the 201 and the browser: waiting, TTL, Topic, cancelling."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from .conftest import LocalPushProcess, Sender, eventually, notification


@pytest.fixture
def away(localpush: LocalPushProcess, sender: Sender, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A simulated browser that is not connected."""
    label = request.node.name
    return localpush.browser(sender.public_key, label=label, behaviour={"online": False})


def come_back(localpush: LocalPushProcess, browser: dict[str, Any]) -> None:
    answer = localpush.call("PATCH", f"/browsers/{browser['id']}", {"behaviour": {"online": True}})
    assert answer.status_code == 200


def states(localpush: LocalPushProcess, browser: dict[str, Any]) -> dict[str, str]:
    return {entry["message"]: entry["state"] for entry in localpush.inbox(label=browser["label"], limit=1000)}


def test_messages_wait_for_a_browser_that_is_away_and_come_in_order(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    for message in ("first", "second", "third"):
        assert sender.post(away["subscription"], notification(message)).status_code == 201
    assert set(states(localpush, away).values()) == {"waiting"}
    come_back(localpush, away)
    eventually(lambda: set(states(localpush, away).values()) == {"shown"})
    shown = {entry["message"]: entry["history"][-1]["at"] for entry in localpush.inbox(label=away["label"])}
    assert shown["first"] <= shown["second"] <= shown["third"]


def test_a_waiting_message_is_readable_in_the_inbox_though_nobody_got_it(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    sender.post(away["subscription"], notification("m", title="Not yet"))
    [entry] = localpush.inbox(label=away["label"])
    assert (entry["title"], entry["state"]) == ("Not yet", "waiting")
    assert localpush.call("GET", f"/browsers/{away['id']}").json()["tally"] == {}


def test_ttl_0_is_dropped_when_the_browser_is_away_and_shown_when_it_is_there(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any], browser: dict[str, Any]
) -> None:
    answer = sender.post(away["subscription"], notification("m"), {"TTL": "0"})
    assert (answer.status_code, answer.headers["TTL"]) == (201, "0")
    assert states(localpush, away) == {"m": "dropped"}
    sender.post(browser["subscription"], notification("n"), {"TTL": "0"})
    localpush.in_state("shown", message="n")


def test_a_message_whose_ttl_ends_while_it_waits_is_expired(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    sender.post(away["subscription"], notification("short"), {"TTL": "1"})
    sender.post(away["subscription"], notification("long"), {"TTL": "60"})
    eventually(lambda: states(localpush, away) == {"short": "expired", "long": "waiting"})
    come_back(localpush, away)
    eventually(lambda: states(localpush, away) == {"short": "expired", "long": "shown"})


def test_a_newer_push_of_the_same_topic_replaces_the_waiting_one_and_no_other(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    sender.post(away["subscription"], notification("order 1"), {"Topic": "order"})
    sender.post(away["subscription"], notification("offer"), {"Topic": "offer"})
    sender.post(away["subscription"], notification("none"))
    sender.post(away["subscription"], notification("order 2"), {"Topic": "order"})
    expected = {"order 1": "replaced", "offer": "waiting", "none": "waiting", "order 2": "waiting"}
    assert states(localpush, away) == expected
    come_back(localpush, away)
    eventually(
        lambda: (
            states(localpush, away) == {"order 1": "replaced", "offer": "shown", "none": "shown", "order 2": "shown"}
        )
    )


def test_the_sender_cancels_a_waiting_message_by_its_location(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    location = sender.post(away["subscription"], notification("m")).headers["Location"]
    assert requests.delete(location, timeout=30).status_code == 204
    assert states(localpush, away) == {"m": "cancelled"}
    assert requests.delete(location, timeout=30).status_code == 404


def test_more_than_a_hundred_waiting_messages_push_the_oldest_out(
    localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]
) -> None:
    for number in range(101):
        sender.post(away["subscription"], notification(f"m{number}"))
    found = states(localpush, away)
    assert found["m0"] == "dropped"
    assert list(found.values()).count("waiting") == 100


def test_unsubscribing_drops_what_waits(localpush: LocalPushProcess, sender: Sender, away: dict[str, Any]) -> None:
    sender.post(away["subscription"], notification("m"))
    localpush.call("PATCH", f"/browsers/{away['id']}", {"subscribed": False})
    assert states(localpush, away) == {"m": "dropped"}


def test_a_delayed_browser_that_goes_away_in_between_gets_the_message_when_it_is_back(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    path = f"/browsers/{browser['id']}"
    for seconds in (1.5, 6, 24):  # a busy machine may be too late with the next call: then once more, with more time
        message, delayed = f"m{seconds}", {"receive_delay_ms": [int(seconds * 1000)] * 2, "online": True}
        localpush.call("PATCH", path, {"behaviour": delayed})
        punctual = localpush.browser(sender.public_key, label=f"punctual {seconds}", behaviour=delayed)
        for each in (browser, punctual):
            sender.post(each["subscription"], notification(message))
        localpush.call("PATCH", path, {"behaviour": {"online": False}})
        if states(localpush, browser)[message] == "waiting":
            break
    localpush.in_state("shown", label=punctual["label"])  # by now the other would have been shown too
    assert states(localpush, browser)[message] == "waiting"
    come_back(localpush, browser)
    localpush.in_state("shown", label=browser["label"], message=message)
