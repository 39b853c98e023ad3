"""A segment as a marketer builds it in a real browser: once with the mouse alone, once with the keyboard alone."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, Route, expect

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Behaviour, ContactList, Segment
from tests.browser.browsers import Browser
from tests.browser.real_platform import Marketer, RealPlatform
from tests.browser.segment_people import people, settle, wanted
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


def says(page: Page, number: int) -> None:
    """The live count is this, and fresh."""
    expect(page.locator("[data-total]")).to_have_text(re.compile(rf"^{number:,} people · {number:,} devices$"))
    expect(page.locator("[data-count-body]")).not_to_have_class(re.compile("pp-stale"))


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
    keys.type("not")
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


def written(page: Page) -> Any:
    return json.loads(page.locator("#id_definition").input_value())


def shows(page: Page, given: dict[str, Any]) -> None:
    """Puts a definition into the JSON view and looks at its rules."""
    page.get_by_role("button", name="JSON", exact=True).click()
    page.locator("#id_definition").fill(json.dumps(given))
    page.get_by_role("button", name="Rules", exact=True).click()


def tag(value: str) -> dict[str, str]:
    return {"field": "contact.tags", "op": "has", "value": value}


def test_rules_are_moved_removed_duplicated_and_brought_back_by_keys(page: Page) -> None:
    shows(page, {"all": [tag("a"), {"any": [tag("b")]}]})
    handles = page.locator(".pp-rule .pp-handle")
    handles.first.focus()
    page.keyboard.press("Alt+ArrowDown")
    assert written(page) == {"all": [{"any": [tag("a"), tag("b")]}]}
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    assert written(page) == {"all": [{"any": [tag("b")]}, tag("a")]}
    page.keyboard.press("Delete")
    assert written(page) == {"all": [{"any": [tag("b")]}]}
    page.keyboard.press("Control+z")
    assert written(page) == {"all": [{"any": [tag("b")]}, tag("a")]}
    page.keyboard.press("Control+Shift+z")
    assert written(page) == {"all": [{"any": [tag("b")]}]}
    handles.first.focus()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.dataset.part") != "menu":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert written(page) == {"all": [{"any": [tag("b"), tag("b")]}]}


def test_a_rule_is_dragged_into_a_group(page: Page) -> None:
    shows(page, {"all": [tag("a"), {"any": [tag("b")]}]})
    page.locator(".pp-rule .pp-handle").first.hover()
    page.mouse.down()
    target = page.locator(".pp-group .pp-group .pp-rule").bounding_box()
    assert target
    page.mouse.move(target["x"] + 60, target["y"] + target["height"] - 8, steps=8)
    page.mouse.move(target["x"] + 60, target["y"] + target["height"] + 2, steps=2)
    page.mouse.up()
    assert written(page) == {"all": [{"any": [tag("b"), tag("a")]}]}


def test_what_rows_cannot_show_is_kept_and_marked_at_its_place(page: Page) -> None:
    odd = {"all": [tag("a"), {"version": 7, "any": []}, {"field": "contact.attributes.gone", "op": "like", "value": 1}]}
    shows(page, odd)
    rules = page.locator(".pp-rule")
    expect(rules.nth(1)).to_have_attribute("data-wrong", "wrong")
    expect(rules.nth(2)).to_contain_text("there is no attribute 'gone'", ignore_case=True)
    expect(rules.first).not_to_have_attribute("data-wrong", re.compile("."))
    with page.expect_response("**/segment/count/**"):  # what it finds wrong is drawn anew
        rules.first.get_by_label("Value", exact=True).fill("b")
    assert written(page) == {"all": [tag("b"), *odd["all"][1:]]}
    page.get_by_role("button", name="JSON", exact=True).click()
    page.locator("[data-json-faults] button").last.click()
    selected = (
        "document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)"
    )
    assert page.evaluate(selected) == '"contact.attributes.gone"'


def test_an_unfinished_rule_keeps_the_old_number_and_is_not_saved(page: Page) -> None:
    says(page, len(list(people())))
    shows(page, {"all": [{"field": "contact.tags", "op": "has"}]})
    rule = page.locator(".pp-rule")
    expect(rule).to_have_attribute("data-wrong", "unfinished")
    expect(rule).to_contain_text("Not finished: give a value.")
    expect(page.locator("[data-count-body]")).to_have_class(re.compile("pp-stale"))
    page.get_by_label("Name").fill("Unfinished")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[data-faults]")).to_contain_text("It cannot be saved yet")
    assert not Segment.objects.filter(name="Unfinished").exists()


def test_a_count_that_is_overtaken_is_aborted(page: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held or "vip" not in (route.request.post_data or ""):  # the page counts everyone too, once
            route.continue_()
        else:
            held.append(route)  # never answered: the interception stays on, its end would let the request through

    page.route("**/segment/count/**", hold_the_first)
    shows(page, {"all": [tag("vip")]})
    expect(page.locator("[data-count-state]")).to_have_text("counting…")
    with page.expect_event("requestfailed", lambda request: request == held[0].request):
        page.locator(".pp-rule").get_by_label("Value", exact=True).fill("nobody")
    says_nobody = re.compile("^0 people · 0 devices$")
    expect(page.locator("[data-total]")).to_have_text(says_nobody)


def test_the_number_of_a_sample_stands_there_until_the_exact_one_comes(page: Page) -> None:
    says(page, len(list(people())))
    waterfall = dict.fromkeys(("matched", "with_consent", "active", "after_exclusions"), 9_900)
    about = {
        "figures": {**waterfall, "after_device_choice": 9_900, "people": 8_100}, "exact": False, "error": 0.07,
        "few": False, "below": None, "sentence": "tags include nobody", "purpose": None, "without": [],
        "picks_one": False, "chooses": False,
    }  # fmt: skip
    held: list[Route] = []

    def hold_the_exact_one(route: Route) -> None:
        if "glance" in (route.request.post_data or ""):
            route.fulfill(json=about)
        else:
            held.append(route)

    page.route("**/segment/count/**", hold_the_exact_one)
    shows(page, {"all": [tag("nobody")]})
    body, state = page.locator("[data-count-body]"), page.locator("[data-count-state]")
    expect(page.locator("[data-total]")).to_have_text("about 8,100 people · 9,900 devices")
    expect(state).to_have_text("± 7 % · counting exactly…")
    expect(body).not_to_have_class(re.compile("pp-stale"))
    expect(body).to_have_attribute("aria-busy", "true")
    held[-1].continue_()
    expect(page.locator("[data-total]")).to_have_text("0 people · 0 devices")
    expect(state).to_have_text("")
    expect(body).to_have_attribute("aria-busy", "false")


def test_a_count_that_failed_is_asked_again(page: Page) -> None:
    says(page, len(list(people())))
    page.route("**/segment/count/**", lambda route: route.fulfill(status=500), times=1)
    shows(page, {"all": [tag("nobody")]})
    expect(page.locator("[data-count-note]")).to_contain_text("It could not be counted. What you wrote is kept")
    expect(page.locator("[data-total]")).to_have_text(re.compile("^0 people"))
    expect(page.locator("[data-count-note]")).to_be_hidden()


def test_what_was_counted_a_moment_ago_has_its_number_at_once(page: Page) -> None:
    number = page.locator("[data-total]")
    everyone = re.compile(rf"^{len(list(people())):,} people")
    expect(number).to_have_text(everyone)
    shows(page, {"all": [tag("nobody")]})
    expect(number).to_have_text(re.compile("^0 people"))
    page.route("**/segment/count/**", lambda route: route.abort())
    page.get_by_role("button", name="Undo").click()
    expect(number).to_have_text(everyone)
    expect(page.locator("[data-count-body]")).not_to_have_class(re.compile("pp-stale"))


def test_why_somebody_is_not_in_it_is_answered_rule_by_rule(page: Page) -> None:
    shows(page, {"all": [tag("vip"), {"field": "contact.attributes.plan", "op": "eq", "value": "pro"}]})
    page.get_by_label("Why is … in it, or not?").fill("KIND-1")
    page.keyboard.press("Enter")
    lines = page.locator("[data-answer] li")
    expect(lines.nth(0)).to_contain_text("tags include vip")
    expect(lines.nth(0).get_by_role("img")).to_have_text("✗")
    expect(lines.nth(1).get_by_role("img")).to_have_text("✓")
    expect(lines.nth(1)).to_contain_text("found: pro")


def test_a_sample_is_marked_as_one(page: Page) -> None:
    steps = ("matched", "with_consent", "active", "after_exclusions", "after_device_choice", "people")
    said: dict[str, Any] = {
        "figures": dict.fromkeys(steps, 61_000), "exact": False, "error": 0.031, "few": False,
        "sentence": "tags include x", "purpose": None, "without": [], "picks_one": False, "chooses": False,
    }  # fmt: skip
    page.route("**/segment/count/**", lambda route: route.fulfill(json=said))
    shows(page, {"all": [tag("x")]})
    expect(page.locator("[data-total]")).to_have_text("about 61,000 people · 61,000 devices ± 3 %")
    said.update({"figures": None, "few": True, "error": None})
    shows(page, {"all": [tag("y")]})
    expect(page.locator("[data-total]")).to_have_text("Few")
    expect(page.locator("[data-count-said]")).to_have_text(re.compile("^Few"))
    said.update({"few": False})
    shows(page, {"all": [tag("z")]})
    expect(page.locator("[data-total]")).to_have_text("Not known")
    expect(page.locator("[data-count-body]")).not_to_have_class(re.compile("pp-stale"))


def test_an_events_name_is_suggested_and_its_properties_are_compared_as_numbers(page: Page) -> None:
    site = Site.objects.get()
    for _ in range(2):
        Behaviour.objects.create(
            site_id=site.pk, contact_id=site.contacts.first().pk, name="cart_abandoned", occurred_at=timezone.now()
        )
    keys = Keys(page)
    page.locator("[data-part=add-rule]").click()
    keys.field("did")
    page.get_by_label("Name of the event", exact=True).click()
    page.get_by_role("option", name="cart_abandoned 2").click()
    page.get_by_role("button", name="+ property").click()
    page.get_by_label("Property", exact=True).fill("total")
    page.get_by_label("How it compares").last.select_option(label="is more than")
    page.get_by_label("Value of the property").fill("20")
    rule = {"field": "event", "op": "within", "value": "30d", "name": "cart_abandoned"}
    assert written(page) == {"all": [rule | {"where": [{"property": "total", "op": "gt", "value": 20}]}]}


def test_everything_fits_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    shows(page, {"all": [tag("a"), {"any": [tag("b"), {"field": "engagement.shown_count", "op": "gte", "value": 1}]}]})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("[data-part=field]").last.click()
    panel = page.get_by_role("dialog", name="Choose a field").bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 390
    assert panel["height"] > 200
