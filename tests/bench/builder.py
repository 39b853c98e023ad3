"""The segment builder in a real browser at full size: from the last keystroke to the new number on the page.

A million contacts, 1.5 million devices, ten million deliveries (BENCH_SCALE 0.1 takes a tenth); or what BENCH_DATABASE,
an address of PostgreSQL, was seeded with before, under BENCH_SECRET_KEYS: only an account to log in with is written
there. BENCH_N: rounds.

Each edit is a marketer's: a value typed letter by letter, another comparison, a chip ticked or taken away, a rule added
or removed. `p50_ms` and `p95_ms` are over the edits that the server was asked about: a definition of the last minute is
remembered by the page. They end with the first number, which may be that of a sample; `exact_p50_ms` and `exact_p95_ms`
with the last. What the time consists of comes from the browser's own clock and from the
Server-Timing of the answer: waiting before the question is sent, the way there and the middleware, the view, the
database, and drawing until the next frame.
"""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright

from campaigns import load_seed
from pushplatform.sites.models import Membership, Site
from tests.bench.stage import DEFAULTS
from tests.browser.browsers import EXECUTABLES
from tests.parts import brokers, database
from tests.parts.stack import Stack

ON_STAGE = True
ROUNDS = 4
BETWEEN_KEYS_MS = 90
A_LOOK_MS = 700
"""A marketer looks at the number before the next edit."""
PATIENCE_MS = 20_000
TARGET_MS = 300

ACCOUNT = "builder-bench"
PLAN, CITY, LTV = "contact.attributes.plan", "contact.attributes.city", "contact.attributes.ltv"

# Begins to watch at every key, click and change; knows when the number is fresh and the frame with it is drawn.
WATCH = """
() => {
  const body = document.querySelector("[data-count-body]");
  window.edit = { at: 0, answered: 0, drawn: 0, settled: 0 };
  for (const kind of ["keydown", "click", "input", "change"]) addEventListener(kind, (event) => {
    window.edit = { at: event.timeStamp, answered: 0, drawn: 0, settled: 0 };
  }, true);
  new MutationObserver(() => {
    if (body.getAttribute("aria-busy") === "false") window.edit.settled ||= performance.now();
    if (body.classList.contains("pp-stale") || window.edit.answered) return;
    window.edit.answered = performance.now();
    requestAnimationFrame(() => setTimeout(() => { window.edit.drawn ||= performance.now(); }));
  }).observe(body, { attributes: true, attributeFilter: ["class", "aria-busy"] });
  performance.setResourceTimingBufferSize(5000);
}
"""
FRESH = '() => window.edit.drawn && !document.querySelector("[data-count-body]").classList.contains("pp-stale")'
SETTLED = "() => window.edit.settled"
TOLD = """
() => {
  const { at, answered, drawn } = window.edit;
  const words = document.querySelector("[data-total]").textContent;
  const isAnswer = (one) => one.name.includes("/segment/count/") && one.startTime >= at &&
    one.responseEnd <= answered + 1 && one.serverTiming.length;  // none: aborted
  const asked = performance.getEntriesByType("resource").filter(isAnswer).at(-1);
  if (!asked) return { total: drawn - at, words };  // the page remembered it
  const said = Object.fromEntries(asked.serverTiming.map((one) => [one.name, one.duration]));
  return {
    total: drawn - at, waiting: asked.startTime - at, view: said.view - said.database, database: said.database,
    way: asked.responseEnd - asked.startTime - said.view, drawing: drawn - asked.responseEnd, words,
  };
}
"""


class Edit(NamedTuple):
    """Milliseconds, and what the page said."""

    kind: str
    about: str
    total: float
    parts: dict[str, float]
    words: str
    settled: float
    """When the number was final."""

    @property
    def exact(self) -> bool:
        return self.words[:1].isdigit()


