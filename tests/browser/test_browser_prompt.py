"""The card that asks: when it appears, what it says, and what a person's answer leaves behind."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.browsers import Browser
from tests.browser.stub_platform import PURPOSES, StubPlatform
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


def test_nothing_is_asked_stored_or_fetched_before_a_click(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.page.wait_for_load_state("networkidle")

    assert visitor.card.count() == 0
    assert [path for _, path in platform.calls if not path.startswith("/static/")] == []
    assert visitor.page.evaluate("indexedDB.databases()") == []
    assert visitor.page.evaluate("({...localStorage})") == {}
    assert visitor.page.evaluate("navigator.serviceWorker.getRegistrations()") == []


def test_the_card_shows_every_wording_word_for_word_and_unticked(chromium: Browser, visit: Visit) -> None:
    visitor = visit(chromium)

    card = visitor.press_the_bell()

    for _, _, title, text in PURPOSES:
        expect(card.get_by_text(title, exact=True)).to_be_visible()
        expect(card.get_by_text(text, exact=True)).to_be_visible()
    assert card.locator("input:checked").count() == 0


def test_a_yes_is_registered_for_exactly_the_wordings_shown(
    browser: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visit(browser).allow("offers", "measurement")

    assert platform.consents == [
        {"purpose": "offers", "wording_id": "wrd_offers_1", "decision": "granted"},
        {"purpose": "measurement", "wording_id": "wrd_measurement_1", "decision": "granted"},
    ]
    registration = platform.device.calls[0]
    assert registration["application_server_key"] == platform.public_key
    assert registration["page_url"].endswith("localhost:" + registration["page_url"].rsplit(":", 1)[1])
    assert set(registration["subscription"]["keys"]) == {"p256dh", "auth"}
    assert "identity" not in registration


def test_a_yes_with_nothing_ticked_does_not_reach_the_browsers_question(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.press_the_bell()

    visitor.tick("personal_data")
    visitor.press("Yes, please")

    expect(visitor.card.get_by_role("status")).to_contain_text("tick at least one kind of message")
    assert platform.devices == {}


def test_no_thanks_is_remembered_but_the_bell_still_answers(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.press_the_bell()
    visitor.press("No, thanks")
    visitor.visit()

    visitor.page.evaluate(
        """document.querySelector('.brand').addEventListener('click', (event) => {
            event.preventDefault();
            PushPlatform.ask().then((answer) => (document.title = answer.outcome));
        })"""
    )
    visitor.page.locator(".brand").click()
    expect(visitor.page).to_have_title("declined_lately")
    assert visitor.card.count() == 0

    visitor.press_the_bell()
    expect(visitor.card.get_by_role("button", name="Yes, please")).to_be_visible()
    assert platform.devices == {}


def test_a_page_cannot_ask_without_a_click(chromium: Browser, visit: Visit) -> None:
    visitor = visit(chromium)
    visitor.page.add_init_script(
        "(window.PushPlatform ??= []).push((it) => it.ask().catch((error) => console.log(`refused: ${error.code}`)))"
    )

    # The driver's own scripts count as a person's doing, so this listens and touches nothing.
    with visitor.page.expect_console_message(lambda message: message.text.startswith("refused:")) as said:
        visitor.page.goto(visitor.shop_url)

    assert said.value.text == "refused: needs_click"
    assert visitor.card.count() == 0


def test_the_card_can_be_worked_with_the_keyboard_alone(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    visitor.page.locator(".bell").focus()
    visitor.page.keyboard.press("Enter")
    visitor.card.wait_for()
    expect(visitor.card).to_be_focused()

    visitor.page.keyboard.press("Escape")
    expect(visitor.card).to_have_count(0)
    expect(visitor.page.locator(".bell")).to_be_focused()

    visitor.page.keyboard.press("Enter")
    expect(visitor.card).to_be_focused()
    visitor.page.keyboard.press("Tab")  # the closing cross
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Space")
    expect(visitor.card.locator("input[name=offers]")).to_be_checked()
    for _ in PURPOSES:
        visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("html[data-push=subscribed]")
    assert [consent["purpose"] for consent in platform.consents] == ["offers"]


def test_where_the_browser_blocks_the_site_the_card_says_how_to_allow(
    chromium: Browser, visit: Visit, shop: str
) -> None:
    visitor = visit(chromium, url="http://blocked.localhost:" + shop.rsplit(":", 1)[1])

    visitor.press_the_bell()

    expect(visitor.card).to_contain_text("Your browser blocks our notifications")
    assert visitor.page.locator("html").get_attribute("data-push") == "blocked"
    assert visitor.call("PushPlatform.subscribe({consents: [{purpose: 'offers'}]})")["code"] == "denied"


def test_a_platform_that_is_away_is_said_and_tried_again(
    chromium: Browser, visit: Visit, platform: StubPlatform
) -> None:
    visitor = visit(chromium)
    platform.failing = {"config"}

    visitor.press_the_bell()
    expect(visitor.card).to_contain_text("did not answer")
    visitor.press("Close")
    platform.failing = set()

    visitor.allow("offers")
    assert platform.device.subscribed


def test_a_wrong_call_is_refused_with_its_reason(chromium: Browser, visit: Visit, platform: StubPlatform) -> None:
    visitor = visit(chromium)

    assert visitor.call("PushPlatform.subscribe()")["code"] == "nothing_granted"
    assert visitor.call("PushPlatform.subscribe({consents: [{purpose: 'gossip'}]})")["code"] == "unknown_purpose"
    assert visitor.call("PushPlatform.consent('offers', 'granted')")["code"] == "not_subscribed"
    assert visitor.call("PushPlatform.consent('offers', 'maybe')")["code"] == "unknown_decision"
    assert platform.devices == {}
