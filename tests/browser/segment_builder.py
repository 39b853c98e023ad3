"""The page of a new segment in a real browser, over a Site with people of every kind; what tests do and read there."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pushplatform.sites.models import Site
from subscribers.models import ContactList
from tests.browser.browsers import Browser
from tests.browser.real_platform import Marketer, RealPlatform
from tests.browser.segment_people import settle
from tests.parts.stack import Stack


@pytest.fixture(scope="module")
def platform(begin_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> RealPlatform:
    return RealPlatform(begin_module_stack(web=True), tmp_path_factory.mktemp("platform"))


@pytest.fixture(scope="module")
def staff(platform: RealPlatform) -> ContactList:
    return settle(Site.objects.get())


@pytest.fixture(scope="module")
def marketers(platform: RealPlatform, staff: ContactList) -> dict[str, Browser]:
    """The browsers in which a marketer is logged in already."""
    return {}


@pytest.fixture
def page(request: pytest.FixtureRequest, platform: RealPlatform, marketers: dict[str, Browser]) -> Iterator[Page]:
    """A marketer at the form of a new segment, in Chromium if the test names no other browser."""
    kind = getattr(request, "param", "chromium")
    if kind not in marketers:
        marketers[kind] = request.getfixturevalue(kind)
        marketers[kind].context.clear_cookies()
        Marketer(marketers[kind], platform).page.close()
    page = marketers[kind].page()
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.goto(f"{platform.stack.web_url}/admin/subscribers/segment/add/")
    page.locator("#segment[data-ready]").wait_for()
    yield page
    page.close()


def says(page: Page, number: int) -> None:
    """The live count is this, and fresh."""
    expect(page.locator("[data-total]")).to_have_text(re.compile(rf"^{number:,} people · {number:,} devices$"))
    expect(page.locator("[data-count-body]")).not_to_have_class(re.compile("pp-stale"))


class Keys:
    """Presses keys, and nothing else."""

    def __init__(self, page: Page) -> None:
        self.page, self.press, self.type = page, page.keyboard.press, page.keyboard.type

    def field(self, words: str) -> None:
        """In the open picker; the focus is then on the operator."""
        self.type(words)
        expect(self.page.locator(".pp-picker-option[data-active]")).to_be_visible()
        self.press("Enter")
        self.is_at("op")

    def is_at(self, part: str) -> None:
        expect(self.page.locator(":focus")).to_have_attribute("data-part", part)

    def chooses(self, option: str) -> None:
        """Goes down to this option of the select that has the focus."""
        while (before := self.page.evaluate("document.activeElement.value")) != option:
            self.press("ArrowDown")
            self.page.wait_for_function("(before) => document.activeElement.value !== before", arg=before)

    def values(self, *texts: str) -> None:
        self.press("Tab")
        self.is_at("value")
        for text in texts:
            self.type(text)
            self.press("Enter")
        self.press("Enter")  # the next rule

    def replaces(self, text: str) -> None:
        self.press("Control+a")
        self.type(text)


def written(page: Page) -> Any:
    return json.loads(page.locator("#id_definition").input_value())


def shows(page: Page, given: dict[str, Any]) -> None:
    """Puts a definition into the JSON view and looks at its rules."""
    page.get_by_role("button", name="JSON", exact=True).click()
    page.locator("#id_definition").fill(json.dumps(given))
    page.get_by_role("button", name="Rules", exact=True).click()


def tag(value: str) -> dict[str, str]:
    return {"field": "contact.tags", "op": "has", "value": value}
