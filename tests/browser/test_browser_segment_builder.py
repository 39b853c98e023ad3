"""A segment as a marketer builds it in a real browser: once with the mouse alone, once with the keyboard alone."""

# ruff: noqa: F401, F811  (fixtures are imported by their names)

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pushplatform.sites import public_ids
from subscribers.models import ContactList, Segment
from tests.browser.segment_builder import Keys, marketers, page, platform, says, staff
from tests.browser.segment_people import wanted


def definition(staff: ContactList) -> dict[str, Any]:
    return {
        "all": [
            {"field": "contact.attributes.plan", "op": "in", "value": ["pro", "team"]},
            {"field": "contact.attributes.city", "op": "in", "value": ["Warsaw", "Kraków"]},
            {"field": "device.browser", "op": "in", "value": ["firefox", "chrome"]},
            {"field": "device.form", "op": "in", "value": ["desktop"]},
            {"field": "device.last_seen", "op": "within", "value": "30d"},
            {"field": "engagement.received_count", "op": "gte", "value": 3, "within": "14d"},
            {"field": "engagement.clicked", "op": "not_within", "value": "14d"},
            {"field": "contact.list", "op": "not_in", "value": [public_ids.encode("lst", staff.pk)]},
        ]
    }


def is_saved(page: Page, staff: ContactList, name: str) -> None:
    page.get_by_text(f"“{name}” is saved.").wait_for()
    saved = Segment.objects.get(name=name)
    assert saved.definition == definition(staff)
    says(page, wanted())


class Mouse:
    """Points, presses, drags and turns the wheel; types only what nothing offers: numbers and the name."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def rule(self, group: str, field: str) -> Locator:
        self.page.locator("[data-rows-view] > .pp-group > .pp-group-foot").get_by_role("button", name="+ rule").click()
        fields = self.page.get_by_role("listbox", name="Fields")
        fields.get_by_role("group", name=group, exact=True).get_by_role("option", name=field).first.click()
        return self.page.locator("[data-rows-view] .pp-rule").last

    def picks(self, rule: Locator, *values: str) -> None:
        rule.locator(".pp-chip-box").click()
        for value in values:
            rule.get_by_role("option", name=value).click()
            # The list is drawn anew then; a press on what is taken away under the pointer is no click.
            expect(rule.get_by_role("option", name=value, selected=True)).to_be_visible()
        self.page.locator("#who-title").click()

    def number(self, rule: Locator, label: str, number: str) -> None:
        rule.get_by_label(label, exact=True).click()
        self.page.keyboard.type(number)


@pytest.mark.parametrize("page", ["chromium", "firefox"], indirect=True)
def test_the_segment_is_built_with_the_mouse_alone(page: Page, staff: ContactList) -> None:
    mouse = Mouse(page)
    mouse.picks(mouse.rule("Contact", "Plan"), "pro", "team")
    mouse.picks(mouse.rule("Contact", "City"), "Warsaw", "Kraków")
    mouse.picks(mouse.rule("Device", "Browser"), "Firefox", "Chrome")
    mouse.picks(mouse.rule("Device", "Kind of device"), "Computer")
    mouse.rule("Device", "Last seen")
    received = mouse.rule("Messages", "Received a message, how often")
    mouse.number(received, "Value", "3")
    mouse.number(received, "Within the last", "14")
    clicked = mouse.rule("Messages", "Clicked a message, when last")
    clicked.get_by_label("How it compares").select_option(label="not within the last")
    mouse.number(clicked, "How long", "14")
    listed = mouse.rule("Contact", "List")
    listed.get_by_label("How it compares").select_option(value="not_in")
    mouse.picks(listed, "Staff")
    says(page, wanted())
    page.get_by_label("Name").click()
    name = f"With the mouse {Segment.objects.count()}"
    page.keyboard.type(name)
    page.get_by_role("button", name="Save", exact=True).click()
    is_saved(page, staff, name)


@pytest.mark.parametrize("page", ["chromium", "firefox"], indirect=True)
def test_the_segment_is_built_with_the_keyboard_alone(page: Page, staff: ContactList) -> None:
    keys = Keys(page)
    while page.evaluate("document.activeElement.name") != "name":
        keys.press("Tab")
    name = f"With the keyboard {Segment.objects.count()}"
    keys.type(name)
    while page.evaluate("document.activeElement.dataset.part") != "add-rule":
        keys.press("Tab")
    keys.press("Enter")
    keys.field("plan")
    keys.values("pro", "team")
    keys.field("city")
    keys.values("Warsaw", "Kraków")
    keys.field("browser")
    keys.values("Firefox", "Chrome")
    keys.field("kind of")
    keys.values("Computer")
    keys.field("last seen")
    keys.values()
    keys.field("received how often")
    keys.press("Tab")
    keys.replaces("3")
    keys.press("Tab")
    keys.type("14")
    keys.press("Enter")
    keys.field("clicked when")
    keys.chooses("not_within")  # typed letters are one word only as long as they come fast
    keys.press("Tab")
    keys.replaces("14")
    keys.press("Enter")
    keys.field("list")
    keys.chooses("not_in")
    keys.press("Tab")
    keys.type("Staff")
    keys.press("Enter")
    says(page, wanted())
    while page.evaluate("document.activeElement.textContent.trim()") != "Save":
        keys.press("Shift+Tab")
    keys.press("Enter")
    is_saved(page, staff, name)