def rule(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


def definitions() -> dict[str, list[dict[str, Any]]]:
    """Name → the rules that are there before the edits."""
    tired = [
        rule("engagement.received_count", "gte", 3, within="14d"),
        rule("engagement.clicked", "not_within", "14d"),
    ]
    contact = [rule(PLAN, "in", ["pro", "team"]), rule(CITY, "in", ["Warszawa", "Kraków"])]
    device = [rule("device.browser", "in", ["firefox", "chrome"]), rule("device.form", "in", ["desktop"])]
    seen = rule("device.last_seen", "within", "30d")
    return {
        "contact": contact,
        "device": [*device, seen],
        "contact_and_device": [*contact, *device],
        "behaviour": tired,
        "everything": [*contact, *device, seen, *tired, rule("contact.tags", "has_not", "staff")],
    }


class Builder:
    """The page of a new segment, and what a marketer does there. Each act leaves the page counting."""

    def __init__(self, page: Page):
        self.page = page

    def show(self, rules: list[dict[str, Any]]) -> None:
        """Puts rules in the place of those that are there."""
        self.page.get_by_role("button", name="JSON", exact=True).click()
        self.page.locator("#id_definition").fill(json.dumps({"all": rules}))
        self.page.get_by_role("button", name="Rules", exact=True).click()

    def add(self, words: str) -> Locator:
        self.page.locator("[data-rows-view] > .pp-group > .pp-group-foot [data-part=add-rule]").click()
        self.page.keyboard.type(words, delay=BETWEEN_KEYS_MS)
        self.page.keyboard.press("Enter")
        return self.rows.last

    @property
    def rows(self) -> Locator:
        return self.page.locator("[data-rows-view] .pp-rule")

    def type(self, row: Locator, text: str, label: str = "Value") -> None:
        row.get_by_label(label, exact=True).click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text, delay=BETWEEN_KEYS_MS)

    def compare(self, row: Locator, op: str) -> None:
        row.get_by_label("How it compares").select_option(value=op)

    def tick(self, row: Locator, value: str) -> None:
        row.locator(".pp-chip-input").click()
        row.get_by_role("option", name=value).click()

    def remove(self, row: Locator) -> None:
        row.get_by_role("button", name="Remove this rule").click()

    def told(self, kind: str, about: str) -> Edit:
        """What became of the last act, once the new number stands there; then the marketer looks at it."""
        try:
            self.page.wait_for_function(FRESH, timeout=PATIENCE_MS)
        except TimeoutError:
            said = self.page.locator("[data-count-pane]").inner_text()
            raise RuntimeError(f"no fresh number for {about}, {kind}; the page says: {said[:200]}") from None
        found = self.page.evaluate(TOLD)
        self.page.wait_for_function(SETTLED, timeout=PATIENCE_MS)
        found["settled"] = self.page.evaluate("() => window.edit.settled - window.edit.at")
        self.page.wait_for_timeout(A_LOOK_MS)
        total, words, settled = (found.pop(name) for name in ("total", "words", "settled"))
        return Edit(kind, about, total, found, words, settled)


def edits(builder: Builder, about: str, rules: list[dict[str, Any]]) -> Iterator[Edit]:
    """One after the other, each on what the ones before it left."""
    builder.show(rules)
    yield builder.told("whole definition", about)
    row = builder.add("last seen")
    yield builder.told("add a rule", about)
    builder.type(row, "45", "How long")
    yield builder.told("type a number", about)
    builder.compare(row, "not_within")
    yield builder.told("change the comparison", about)
    builder.remove(row)
    yield builder.told("remove a rule", about)
    row = builder.add("city")
    builder.compare(row, "contains")
    builder.type(row, "rak")
    yield builder.told("type a text", about)
    builder.compare(row, "not_contains")
    yield builder.told("change the comparison", about)
    builder.remove(row)
    yield builder.told("remove a rule", about)
    row = builder.add("ltv")
    builder.compare(row, "gte")
    builder.type(row, "1500")
    yield builder.told("type a number", about)
    builder.compare(row, "lt")
    yield builder.told("change the comparison", about)
    builder.remove(row)
    yield builder.told("remove a rule", about)
    row = builder.add("system")
    for system in ("Android", "Windows"):
        builder.tick(row, system)
        yield builder.told("tick a chip", about)
    builder.page.locator("#who-title").click()
    builder.remove(row)
    yield builder.told("remove a rule", about)


@contextmanager
def seeded() -> Iterator[tuple[str, Site]]:
    """The address of a database of this size, and its Site."""
    given = os.environ.get("BENCH_DATABASE")
    if given:
        with database.existing(given.rpartition("/")[2]) as url:
            yield url, Site.objects.filter(name="A large shop").defer(*SECRETS).latest("pk")
        return
    with database.fresh() as url:
        yield url, load_seed.seed(float(os.environ.get("BENCH_SCALE") or 1), timezone.now(), _say).site


