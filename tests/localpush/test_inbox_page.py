"""The inbox page in a real Chromium: it shows what arrives while one looks, and runs nothing that a sender wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.parts.needs import require_program

from .conftest import LocalPushProcess, ReceiptsServer, Sender, eventually, notification

expect.set_options(timeout=60_000)

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    executable = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"], timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, localpush: LocalPushProcess) -> Iterator[Page]:
    opened = chromium.new_page(viewport={"width": 1280, "height": 900})
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(localpush.base + "/")
    expect(opened.locator("#live")).to_contain_text("Live")
    yield opened
    opened.close()
    assert errors == []


def test_a_push_appears_while_one_looks_and_a_click_there_is_reported(
    page: Page, localpush: LocalPushProcess, sender: Sender, receipts: ReceiptsServer
) -> None:
    localpush.call("DELETE", "/inbox.json")  # what earlier tests sent
    expect(page.locator("#empty")).to_contain_text("Nothing has arrived yet")
    browser = localpush.browser(sender.public_key, label="CRM-42", receipts_url=receipts.url)
    actions = [{"action": "track", "title": "Track it"}]
    sender.post(browser["subscription"], notification("msg_1", title="Your order is on its way", actions=actions))
    row = page.locator(".row", has_text="Your order is on its way")
    expect(row).to_contain_text("CRM-42")
    row.click()
    detail = page.locator("#detail")
    expect(detail.locator(".n-title")).to_have_text("Your order is on its way")
    expect(detail.locator("pre")).to_contain_text('"web_push": 8030')
    expect(detail.locator("pre")).not_to_contain_text("token of msg_1")
    detail.get_by_text("Headers").click()
    expect(detail.locator(".headers")).to_contain_text("aes128gcm")
    detail.get_by_role("button", name="Track it").click()
    expect(detail.locator(".detail-head .pill")).to_have_text("Clicked")
    eventually(lambda: "clicked" in receipts.of("msg_1"))
    assert browser["subscription"]["endpoint"].rsplit("/", 1)[1] not in page.content()


def test_titles_and_texts_are_text_and_never_markup(page: Page, localpush: LocalPushProcess, sender: Sender) -> None:
    browser = localpush.browser(sender.public_key, label=HOSTILE)
    icon = "javascript:document.title='taken'"
    payload = notification(HOSTILE, title=HOSTILE, body=HOSTILE, icon=icon, image=icon, lang='"><b>')
    sender.post(browser["subscription"], payload, {"X-Hostile": HOSTILE.replace("\n", "")})
    row = page.locator(".row").first
    expect(row.locator(".row-title")).to_have_text(HOSTILE)
    row.click()
    expect(page.locator(".n-body")).to_have_text(HOSTILE)
    page.locator("#detail").get_by_text("Headers").click()
    page.wait_for_timeout(100)
    assert page.title() == "localpush"
    assert page.locator("main img, main script, main b").count() == 0


def test_filters_narrow_the_list_and_an_empty_result_says_so(
    page: Page, localpush: LocalPushProcess, sender: Sender
) -> None:
    for label in ("Anna P", "Ben P"):
        sender.post(localpush.browser(sender.public_key, label=label)["subscription"], notification(f"for {label}"))
    expect(page.locator(".row", has_text="Ben P")).to_have_count(1)
    page.fill("input[name=label]", "Anna P")
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text("Anna P")
    page.fill("input[name=q]", "nowhere")
    expect(page.locator("#empty")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Show all messages").click()
    expect(page.locator(".row", has_text="Ben P")).to_have_count(1)


def test_a_switch_makes_the_next_request_fail(
    page: Page, localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    page.get_by_role("button", name="Faults").click()
    page.fill("#fault-scope input[name=count]", "1")
    page.get_by_label("Retry-After in seconds").first.fill("7")
    page.get_by_role("switch", name="429 Too many requests").check()
    expect(page.locator(".fault-on").first).to_contain_text("1 to go")
    answer = sender.post(browser["subscription"], notification("m"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    expect(page.get_by_role("switch", name="429 Too many requests")).not_to_be_checked()
    page.get_by_role("switch", name="503 Unavailable").check()
    expect(page.locator(".fault-on").nth(1)).to_be_visible()
    page.get_by_role("button", name="All off").click()
    eventually(lambda: localpush.call("GET", "/faults").json()["data"] == [])


def test_the_page_says_when_the_service_is_gone_and_keeps_what_it_knew(chromium: Any, sender: Sender) -> None:
    service = LocalPushProcess()
    page = chromium.new_page()
    try:
        browser = service.browser(sender.public_key, label="CRM-7")
        sender.post(browser["subscription"], notification("m"))
        page.goto(service.base + "/")
        expect(page.locator(".row")).to_have_count(1)
    finally:
        service.stop()
    expect(page.locator("#banner")).to_contain_text("gives no answer since")
    expect(page.locator(".row")).to_contain_text("CRM-7")
    page.close()


def test_on_a_phone_a_message_opens_over_the_list_and_nothing_is_cut_off(
    page: Page, localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    sender.post(browser["subscription"], notification("m", title="A rather long title " * 8, body="x" * 400))
    page.locator(".row").first.click()
    expect(page.get_by_role("button", name="Back")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Back").click()
    expect(page.locator(".row").first).to_be_visible()
