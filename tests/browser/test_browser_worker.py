"""The service worker, in real browsers: it shows first, reports once, and leads where the person meant to go."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.browsers import Browser
from tests.browser.stub_platform import StubPlatform, notification
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture
def subscriber(browser: Browser, visit: Visit) -> Visitor:
    """Somebody who said yes to offers and to being measured."""
    return visit(browser).allow("offers", "measurement")


@pytest.fixture
def chromium_subscriber(chromium: Browser, visit: Visit) -> Visitor:
    return visit(chromium).allow("offers", "measurement")


def test_a_push_is_shown_and_reported_once(subscriber: Visitor, platform: StubPlatform) -> None:
    url = subscriber.shop_url + "/products/slow-teapot"

    assert (
        platform.send(notification("The kiln is open", token="tok_1", url=url, body="Six teapots came out whole."))
        == 201
    )

    alert = subscriber.sees("The kiln is open")
    assert alert.body == "Six teapots came out whole."
    platform.wait_until(lambda: platform.received("tok_1"), "the report")
    assert platform.received("tok_1") == ["received", "shown"]
    assert len(platform.reports) == 1
    assert {tuple(sorted(entry)) for entry in platform.reports[0]} == {("at", "kind", "token")}


def test_a_message_that_comes_twice_alerts_and_counts_once(subscriber: Visitor, platform: StubPlatform) -> None:
    twice = notification("Only once", token="tok_2", url=subscriber.shop_url, message="msg_twice")
    platform.send(twice)
    subscriber.sees("Only once")
    platform.wait_until(lambda: platform.received("tok_2"), "the report")

    platform.send(twice)
    platform.send(notification("Afterwards", token="tok_3", url=subscriber.shop_url))
    subscriber.sees("Afterwards")
    platform.wait_until(lambda: platform.received("tok_3"), "the report of what came afterwards")

    assert platform.received("tok_2") == ["received", "shown"]
    alerts = subscriber.alerts("Only once")
    assert sum(alert.alarms for alert in alerts) == 1
    assert len([alert for alert in alerts if not alert.closed]) == 1


@pytest.mark.parametrize(
    "plaintext", [b"<not json>", b"42", b'{"notification": 7}', b'{"notification": {"title": ""}}']
)
def test_a_payload_nobody_can_read_still_shows_something(
    chromium_subscriber: Visitor, platform: StubPlatform, plaintext: bytes
) -> None:
    host = chromium_subscriber.shop_url.removeprefix("http://").rpartition(":")[0]

    platform.send_raw(plaintext)

    chromium_subscriber.sees(host)
    assert platform.reports == []


def test_members_of_a_wrong_type_cost_themselves_alone(chromium_subscriber: Visitor, platform: StubPlatform) -> None:
    odd: dict[str, Any] = {
        "icon": 7,
        "image": {"x": 1},
        "dir": "sideways",
        "actions": [{"action": "a"}, None],
        "badge": "",
    }

    platform.send(notification("Still here", token="tok_4", url=chromium_subscriber.shop_url, body="And well.", **odd))

    assert chromium_subscriber.sees("Still here").body == "And well."
    platform.wait_until(lambda: platform.received("tok_4"), "the report")


def test_a_report_that_cannot_be_sent_goes_with_the_next(chromium_subscriber: Visitor, platform: StubPlatform) -> None:
    platform.failing = {"receipts"}
    platform.send(notification("First", token="tok_5", url=chromium_subscriber.shop_url))
    chromium_subscriber.sees("First")
    platform.wait_until(lambda: ("POST", "/push/v1/receipts") in platform.calls, "the attempt")
    assert platform.reports == []

    platform.failing = set()
    platform.send(notification("Second", token="tok_6", url=chromium_subscriber.shop_url))

    platform.wait_until(lambda: platform.received("tok_6"), "both reports")
    assert platform.received("tok_5") == ["received", "shown"]
    chromium_subscriber.tells_of_reports(0)


def test_reports_that_wait_are_sent_at_the_next_page_load(chromium_subscriber: Visitor, platform: StubPlatform) -> None:
    platform.failing = {"receipts"}
    platform.send(notification("Kept", token="tok_7", url=chromium_subscriber.shop_url))
    chromium_subscriber.sees("Kept")
    platform.wait_until(lambda: ("POST", "/push/v1/receipts") in platform.calls, "the attempt")
    platform.failing = set()

    chromium_subscriber.visit("/basket")

    platform.wait_until(lambda: platform.received("tok_7"), "the waiting report")
    assert platform.received("tok_7") == ["received", "shown"]


def test_a_platform_that_says_later_is_left_alone_until_then(
    chromium_subscriber: Visitor, platform: StubPlatform
) -> None:
    platform.failing, platform.fail_with = {"receipts"}, (429, {"Retry-After": "600"})
    platform.send(notification("Busy", token="tok_8", url=chromium_subscriber.shop_url))
    chromium_subscriber.sees("Busy")
    platform.wait_until(lambda: ("POST", "/push/v1/receipts") in platform.calls, "the attempt")
    platform.failing = set()
    chromium_subscriber.tells_of_reports(2)

    platform.send(notification("Later", token="tok_9", url=chromium_subscriber.shop_url))
    chromium_subscriber.sees("Later")
    chromium_subscriber.tells_of_reports(4)
    chromium_subscriber.visit("/account")

    chromium_subscriber.page.wait_for_load_state("networkidle")
    chromium_subscriber.tells_of_reports(4)
    assert platform.calls.count(("POST", "/push/v1/receipts")) == 1


def test_a_click_opens_the_page_and_is_reported_once(subscriber: Visitor, platform: StubPlatform) -> None:
    platform.send(notification("Come in", token="tok_10", url=subscriber.shop_url + "/products/noodle-bowl"))
    alert = subscriber.sees("Come in")
    platform.wait_until(lambda: platform.received("tok_10"), "the report")  # nobody reads and clicks sooner

    subscriber.clicks(alert)

    subscriber.is_led_to("/products/noodle-bowl")
    platform.wait_until(lambda: "clicked" in platform.received("tok_10"), "the click")
    platform.send(notification("Afterwards", token="tok_11", url=subscriber.shop_url))
    platform.wait_until(lambda: platform.received("tok_11"), "a later report")
    assert platform.received("tok_10") == ["received", "shown", "clicked"]
    assert alert.closed


def test_a_click_goes_to_the_tab_that_shows_the_page_already(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.visit("/products/noodle-bowl")
    subscriber.page.evaluate("window.untouched = true")
    platform.send(notification("Again", token="tok_12", url=subscriber.shop_url + "/products/noodle-bowl"))

    subscriber.clicks(subscriber.sees("Again"))

    platform.wait_until(lambda: "clicked" in platform.received("tok_12"), "the click")
    subscriber.page.wait_for_timeout(300)  # a second tab would have opened by now
    assert subscriber.tabs() == ["/products/noodle-bowl"]
    assert subscriber.page.evaluate("window.untouched")


def test_a_click_takes_along_a_tab_of_the_same_page_with_other_parameters(
    subscriber: Visitor, platform: StubPlatform
) -> None:
    subscriber.visit("/products/noodle-bowl")
    platform.send(notification("Blue", token="tok_13", url=subscriber.shop_url + "/products/noodle-bowl?glaze=blue"))

    subscriber.clicks(subscriber.sees("Blue"))

    subscriber.is_led_to("/products/noodle-bowl?glaze=blue")
    assert subscriber.tabs() == ["/products/noodle-bowl?glaze=blue"]


def test_a_button_leads_to_its_own_page_and_is_named_in_the_report(subscriber: Visitor, platform: StubPlatform) -> None:
    platform.send(
        notification(
            "On its way",
            token="tok_14",
            url=subscriber.shop_url,
            actions=[{"action": "track", "title": "Track it"}],
            data={"actions": {"track": subscriber.shop_url + "/orders/20417"}},
        )
    )

    subscriber.presses(subscriber.sees("On its way"), "Track it")

    subscriber.is_led_to("/orders/20417")
    platform.wait_until(lambda: "clicked" in platform.received("tok_14"), "the click")
    clicks = [entry for batch in platform.reports for entry in batch if entry["kind"] == "clicked"]
    assert [entry["action"] for entry in clicks] == ["track"]


def test_sending_it_away_is_reported_as_closed(subscriber: Visitor, platform: StubPlatform) -> None:
    platform.send(notification("Not now", token="tok_15", url=subscriber.shop_url))

    alert = subscriber.sees("Not now")
    platform.wait_until(lambda: platform.received("tok_15"), "the report")
    subscriber.dismisses(alert)

    platform.wait_until(lambda: "closed" in platform.received("tok_15"), "the dismissal")
    assert platform.received("tok_15") == ["received", "shown", "closed"]


def test_a_closed_shop_still_gets_pushes_and_opens_again(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.leave()

    platform.send(notification("While away", token="tok_16", url=subscriber.shop_url + "/account"))
    subscriber.clicks(subscriber.sees("While away"))

    subscriber.is_led_to("/account")
    platform.wait_until(lambda: "clicked" in platform.received("tok_16"), "the click")


def test_an_open_page_hears_what_was_shown(chromium_subscriber: Visitor, platform: StubPlatform) -> None:
    chromium_subscriber.page.locator(".panel summary").click()

    platform.send(notification("News for the panel", token="tok_17", url=chromium_subscriber.shop_url))

    chromium_subscriber.page.locator("#panel-news").get_by_text("News for the panel").wait_for()
