"""Rules of a segment in a real browser: moved, dragged, left unfinished, and what rows cannot show."""

# ruff: noqa: F401, F811  (fixtures are imported by their names)

import re
from typing import Any

from django.utils import timezone
from playwright.sync_api import Page, expect

from pushplatform.sites.models import Site
from subscribers.models import Behaviour, Segment
from tests.browser.segment_builder import Keys, marketers, page, platform, says, shows, staff, tag, written
from tests.browser.segment_people import people


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


def test_a_definition_is_copied_and_pasted_as_json(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=page.evaluate("location.origin"))
    given = {"all": [tag("a"), {"not": tag("b")}]}
    shows(page, given)
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("[data-json-said]")).to_have_text("Copied.")
    page.locator("#id_definition").fill('{"all": []')
    expect(page.locator("[data-json-faults]")).to_contain_text("this is no JSON yet", ignore_case=True)
    page.get_by_role("button", name="Paste", exact=True).click()
    expect(page.locator("[data-json-said]")).to_have_text("Pasted.")
    assert written(page) == given
    page.get_by_role("button", name="Rules", exact=True).click()
    expect(page.locator(".pp-rule")).to_have_count(2)


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
    page.get_by_label("How it compares").first.select_option(label="at least")
    for label in ("Property", "Value of the property"):  # wide enough to be read beside a number and a span of time
        place = page.get_by_label(label, exact=True).bounding_box()
        assert place
        assert place["width"] > 120


def test_everything_fits_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    shows(page, {"all": [tag("a"), {"any": [tag("b"), {"field": "engagement.shown_count", "op": "gte", "value": 1}]}]})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    strip, number = page.locator("[data-count-strip]"), page.locator("[data-total]")
    expect(strip).to_be_visible()
    number.scroll_into_view_if_needed()
    expect(strip).to_be_hidden()  # it says the same, and would cover it
    page.locator("#who-title").scroll_into_view_if_needed()
    expect(strip).to_be_visible()
    page.locator("[data-part=field]").last.click()
    panel = page.get_by_role("dialog", name="Choose a field").bounding_box()
    assert panel
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= 390
    assert panel["height"] > 200
