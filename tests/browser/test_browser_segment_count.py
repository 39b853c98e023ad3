"""What stands beside a segment while it is written, in a real browser: its number, and why somebody is not in it."""

# ruff: noqa: F401, F811  (fixtures are imported by their names)

import re
from typing import Any

from playwright.sync_api import Page, Route, expect

from pushplatform.sites.models import Site
from subscribers.models import Segment
from tests.browser.segment_builder import marketers, page, platform, says, shows, staff, tag
from tests.browser.segment_people import people


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
    about.update({"figures": None, "error": None, "few": True, "below": 3_400})
    page.get_by_label("Counted for").select_option(label="Offers")
    expect(page.locator("[data-total]")).to_have_text("Fewer than 3,400 devices")
    steps = page.locator("[data-waterfall]")
    expect(steps).to_be_visible()  # nothing moves for a moment, the old ones are dimmed
    expect(steps).to_have_class(re.compile("pp-stale"))
    held[-1].continue_()
    expect(page.locator("[data-total]")).to_have_text("0 people · 0 devices")
    expect(state).to_have_text("")
    expect(body).to_have_attribute("aria-busy", "false")
    expect(steps).not_to_have_class(re.compile("pp-stale"))


def test_a_segment_that_is_left_out_and_broken_is_named_beside_the_number(page: Page) -> None:
    broken = Segment.objects.create(
        site=Site.objects.get(), name="Of another time", definition={"field": "contact.attributes.gone", "op": "is_set"}
    )
    page.reload()
    says(page, len(list(people())))
    page.get_by_text("Without other segments").click()
    page.get_by_label(broken.name).check()
    note = page.locator("[data-count-note]")
    expect(note).to_contain_text("“Of another time” is to be left out and cannot be worked out: there is no attribute")
    expect(page.locator("[data-faults]")).to_be_empty()  # its rules are not those of this segment
    page.get_by_label(broken.name).uncheck()
    expect(note).to_be_hidden()
    broken.delete()


def test_a_count_that_failed_is_asked_again(page: Page) -> None:
    says(page, len(list(people())))
    failing = [True]  # until the page has been seen to say so: it asks again after three seconds
    page.route("**/segment/count/**", lambda route: route.fulfill(status=500) if failing else route.continue_())
    shows(page, {"all": [tag("nobody")]})
    expect(page.locator("[data-count-note]")).to_contain_text("It could not be counted. What you wrote is kept")
    failing.clear()
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


def test_why_somebody_is_not_in_it_is_answered_rule_by_rule(page: Page) -> None:
    shows(page, {"all": [tag("vip"), {"field": "contact.attributes.plan", "op": "eq", "value": "pro"}]})
    expect(page.locator("[data-people-list] a")).to_have_count(5)  # some of the people whom it finds
    page.get_by_label("Why is … in it, or not?").fill("KIND-1")
    page.keyboard.press("Enter")
    lines = page.locator("[data-answer] li")
    expect(lines.nth(0)).to_contain_text("tags include vip")
    expect(lines.nth(0).get_by_role("img")).to_have_text("✗")
    expect(lines.nth(1).get_by_role("img")).to_have_text("✓")
    expect(lines.nth(1)).to_contain_text("found: pro")
