"""Making, changing and deleting simulated browsers, and how they react and report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from .conftest import LocalPushProcess, ReceiptsServer, Sender, eventually, notification


def test_a_new_browser_answers_with_a_subscription_as_a_page_would_get_it(
    localpush: LocalPushProcess, sender: Sender
) -> None:
    made = localpush.browser(sender.public_key, label="CRM-42", receipts_url="http://127.0.0.1:1/r")
    subscription = made["subscription"]
    assert set(subscription) == {"endpoint", "expirationTime", "keys"}
    assert subscription["expirationTime"] is None
    assert set(subscription["keys"]) == {"p256dh", "auth"}
    assert subscription["endpoint"].startswith(localpush.base + "/push/")
    assert made["application_server_key"] == sender.public_key
    assert localpush.call("GET", f"/browsers/{made['id']}").json() == made


def test_a_key_with_padding_is_the_same_key(localpush: LocalPushProcess, sender: Sender) -> None:
    made = localpush.browser(sender.public_key + "=")
    assert made["application_server_key"] == sender.public_key
    assert sender.post(made["subscription"], notification("m")).status_code == 201


def test_a_batch_makes_many_with_shared_defaults(localpush: LocalPushProcess, sender: Sender) -> None:
    body = {
        "defaults": {"application_server_key": sender.public_key, "behaviour": {"click": 1.0}},
        "browsers": [{"label": "batch 1"}, {"label": "batch 2", "behaviour": {"close": 1.0}}],
    }
    made = localpush.call("POST", "/browsers/batch", body).json()["data"]
    assert [each["label"] for each in made] == ["batch 1", "batch 2"]
    assert [each["behaviour"]["click"] for each in made] == [1.0, 0.0]
    assert made[0]["subscription"]["keys"] != made[1]["subscription"]["keys"]


@pytest.mark.parametrize(
    ("body", "pointer", "word"),
    [
        ({"application_server_key": None}, "/label", "missing"),
        ({"label": "", "application_server_key": None}, "/label", "not empty"),
        ({"label": "x" * 256, "application_server_key": None}, "/label", "255"),
        ({"label": "x"}, "/application_server_key", "missing"),
        ({"label": "x", "application_server_key": "BBBB"}, "/application_server_key", "65 octets"),
        ({"label": "x", "application_server_key": "B" + "A" * 86}, "/application_server_key", "P-256"),
        ({"label": "x", "application_server_key": None, "receipts_url": "ftp://x/"}, "/receipts_url", "http"),
        ({"label": "x", "application_server_key": None, "behaviour": {"click": 2}}, "/behaviour/click", "0 to 1"),
        (
            {"label": "x", "application_server_key": None, "behaviour": {"click": 0.7, "close": 0.7}},
            "/behaviour/click",
            "1",
        ),
        (
            {"label": "x", "application_server_key": None, "behaviour": {"delay_ms": [5, 1]}},
            "/behaviour/delay_ms",
            "shortest",
        ),
        ({"label": "x", "application_server_key": None, "behaviour": {"mode": "lazy"}}, "/behaviour/mode", "count"),
        ({"label": "x", "application_server_key": None, "behaviour": {"clicks": 1}}, "/behaviour/clicks", "click"),
        ({"label": "x", "application_server_key": None, "colour": "red"}, "/colour", "label"),
        ([], "", "object"),
    ],
)
def test_bad_input_names_the_field_and_makes_nothing(
    localpush: LocalPushProcess, body: object, pointer: str, word: str
) -> None:
    before = localpush.call("GET", "/browsers").json()["total"]
    answer = localpush.call("POST", "/browsers", body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert word in error["detail"]
    assert localpush.call("GET", "/browsers").json()["total"] == before


def test_one_wrong_browser_in_a_batch_is_named_and_none_is_made(localpush: LocalPushProcess, sender: Sender) -> None:
    before = localpush.call("GET", "/browsers").json()["total"]
    browsers = [{"label": "fine", "application_server_key": sender.public_key}, {"label": 7}]
    answer = localpush.call("POST", "/browsers/batch", {"browsers": browsers})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/browsers/1/label"
    assert localpush.call("GET", "/browsers").json()["total"] == before


def test_a_body_that_is_no_json_is_refused(localpush: LocalPushProcess) -> None:
    answer = localpush.call("POST", "/browsers", data=b"{label}")
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]


def test_browsers_are_listed_in_pages_and_by_label(localpush: LocalPushProcess, sender: Sender) -> None:
    made = [localpush.browser(sender.public_key, label="listed")["id"] for _ in range(5)]
    first = localpush.call("GET", "/browsers", params={"label": "listed", "limit": 3}).json()
    rest = localpush.call("GET", "/browsers", params={"label": "listed", "cursor": first["next_cursor"]}).json()
    assert [each["id"] for each in first["data"] + rest["data"]] == made
    assert (first["total"], rest["next_cursor"]) == (5, None)
    assert localpush.call("GET", "/browsers", params={"cursor": "nobody"}).status_code == 400


def test_a_deleted_browser_is_unknown_and_its_endpoint_gone(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    assert localpush.call("DELETE", f"/browsers/{browser['id']}").status_code == 204
    assert localpush.call("GET", f"/browsers/{browser['id']}").status_code == 404
    assert localpush.call("PATCH", f"/browsers/{browser['id']}", {}).status_code == 404
    assert sender.post(browser["subscription"], notification("m")).status_code == 410


def test_subscribing_with_a_new_key_makes_a_new_endpoint_and_ends_the_old_one(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    new_sender = Sender()
    changed = localpush.call(
        "PATCH", f"/browsers/{browser['id']}", {"application_server_key": new_sender.public_key}
    ).json()
    assert changed["subscription"]["endpoint"] != browser["subscription"]["endpoint"]
    assert changed["subscription"]["keys"] != browser["subscription"]["keys"]
    assert sender.post(browser["subscription"], notification("old")).status_code == 410
    assert new_sender.post(changed["subscription"], notification("new")).status_code == 201
    localpush.in_state("shown", label=browser["label"])


def test_a_push_is_shown_and_reported_as_received_and_shown_in_one_post(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    browser = localpush.browser(sender.public_key, label="reporting", receipts_url=receipts.url)
    sender.post(browser["subscription"], notification("m", title="Autumn", body="20 % off"))
    eventually(lambda: receipts.posts)
    assert [[item["kind"] for item in post] for post in receipts.posts] == [["received", "shown"]]
    for item in receipts.posts[0]:
        assert set(item) == {"token", "kind", "at"}
        assert item["token"] == "token of m"
        assert datetime.fromisoformat(item["at"]).utcoffset() is not None
    assert receipts.content_types == {"text/plain;charset=UTF-8"}
    entry = localpush.in_state("shown", label="reporting")
    assert (entry["title"], entry["body"], entry["message"]) == ("Autumn", "20 % off", "m")


def test_a_doubled_post_raises_no_second_alert_and_no_second_report_and_is_counted(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    before = localpush.statistics()["doubled_posts"]
    twice = localpush.browser(sender.public_key, label="twice", receipts_url=receipts.url)
    once = localpush.browser(sender.public_key, label="once", receipts_url=receipts.url)
    for browser in (twice, twice, once):
        assert sender.post(browser["subscription"], notification("doubled")).status_code == 201
    eventually(lambda: receipts.of("doubled").count("shown") == 2)
    sender.post(once["subscription"], notification("after"))
    eventually(lambda: receipts.of("after"))
    assert sorted(receipts.of("doubled")) == ["received", "received", "shown", "shown"]
    assert [entry["state"] for entry in localpush.inbox(label="twice")] == ["repeated", "shown"]
    statistics = localpush.statistics()
    assert statistics["doubled_posts"] == before + 1
    [count] = [each for each in statistics["messages"] if each["message"] == "doubled"]
    assert (count["posts"], count["browsers"], count["doubled"]) == (3, 2, 1)
    assert localpush.call("GET", f"/browsers/{twice['id']}").json()["doubled"] == 1


def test_the_person_clicks_a_button_or_closes_as_the_behaviour_says(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    members = {"receipts_url": receipts.url}
    clicker = localpush.browser(sender.public_key, behaviour={"click": 1.0, "delay_ms": [10, 30]}, **members)
    chooser = localpush.browser(sender.public_key, behaviour={"click": 1.0, "action": 1.0}, **members)
    closer = localpush.browser(sender.public_key, behaviour={"close": 1.0}, **members)
    buttons = [{"action": "track", "title": "Track it"}]
    for message, browser in (("clicks", clicker), ("chooses", chooser), ("closes", closer)):
        sender.post(browser["subscription"], notification(message, actions=buttons))
    eventually(lambda: sum(map(len, receipts.posts)) == 9)
    assert sorted(receipts.of("clicks")) == ["clicked", "received", "shown"]
    assert sorted(receipts.of("closes")) == ["closed", "received", "shown"]
    clicks = {
        item["token"]: item.get("action") for post in receipts.posts for item in post if item["kind"] == "clicked"
    }
    assert clicks == {"token of clicks": None, "token of chooses": "track"}
    assert localpush.in_state("clicked", message="chooses")
    assert localpush.in_state("closed", message="closes")


def test_a_browser_that_never_receives_and_one_that_shows_nothing(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    lost = localpush.browser(sender.public_key, behaviour={"receive": 0}, receipts_url=receipts.url)
    mute = localpush.browser(sender.public_key, behaviour={"show": 0, "click": 1}, receipts_url=receipts.url)
    sender.post(lost["subscription"], notification("lost"))
    sender.post(mute["subscription"], notification("mute"))
    assert localpush.in_state("not_received", message="lost")
    assert localpush.in_state("received", message="mute")
    eventually(lambda: receipts.posts)
    assert receipts.of("mute") == ["received"]
    assert receipts.of("lost") == []


def test_the_same_seed_reacts_the_same_and_another_differently(localpush: LocalPushProcess, sender: Sender) -> None:
    behaviour = {"click": 0.5, "close": 0.5}
    seeds = {"seed a": 7, "seed b": 7, "seed c": "other"}
    for label, seed in seeds.items():
        browser = localpush.browser(sender.public_key, label=label, behaviour={**behaviour, "seed": seed})
        for number in range(12):
            sender.post(browser["subscription"], notification(f"seeded {number}"))

    def reactions(label: str) -> list[str]:
        return [entry["state"] for entry in localpush.inbox(label=label)]

    eventually(lambda: all(not {"shown", "waiting"} & set(reactions(label)) for label in seeds))
    assert reactions("seed a") == reactions("seed b")
    assert reactions("seed a") != reactions("seed c")
    assert set(reactions("seed a")) == {"clicked", "closed"}


def test_reports_travel_up_to_a_hundred_together(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    away = localpush.browser(sender.public_key, receipts_url=receipts.url, behaviour={"online": False})
    for number in range(70):
        sender.post(away["subscription"], notification(f"many {number}"))
    # All connections are taken, and one report more waits for one: the others are there before any of them can go.
    receipts.open.clear()
    prompt = localpush.browser(sender.public_key, receipts_url=receipts.url)
    for number in range(1, 5):
        sender.post(prompt["subscription"], notification(f"before {number}"))
        eventually(lambda number=number: receipts.taken == number)
    pending = localpush.statistics()["reports_pending"]
    sender.post(prompt["subscription"], notification("before 5"))
    localpush.in_state("shown", message="before 5")
    eventually(lambda: localpush.statistics()["reports_pending"] <= pending)
    localpush.call("PATCH", f"/browsers/{away['id']}", {"behaviour": {"online": True}})
    localpush.in_state("shown", message="many 69")
    receipts.open.set()
    eventually(lambda: sum(map(len, receipts.posts)) == 150)
    assert sorted(map(len, receipts.posts)) == [2, 2, 2, 2, 2, 40, 100]


def test_reports_are_spread_as_the_payload_asks_unless_the_browser_is_told_not_to(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    prompt = localpush.browser(sender.public_key, receipts_url=receipts.url, behaviour={"spread": False})
    patient = localpush.browser(sender.public_key, receipts_url=receipts.url, behaviour={"seed": 1})
    eventually(lambda: localpush.statistics()["reports_pending"] == 0)  # of earlier tests
    for browser, message in ((patient, "patient"), (prompt, "prompt")):
        sender.post(browser["subscription"], notification(message, data={"s": 3600}))
    eventually(lambda: receipts.of("prompt"))
    assert localpush.in_state("shown", message="patient")
    # Who got the prompt one has answered, and is pending until the answer is read.
    eventually(lambda: localpush.statistics()["reports_pending"] == 1)
    assert receipts.of("patient") == []


def test_a_report_is_tried_again_after_a_failure_and_given_up_after_a_refusal(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    failed = localpush.statistics()["reports"].get("failed", 0)
    browser = localpush.browser(sender.public_key, receipts_url=receipts.url)
    receipts.statuses = [503, 204]
    sender.post(browser["subscription"], notification("retried"))
    eventually(lambda: receipts.of("retried") == ["received", "shown"])
    receipts.statuses = [400]
    sender.post(browser["subscription"], notification("refused"))
    eventually(lambda: localpush.statistics()["reports"].get("failed", 0) == failed + 1)
    assert receipts.of("refused") == []


def test_payloads_of_another_make_are_shown_and_not_reported(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    browser = localpush.browser(sender.public_key, label="foreign", receipts_url=receipts.url)
    shown: list[tuple[str | None, str | None]] = []
    for payload in ({"title": "Flat", "body": "as of old"}, "plain words", [1, 2], {"notification": "odd", "title": 7}):
        sender.post(browser["subscription"], payload)
        entry = localpush.in_state("shown", label="foreign")
        shown.append((entry["title"], entry["body"]))
    assert shown == [("Flat", "as of old"), (None, "plain words"), (None, "[1, 2]"), (None, None)]
    assert receipts.posts == []


def test_a_counting_browser_counts_and_keeps_nothing(localpush: LocalPushProcess, sender: Sender) -> None:
    browser = localpush.browser(sender.public_key, label="counter", behaviour={"mode": "count"})
    for _ in range(3):
        assert sender.post(browser["subscription"], b"x" * 200).status_code == 201
    assert sender.post(browser["subscription"], b"x" * 200, {"TTL": None}).status_code == 400
    assert localpush.call("GET", f"/browsers/{browser['id']}").json()["posts"] == 3
    assert localpush.inbox(label="counter") == []
