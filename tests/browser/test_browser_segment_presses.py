"""A press ends where it began, also when an answer comes in between: what is under the pointer stays until then."""

# ruff: noqa: F401, F811  (fixtures are imported by their names)

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.segment_builder import marketers, page, platform, shows, staff, tag, written


class Held:
    """Answers to requests of one kind, held back until they are asked for."""

    def __init__(self, page: Page, address: str, wanted: Callable[[Route], bool]) -> None:
        self._page, self._routes = page, list[Route]()

        def hold(route: Route) -> None:
            if wanted(route):
                self._routes.append(route)
            else:
                route.continue_()

        page.route(address, hold)

    def comes(self, **answer: Any) -> None:
        """Lets the newest through and waits until the page has had its chance to draw it."""
        request = self._routes[-1].request
        with self._page.expect_event("requestfinished", lambda finished: finished == request):
            if answer:
                self._routes[-1].fulfill(**answer)
            else:
                self._routes[-1].continue_()
        self._page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

    def wait(self) -> None:
        """Until there is one."""
        while not self._routes:
            self._page.wait_for_timeout(20)


def of_exact_counts(route: Route) -> bool:
    return "glance" not in (route.request.post_data or "")


def presses(page: Page, place: Locator, meanwhile: Callable[[], None]) -> None:
    place.hover()
    page.mouse.down()
    meanwhile()
    page.mouse.up()


def test_a_suggestion_is_taken_though_newer_ones_come_while_it_is_pressed(page: Page) -> None:
    held = Held(page, "**/segment/values/**", lambda route: "q=r" in route.request.url)
    shows(page, {"all": [{"field": "contact.attributes.plan", "op": "in", "value": ["free"]}]})
    page.locator(".pp-chip-box").click()
    expect(page.get_by_role("option", name="pro")).to_be_visible()
    page.keyboard.type("r")
    held.wait()
    presses(page, page.get_by_role("option", name="pro"), held.comes)
    expect(page.locator(".pp-chip")).to_have_count(2)
    assert written(page)["all"][0]["value"] == ["free", "pro"]


def test_a_fault_is_gone_to_though_a_count_comes_while_it_is_pressed(page: Page) -> None:
    shows(page, {"all": [tag("a"), {"field": "contact.attributes.gone", "op": "is_set"}]})
    expect(page.locator(".pp-rule").last).to_have_attribute("data-wrong", "wrong")
    page.get_by_role("button", name="JSON", exact=True).click()
    fault = page.locator("[data-json-faults] button")
    held = Held(page, "**/segment/count/**", of_exact_counts)
    page.get_by_label("Counted for").select_option(label="Offers")
    held.wait()
    presses(page, fault, held.comes)
    page.wait_for_function(
        """() => {
            const { value, selectionStart, selectionEnd } = document.activeElement;
            return value?.slice(selectionStart, selectionEnd) === '"contact.attributes.gone"';
        }"""
    )


def test_a_rule_is_removed_though_a_mark_above_it_comes_while_its_button_is_pressed(page: Page) -> None:
    held = Held(page, "**/segment/count/**", of_exact_counts)
    shows(page, {"all": [tag("unheard"), tag("b"), tag("c"), tag("d")]})
    held.wait()
    fault = {"at": "/all/0/value", "code": "x", "detail": " ".join(["is of no use and moves all that is below"] * 20)}
    buttons = page.get_by_role("button", name="Remove this rule")
    presses(page, buttons.nth(2), lambda: held.comes(status=422, json={"faults": [fault]}))
    expect(page.locator(".pp-rule")).to_have_count(3)
    assert written(page) == {"all": [tag("unheard"), tag("b"), tag("d")]}