SECRETS = ("identity_secret", "receipt_secret")
"""Of another installation's key, when the database was seeded before."""


@contextmanager
def opened(url: str, site: Site) -> Iterator[Builder]:
    """A marketer who may see people, at the form of a new segment."""
    password = secrets.token_urlsafe(12)
    user, _ = get_user_model().objects.get_or_create(username=ACCOUNT, defaults={"is_staff": True})
    user.set_password(password)
    user.save()
    Membership.objects.get_or_create(user=user, site=site, defaults={"role": Membership.Role.ADMINISTRATOR})
    with ExitStack() as ends:
        redis = ends.enter_context(brokers.redis_server(database.run_folder() / "redis"))
        keys = os.environ.get("BENCH_SECRET_KEYS")
        stack = Stack(database.run_folder() / "stack", url, redis, DEFAULTS | ({"SECRET_KEYS": keys} if keys else {}))
        ends.callback(stack.stop)
        stack.start(web=True)
        playwright = ends.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLES["chromium"], headless=True, args=["--no-sandbox", "--disable-component-update"]
        )
        ends.callback(browser.close)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{stack.web_url}/admin/login/")
        page.fill("input[name=username]", ACCOUNT)
        page.fill("input[name=password]", password)
        page.locator("[type=submit]").first.click()
        page.wait_for_url(lambda address: "/login/" not in address)
        page.goto(f"{stack.web_url}/admin/subscribers/segment/add/?_site={site.pk}")
        page.locator("#segment[data-ready]").wait_for()
        page.evaluate(WATCH)
        page.wait_for_timeout(2000)
        yield Builder(page)


def run() -> dict[str, Any]:
    """Milliseconds from the last key or click to the drawn number, by kind of edit and by definition."""
    found: list[Edit] = []
    with seeded() as (url, site), opened(url, site) as builder:
        for number in range(int(os.environ.get("BENCH_N") or ROUNDS)):
            for about, rules in definitions().items():
                own = list(edits(builder, about, rules))
                found += own
                _say(f"round {number + 1}, {about}: {_figures(own)}")
    return told(found)


def told(found: list[Edit]) -> dict[str, Any]:
    """The table of these edits."""
    asked = [one for one in found if one.parts]
    totals = [one.total for one in asked]
    return {
        **{f"edit: {kind}": _figures(some) for kind, some in _by(found, lambda one: one.kind).items()},
        **{f"definition: {about}": _figures(some) for about, some in _by(found, lambda one: one.about).items()},
        **{f"of it {part}": _spread([one.parts[part] for one in asked]) for part in asked[0].parts},
        "edits": len(found),
        "remembered": len(found) - len(asked),
        "exact at once": _share(found, lambda one: one.exact),
        f"within {TARGET_MS} ms": _share(found, lambda one: one.total <= TARGET_MS),
        "p50_ms": round(median(totals), 1),
        "p95_ms": round(_p95(totals), 1),
        "exact_p50_ms": round(median(one.settled for one in asked), 1),
        "exact_p95_ms": round(_p95([one.settled for one in asked]), 1),
    }


def _by(found: list[Edit], key: Callable[[Edit], str]) -> Mapping[str, list[Edit]]:
    return {name: [one for one in found if key(one) == name] for name in dict.fromkeys(map(key, found))}


def _figures(found: list[Edit]) -> str:
    exact = _share(found, lambda one: one.exact)
    return f"{_spread([one.total for one in found])}, exact at once {exact}"


def _spread(numbers: list[float]) -> str:
    return f"p50 {median(numbers):,.0f}, p95 {_p95(numbers):,.0f}, max {max(numbers):,.0f} ms"


def _p95(numbers: list[float]) -> float:
    return sorted(numbers)[math.ceil(0.95 * len(numbers)) - 1]


def _share(found: list[Edit], holds: Callable[[Edit], bool]) -> str:
    return f"{sum(map(holds, found))} of {len(found)}"


def _say(line: str) -> None:
    print(f"  {line}", flush=True)
