"""What a browser tells the platform about itself, from the first yes to the last no."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from pushplatform.demo.shop.site import Shop
from tests.browser.browsers import Browser
from tests.browser.mozilla_like import MozillaLike
from tests.browser.stub_platform import StubPlatform, notification
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]
REGISTER = ("POST", "/push/v1/sites/site_stub/devices")


@pytest.fixture
def subscriber(chromium: Browser, visit: Visit) -> Visitor:
    return visit(chromium).allow("offers")


def test_a_new_key_of_the_site_is_taken_up_at_the_next_page_load(
    browser: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(browser).allow("offers")
    device_id, old = platform.device.device_id, platform.device.subscription["endpoint"]

    platform.change_key()
    visitor.visit("/account")

    platform.wait_until(lambda: platform.calls.count(REGISTER) == 2, "the second registration")
    assert platform.device.device_id == device_id
    assert platform.device.calls[1]["application_server_key"] == platform.public_key
    assert platform.device.subscription["endpoint"] != old
    assert platform.send(notification("Under the new key", token="t", url=visitor.shop_url)) == 201
    visitor.sees("Under the new key")


def test_a_page_load_with_nothing_new_tells_the_platform_nothing(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.visit("/account")
    subscriber.visit("/")
    subscriber.page.wait_for_load_state("networkidle")

    assert platform.calls.count(REGISTER) == 1


def test_the_platform_hears_once_a_day_that_the_browser_lives(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.page.evaluate(
        """new Promise((resolve) => {
            indexedDB.open('push-platform').onsuccess = ({ target: { result: database } }) => {
                const sites = database.transaction('sites', 'readwrite').objectStore('sites');
                sites.get('site_stub').onsuccess = ({ target }) => {
                    const yesterday = Date.now() - 25 * 3600e3;
                    sites.put({ ...target.result, refreshed_at: yesterday }).onsuccess = () => {
                        database.close();
                        resolve();
                    };
                };
            };
        })"""
    )

    subscriber.visit("/account")

    platform.wait_until(lambda: platform.calls.count(REGISTER) == 2, "the daily registration")
    assert platform.device.calls[1]["device_id"] == platform.device.device_id


def test_a_permission_taken_away_in_the_browser_is_told(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.browser.forbid(subscriber.shop_url)

    subscriber.visit("/account")

    platform.wait_until(lambda: not platform.device.subscribed, "the word that it ended")
    assert subscriber.state()["permission"] == "denied"


def test_a_lost_subscription_is_made_again_for_the_same_device(subscriber: Visitor, platform: StubPlatform) -> None:
    device_id = platform.device.device_id
    subscriber.page.evaluate(
        "navigator.serviceWorker.ready.then((it) => it.pushManager.getSubscription()).then((it) => it.unsubscribe())"
    )

    subscriber.visit("/")

    platform.wait_until(lambda: platform.calls.count(REGISTER) == 2, "the second registration")
    assert platform.device.device_id == device_id
    assert platform.device.calls[1]["consents"] == []


def test_the_worker_subscribes_again_when_the_push_service_drops_everybody(
    firefox: Browser, visit: Visit, platform: StubPlatform, push_service: MozillaLike
) -> None:
    visitor = visit(firefox).allow("offers")
    device_id, old = platform.device.device_id, platform.device.subscription["endpoint"]
    visitor.page.goto("about:blank")  # no page of the shop is open that could mend it

    push_service.forget_everybody()

    platform.wait_until(lambda: platform.calls.count(REGISTER) == 2, "the worker's registration")
    assert platform.device.device_id == device_id
    assert platform.device.subscription["endpoint"] != old
    assert platform.send(notification("Found again", token="t", url=visitor.shop_url)) == 201
    visitor.sees("Found again")


def test_a_signed_in_person_stays_unknown_without_their_yes(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.sign_in("Anna")
    visitor.allow("offers")
    visitor.visit("/account")

    expect(visitor.page.locator("#account-link")).to_contain_text("without your name")
    assert platform.device.linked_to is None
    assert not [path for _, path in platform.calls if path.endswith("/identity")]

    visitor.press_the_bell()
    visitor.tick("personal_data")
    visitor.press("Save")

    platform.wait_until(lambda: platform.device.linked_to == "CRM-1", "the link")
    expect(visitor.card).to_contain_text("saved")
    assert visitor.state()["linked_to"] == "CRM-1"


def test_signing_out_cuts_the_link_and_the_next_person_is_not_taken_for_the_last(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.sign_in("Anna")
    visitor.allow("offers", "personal_data")
    platform.wait_until(lambda: platform.device.linked_to == "CRM-1", "the link")

    visitor.sign_out()
    platform.wait_until(lambda: platform.device.linked_to is None, "the cut")

    platform.refusals["identity"] = (409, "personal_data_needed")
    visitor.sign_in("Jan")
    expect(visitor.page.locator("#account-link")).to_contain_text("without your name")
    assert visitor.state()["linked_to"] is None
    assert "personal_data" not in visitor.state()["consents"]


def test_somebody_else_signing_in_first_cuts_the_link_of_the_last(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.sign_in("Anna")
    visitor.allow("offers", "personal_data")
    platform.wait_until(lambda: platform.device.linked_to == "CRM-1", "the link")
    visitor.page.context.clear_cookies()  # the shop forgets Anna without a word

    visitor.page.route("**/shop.js", lambda route: route.abort())  # and says nothing on the way
    visitor.sign_in("Jan")
    visitor.page.wait_for_load_state()  # the interception's end would let a request through that it holds
    visitor.page.unroute("**/shop.js")
    before = len(platform.calls)
    visitor.visit("/account")

    platform.wait_until(lambda: platform.device.linked_to == "CRM-2", "the new link")
    identity = [method for method, path in platform.calls[before:] if path.endswith("/identity")]
    assert [method for method in identity if method != "OPTIONS"] == ["DELETE", "POST"]


def test_a_no_said_while_the_platform_is_away_is_told_later_and_before_any_yes(
    subscriber: Visitor, platform: StubPlatform
) -> None:
    platform.failing = {"consents", "devices", "unsubscribe"}
    assert "value" in subscriber.call("PushPlatform.consent('offers', 'withdrawn')")
    assert [consent["decision"] for consent in platform.consents] == ["granted"]
    assert subscriber.call("PushPlatform.consent('order_updates', 'granted')")["code"] == "platform_unreachable"

    platform.failing = set()
    subscriber.call("PushPlatform.consent('order_updates', 'granted')")

    assert [(it["purpose"], it["decision"]) for it in platform.consents[1:]] == [
        ("offers", "withdrawn"),
        ("order_updates", "granted"),
    ]


def test_a_decision_for_all_devices_says_so(chromium: Browser, visit: Visit, platform: StubPlatform) -> None:
    visitor = visit(chromium)
    visitor.sign_in("Maria")
    visitor.allow("offers", "personal_data")
    platform.wait_until(lambda: platform.device.linked_to == "CRM-3", "the link")
    visitor.press_the_bell()

    visitor.card.locator("input[name=offers]").uncheck()
    visitor.card.get_by_label("on all my devices").check()
    visitor.press("Save")
    expect(visitor.card).to_contain_text("saved")

    withdrawn = [consent for consent in platform.consents if consent["decision"] == "withdrawn"]
    assert [(it["purpose"], it["everywhere"]) for it in withdrawn] == [("offers", True)]


def test_stopping_ends_it_at_the_platform_and_in_the_browser_for_good(
    subscriber: Visitor, platform: StubPlatform
) -> None:
    subscriber.press_the_bell()
    subscriber.press("Stop all")
    expect(subscriber.card).to_contain_text("Nothing more will arrive")

    assert not platform.device.subscribed
    assert platform.send(notification("Too late", token="t", url=subscriber.shop_url)) == 410
    subscriber.visit("/")
    subscriber.page.wait_for_load_state("networkidle")
    assert platform.calls.count(REGISTER) == 1
    assert subscriber.page.locator("html").get_attribute("data-push") == "possible"


def test_whoever_stopped_may_come_back_as_the_same_device(subscriber: Visitor, platform: StubPlatform) -> None:
    subscriber.call("PushPlatform.unsubscribe()")

    subscriber.visit("/").allow("order_updates")

    assert platform.device.subscribed
    assert platform.send(notification("Back", token="t", url=subscriber.shop_url)) == 201
    subscriber.sees("Back")


def test_a_message_sent_while_the_browser_was_off_arrives_when_it_starts(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium).allow("offers")
    chromium.quit()

    assert platform.send(notification("Good morning", token="tok_morning", url=visitor.shop_url)) == 201
    chromium.start()

    visitor.sees("Good morning")
    platform.wait_until(lambda: platform.received("tok_morning"), "the report")
    assert platform.received("tok_morning") == ["received", "shown"]


def test_a_shop_without_the_worker_file_gets_a_reason(
    chromium: Browser, visit: Visit, platform: StubPlatform, shop_pages: Shop
) -> None:
    visitor = visit(chromium)
    shop_pages.routes = [route for route in shop_pages.routes if route[2] != shop_pages.worker]

    answer = visitor.call("PushPlatform.subscribe({consents: [{purpose: 'offers'}]})")

    assert answer["code"] == "worker_missing"
    assert "/push-sw.js" in answer["message"]
    assert platform.devices == {}
