"""The whole line with nothing left out: shop, consent, admin and CRM, encryption, push service, desktop, statistics."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from tests.browser.browsers import Browser, missing
from tests.browser.fake_gcm import HOST, FakeGcm
from tests.browser.notification_daemon import Desktop
from tests.browser.real_platform import Marketer, RealPlatform
from tests.browser.visitor import Visitor
from tests.parts.stack import Stack


@pytest.fixture(scope="module")
def platform(
    playwright: Playwright,
    gcm: FakeGcm,
    begin_module_stack: Callable[..., Stack],
    tmp_path_factory: pytest.TempPathFactory,
) -> RealPlatform:
    stack = begin_module_stack(
        web=True, worker=True, targeted=True, beat=True, env={"PUSH_HOSTS_ROUTED": f"{HOST}={gcm.url}"}
    )
    folder: Path = tmp_path_factory.mktemp("platform")
    return RealPlatform(stack, folder)


@pytest.fixture
def visitor(browser: Browser, platform: RealPlatform, desktop: Desktop) -> Iterator[Visitor]:
    """Somebody in front of the shop, who leaves nothing behind for the next one."""
    browser.allow(platform.shop_url)
    person = Visitor(browser, desktop, platform.shop_url).visit()
    yield person
    browser.context.clear_cookies()
    person.visit().call("PushPlatform.unsubscribe()")
    for page in browser.context.pages[1:]:
        page.close()


@pytest.fixture
def marketer(request: pytest.FixtureRequest, browser: Browser, platform: RealPlatform) -> Marketer:
    """At the admin in Chromium, where that is installed."""
    at: Browser = browser if missing("chromium") else request.getfixturevalue("chromium")
    return Marketer(at, platform)


def test_a_campaign_launched_in_the_admin_is_seen_clicked_and_counted_once(
    platform: RealPlatform, marketer: Marketer, visitor: Visitor
) -> None:
    visitor.allow("offers", "measurement")

    marketer.launches("The kiln is open", "Six teapots came out whole.", f"{platform.shop_url}/products/slow-teapot")

    alert = visitor.sees("The kiln is open")
    assert alert.body == "Six teapots came out whole."
    visitor.clicks(alert)
    visitor.is_led_to("/products/slow-teapot")
    marketer.waits_for(targeted="1", accepted="1", received="1", shown="1", clicked="1")


def test_a_message_of_the_crm_finds_the_person_it_names_and_is_counted_once(
    platform: RealPlatform, visitor: Visitor
) -> None:
    visitor.sign_in("Anna")
    visitor.allow("order_updates", "personal_data", "measurement")
    visitor.visit("/account")
    expect(visitor.page.locator("#account-link")).to_contain_text("is linked")

    message = platform.sends(
        recipients=[{"external_id": "CRM-1", "params": {"first_name": "Anna"}}],
        purpose="order_updates",
        content={
            "title": "{{ params.first_name }}, your order is packed",
            "body": "It leaves us tomorrow morning.",
            "url": f"{platform.shop_url}/account",
            "actions": [{"action": "track", "title": "Track it", "url": f"{platform.shop_url}/orders/20417"}],
        },
        ttl=600,
    )

    alert = visitor.sees("Anna, your order is packed")
    assert alert.body == "It leaves us tomorrow morning."
    visitor.presses(alert, "Track it")
    visitor.is_led_to("/orders/20417")
    platform.counts(message, targeted=1, accepted=1, received=1, shown=1, clicked=1)


def test_without_their_yes_to_the_link_the_crm_does_not_find_them(platform: RealPlatform, visitor: Visitor) -> None:
    visitor.sign_in("Jan")
    visitor.allow("order_updates")

    answer = platform.asks(recipients=[{"external_id": "CRM-2"}], purpose="order_updates", content={"title": "Jan?"})

    assert answer["results"] == [{"external_id": "CRM-2", "status": "skipped", "reason": "unknown_contact"}]
    assert visitor.alerts("Jan?") == []


def test_a_page_tags_and_tracks_this_browser_and_the_person_erases_it(platform: RealPlatform, visitor: Visitor) -> None:
    visitor.allow("offers", "measurement")
    assert visitor.call("PushPlatform.track('visit', {page: 'home'})") == {"value": {"status": "stored"}}
    assert visitor.call("PushPlatform.tag({add: ['staff']})")["code"] == "refused"
    assert visitor.call("PushPlatform.tag({remove: ['staff']})") == {"value": {"tags": []}}

    state = visitor.call("PushPlatform.erase()")["value"]

    assert (state["subscribed"], state["device_id"], state["consents"]) == (False, None, {})
    assert visitor.call("PushPlatform.track('visit')")["code"] == "not_subscribed"
    visitor.visit("/").allow("offers")
    assert visitor.call("PushPlatform.state()")["value"]["subscribed"]
