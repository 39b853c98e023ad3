"""The inbox as JSON: filters, clicks, clearing, and who may ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import LocalPushProcess, ReceiptsServer, Sender, eventually, notification


def test_an_entry_tells_what_arrived_for_whom_and_what_became_of_it(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    payload = notification("msg_1", title="Autumn", body="20 % off", icon="https://shop.example/i.png")
    sender.post(browser["subscription"], payload, {"Urgency": "high", "TTL": "77"})
    entry = localpush.in_state("shown", label=browser["label"])
    assert entry["payload"] == payload
    assert (entry["title"], entry["body"], entry["message"]) == ("Autumn", "20 % off", "msg_1")
    assert (entry["urgency"], entry["ttl"], entry["topic"]) == ("high", 77, None)
    assert entry["size"] == entry["payload_size"] + 103
    assert entry["look"]["icon"] == "https://shop.example/i.png"
    assert entry["browser"] == browser["id"]
    assert entry["sender"]["subject"] == "mailto:push@example.com"
    assert [step["state"] for step in entry["history"]] == ["waiting", "shown"]
    assert localpush.call("GET", f"/inbox/{entry['id']}").json() == entry


def test_the_list_shows_neither_endpoint_nor_vapid_token(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    authorization = sender.authorization(browser["subscription"]["endpoint"])
    sender.post(browser["subscription"], notification("m"), {"Authorization": authorization})
    text = localpush.call("GET", "/inbox.json", params={"label": browser["label"]}).text
    token = browser["subscription"]["endpoint"].rsplit("/", 1)[1]
    assert token not in text
    assert token[:6] in text
    assert authorization.split(".")[1] not in text
    assert browser["subscription"]["keys"]["auth"] not in text


def test_the_newest_comes_first_and_filters_narrow_the_list(localpush: LocalPushProcess, sender: Sender) -> None:
    for label in ("CRM-1", "CRM-2"):
        browser = localpush.browser(sender.public_key, label=label)
        for message in ("msg_a", "msg_b"):
            sender.post(browser["subscription"], notification(message, title=f"Dear {label}"))
    eventually(lambda: len(localpush.inbox(q="dear crm-", state="shown")) == 4)

    def found(**filters: Any) -> list[tuple[str, str]]:
        return [(entry["label"], entry["message"]) for entry in localpush.inbox(**filters)]

    assert found(label="CRM-1") == [("CRM-1", "msg_b"), ("CRM-1", "msg_a")]
    assert found(message="msg_a") == [("CRM-2", "msg_a"), ("CRM-1", "msg_a")]
    assert found(label="CRM-2", message="msg_b") == [("CRM-2", "msg_b")]
    assert found(q="DEAR CRM-2", limit=1) == [("CRM-2", "msg_b")]
    assert found(label="CRM-1", state="closed") == []
    assert found(label="CRM-1", kind="firefox") == []
    future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert found(since=future) == []
    assert found(label="CRM-1", since="2020-01-01T00:00:00Z") == found(label="CRM-1")


def test_after_lists_what_changed_since_an_earlier_look(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    sender.post(browser["subscription"], notification("m"))
    entry = localpush.in_state("shown", label=browser["label"])
    cursor = localpush.call("GET", "/inbox.json").json()["cursor"]
    assert localpush.inbox(after=cursor) == []
    assert localpush.call("POST", f"/inbox/{entry['id']}/close", {}).status_code == 202
    assert [each["id"] for each in localpush.inbox(after=cursor)] == [entry["id"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("state=lost", "state"),
        ("lable=x", "lable"),
    ],
)
def test_a_wrong_filter_is_named(localpush: LocalPushProcess, query: str, field: str) -> None:
    answer = localpush.call("GET", f"/inbox.json?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == field


def test_a_shown_notification_is_clicked_on_command_once(
    localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    browser = localpush.browser(sender.public_key, label="by hand", receipts_url=receipts.url)
    sender.post(browser["subscription"], notification("hand", actions=[{"action": "track", "title": "Track"}]))
    entry = localpush.in_state("shown", label="by hand")
    wrong = localpush.call("POST", f"/inbox/{entry['id']}/click", {"action": "eat"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/action")
    clicked = localpush.call("POST", f"/inbox/{entry['id']}/click", {"action": "track"})
    assert (clicked.status_code, clicked.json()["state"]) == (202, "clicked")
    again = localpush.call("POST", f"/inbox/{entry['id']}/click", {})
    assert (again.status_code, again.json()["code"]) == (409, "not_shown")
    eventually(lambda: "clicked" in receipts.of("hand"))
    [click] = [item for post in receipts.posts for item in post if item["kind"] == "clicked"]
    assert click["action"] == "track"
    assert localpush.call("POST", "/inbox/999999/click", {}).status_code == 404


def test_clearing_empties_the_list_and_keeps_the_counters(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    sender.post(browser["subscription"], notification("m"))
    localpush.in_state("shown", label=browser["label"])
    accepted = localpush.statistics()["accepted"]
    assert localpush.call("DELETE", "/inbox.json").json()["cleared"] >= 1
    assert localpush.inbox() == []
    assert localpush.statistics()["accepted"] == accepted
    assert sender.post(browser["subscription"], notification("n")).status_code == 201
    assert localpush.in_state("shown", label=browser["label"])["message"] == "n"


def test_the_inbox_keeps_the_newest_and_counts_them_all(sender: Sender) -> None:
    small = LocalPushProcess(None, 0, "--keep", "3")
    try:
        browser = small.browser(sender.public_key)
        for number in range(5):
            sender.post(browser["subscription"], notification(f"m{number}"))
        eventually(lambda: small.statistics()["outcomes"].get("shown") == 5)
        assert [entry["message"] for entry in small.inbox()] == ["m4", "m3", "m2"]
    finally:
        assert small.stop() == 0


def test_statistics_are_reset_on_demand(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    sender.post(browser["subscription"], notification("m"))
    localpush.in_state("shown", label=browser["label"])
    assert localpush.statistics()["statuses"]["201"] >= 1
    assert localpush.call("DELETE", "/statistics.json").status_code == 204
    after = localpush.statistics()
    assert (after["posts"], after["accepted"], after["messages"]) == (0, 0, [])


def test_only_pages_of_this_machine_may_ask(localpush: LocalPushProcess) -> None:
    for origin in ("http://localhost:8000", "http://shop.localhost:81", "http://127.0.0.1:9"):
        answer = localpush.call("GET", "/inbox.json", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    foreign = localpush.call("GET", "/inbox.json", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert localpush.call("DELETE", "/inbox.json", headers={"Origin": "null"}).status_code == 403


def test_a_preflight_names_the_methods(localpush: LocalPushProcess) -> None:
    answer = localpush.call("OPTIONS", "/faults", headers={"Origin": "http://localhost:8000"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"


def test_a_foreign_name_pointed_at_this_machine_is_refused(localpush: LocalPushProcess) -> None:
    assert localpush.call("GET", "/inbox.json", headers={"Host": "evil.example:9700"}).status_code == 421
    assert localpush.call("GET", "/inbox.json", headers={"Host": f"localhost:{localpush.port}"}).status_code == 200


def test_unknown_addresses_and_methods_say_so(localpush: LocalPushProcess) -> None:
    assert localpush.call("GET", "/nowhere").json()["code"] == "unknown_address"
    answer = localpush.call("PUT", "/faults", {})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST, DELETE")
    assert localpush.call("GET", "/health").json() == {"status": "ok"}


def test_the_page_and_its_parts_come_from_here_alone(localpush: LocalPushProcess) -> None:
    page = localpush.call("GET", "/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    for part in ("inbox.css", "inbox.js", "drawing.js", "detail.js", "faults.js", "icon.svg"):
        assert localpush.call("GET", f"/{part}").status_code == 200, part
