"""Failing on command."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from .conftest import LocalPushProcess, Sender, eventually, notification


@pytest.fixture(autouse=True)
def faults_off(localpush: LocalPushProcess) -> Iterator[None]:
    yield
    assert localpush.call("DELETE", "/faults").status_code == 204


def switch_on(localpush: LocalPushProcess, **members: Any) -> dict[str, Any]:
    answer = localpush.call("POST", "/faults", members)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 429, 500, 502, 503])
def test_a_status_on_command_delivers_nothing_and_ends_with_the_switch(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any], status: int
) -> None:
    fault = switch_on(localpush, kind=status, text="said on command")
    answer = sender.post(browser["subscription"], notification("m"))
    assert answer.status_code == status
    assert answer.json()["message"] == "said on command"
    assert localpush.inbox(label=browser["label"]) == []
    assert localpush.call("DELETE", f"/faults/{fault['id']}").status_code == 204
    assert sender.post(browser["subscription"], notification("m")).status_code == 201


def test_retry_after_is_sent_as_seconds_as_a_date_or_as_it_stands(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    switch_on(localpush, kind="429", retry_after=30, count=1)
    switch_on(localpush, kind="503", retry_after=30, retry_after_as="date", count=1)
    switch_on(localpush, kind="503", retry_after="presently", count=1)
    values = [sender.post(browser["subscription"], notification("m")).headers["Retry-After"] for _ in range(3)]
    assert values[0] == "30"
    assert 20 < parsedate_to_datetime(values[1]).timestamp() - time.time() < 40
    assert values[2] == "presently"


def test_a_count_lets_the_next_requests_fail_and_no_more(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    switch_on(localpush, kind="500", count=2)
    answers = [sender.post(browser["subscription"], notification(f"m{n}")).status_code for n in range(4)]
    assert answers == [500, 500, 201, 201]
    assert localpush.call("GET", "/faults").json()["data"] == []


def test_a_fault_for_a_label_or_a_browser_leaves_the_others_alone(localpush: LocalPushProcess, sender: Sender) -> None:
    anna, ben, cleo = (localpush.browser(sender.public_key, label=label) for label in ("Anna F", "Ben F", "Cleo F"))
    switch_on(localpush, kind="410", label="Anna F")
    switch_on(localpush, kind="503", browser=ben["id"])
    answers = [sender.post(each["subscription"], notification("m")).status_code for each in (anna, ben, cleo)]
    assert answers == [410, 503, 201]
    hits = {fault["kind"]: fault["hits"] for fault in localpush.call("GET", "/faults").json()["data"]}
    assert hits == {"410": 1, "503": 1}


def test_a_probability_hits_some_requests(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    switch_on(localpush, kind="500", probability=0.5)
    answers = [sender.post(browser["subscription"], notification(f"m{n}")).status_code for n in range(60)]
    assert set(answers) == {201, 500}


def test_a_reset_breaks_the_connection(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    switch_on(localpush, kind="reset", count=1)
    with pytest.raises(requests.ConnectionError) as broken:
        sender.post(browser["subscription"], notification("m"))
    assert "reset" in str(broken.value).lower()
    assert sender.post(browser["subscription"], notification("m")).status_code == 201


def test_a_hanging_request_gets_no_answer(localpush: LocalPushProcess, browser: dict[str, Any]) -> None:
    switch_on(localpush, kind="hang", count=1)
    with pytest.raises(requests.ReadTimeout):
        requests.post(browser["subscription"]["endpoint"], data=b"x", headers={"TTL": "1"}, timeout=0.3)
    eventually(lambda: localpush.statistics()["faults"].get("hang"))  # who gave up may be heard afterwards


def test_garbage_is_no_http(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    switch_on(localpush, kind="garbage", count=1)
    with pytest.raises(requests.RequestException):
        sender.post(browser["subscription"], notification("m"))


def test_a_slow_answer_is_the_right_one_after_the_delay(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    switch_on(localpush, kind="slow", delay_ms=300, count=1)
    answer = sender.post(browser["subscription"], notification("m"))
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() >= 0.3


@pytest.mark.parametrize("kind", ["503", "reset"])
def test_a_lost_answer_leaves_the_message_delivered_and_the_retry_doubled(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any], kind: str
) -> None:
    switch_on(localpush, kind=kind, count=1, deliver=True)
    try:
        assert sender.post(browser["subscription"], notification("m")).status_code == 503
    except requests.ConnectionError:
        assert kind == "reset"
    assert localpush.in_state("shown", label=browser["label"])
    assert sender.post(browser["subscription"], notification("m")).status_code == 201
    assert localpush.in_state("repeated", label=browser["label"])
    eventually(lambda: localpush.call("GET", f"/browsers/{browser['id']}").json()["doubled"] == 1)


def test_a_fault_that_would_deliver_still_refuses_a_wrong_request(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    switch_on(localpush, kind="503", deliver=True)
    assert sender.post(browser["subscription"], notification("m"), {"TTL": None}).status_code == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "418"}, "/kind"),
        ({"kind": "429", "retry_after": -1}, "/retry_after"),
        ({"kind": "429", "retry_after": "a\r\nb: c"}, "/retry_after"),
        ({"kind": "429", "retry_after_as": "minutes"}, "/retry_after_as"),
        ({"kind": "429", "count": 0}, "/count"),
        ({"kind": "429", "probability": 0}, "/probability"),
        ({"kind": "429", "probability": "often"}, "/probability"),
        ({"kind": "slow", "delay_ms": 700_000}, "/delay_ms"),
        ({"kind": "429", "when": "now"}, "/when"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_field(
    localpush: LocalPushProcess, body: dict[str, Any], pointer: str
) -> None:
    answer = localpush.call("POST", "/faults", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert localpush.call("GET", "/faults").json()["data"] == []


def test_an_unknown_fault_cannot_be_switched_off(localpush: LocalPushProcess) -> None:
    assert localpush.call("DELETE", "/faults/99999").status_code == 404


def test_what_goes_beyond_so_many_in_a_window_fails_for_each_key_alone(localpush: LocalPushProcess) -> None:
    switch_on(localpush, kind="429", above=3, window_ms=600_000, retry_after=60)
    for _ in range(2):
        sender = Sender()
        browser = localpush.browser(sender.public_key, label="Cleo")
        answers = [sender.post(browser["subscription"], notification(f"m{n}")) for n in range(5)]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
        assert answers[-1].headers["Retry-After"] == "60"
