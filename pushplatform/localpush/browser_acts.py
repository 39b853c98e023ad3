"""/browsers: make simulated browsers, look at all, change, unsubscribe and delete them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from pushplatform.localpush.behaviour import Behaviour, parse_behaviour
from pushplatform.localpush.exchange import Request, Response, json_answer, problem
from pushplatform.localpush.parsing import BadInput, Fields, whole_number
from pushplatform.localpush.push_service import LocalPush
from pushplatform.localpush.subscriptions import Browser

MOST_IN_A_BATCH = 10_000
_MADE_AT_ONCE = 100  # about 3 ms


@dataclass(frozen=True, slots=True)
class NewBrowser:
    """A simulated browser to make; `key` is the sender's VAPID public key, None takes any sender."""

    label: str
    key: bytes | None
    receipts_url: str | None
    behaviour: Behaviour


def _parse_new(value: object, pointer: str = "") -> NewBrowser:
    fields = Fields(value, pointer)
    new = NewBrowser(
        label=fields.text("label"),
        key=fields.server_key("application_server_key"),
        receipts_url=fields.http_address("receipts_url", None),
        behaviour=parse_behaviour(fields.raw("behaviour", {}), fields.pointer("behaviour")),
    )
    fields.done()
    return new


def _make(service: LocalPush, new: NewBrowser) -> Browser:
    return service.registry.new_simulated(new.label, new.key, new.receipts_url, new.behaviour, time.time())


async def make_browser(service: LocalPush, request: Request) -> Response:
    """POST /browsers"""
    browser = _make(service, _parse_new(await request.json()))
    return json_answer(service.registry.as_json(browser), 201)


async def make_browsers(service: LocalPush, request: Request) -> Response:
    """POST /browsers/batch: all or none; `defaults` stands for what a browser leaves out."""
    fields = Fields(await request.json())
    defaults = fields.raw("defaults", {})
    wanted = fields.raw("browsers")
    fields.done()
    if not isinstance(defaults, dict):
        raise BadInput("/defaults", "must be a JSON object")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MOST_IN_A_BATCH:
        raise BadInput("/browsers", f"must be a list of 1 to {MOST_IN_A_BATCH} browsers")
    parsed: list[NewBrowser] = []
    for position, each in enumerate(wanted):
        merged = {**defaults, **each} if isinstance(each, dict) else each
        parsed.append(_parse_new(merged, f"/browsers/{position}"))
        if position % _MADE_AT_ONCE == 0:
            await asyncio.sleep(0)
    made: list[dict[str, object]] = []
    for position, new in enumerate(parsed):
        made.append(service.registry.as_json(_make(service, new)))
        if position % _MADE_AT_ONCE == 0:
            await asyncio.sleep(0)
    return json_answer({"data": made}, 201)


async def list_browsers(service: LocalPush, request: Request) -> Response:
    """GET /browsers?label=&kind=&limit=&cursor=: in the order of their making."""
    query = request.query
    limit = whole_number(query, "limit", 500, least=1, most=MOST_IN_A_BATCH)
    cursor = query.get("cursor")
    found = [
        browser
        for browser in service.registry
        if query.get("label") in (None, browser.label) and query.get("kind") in (None, browser.kind)
    ]
    start = 0
    if cursor is not None:
        places = {browser.id: place for place, browser in enumerate(found)}
        if cursor not in places:
            raise BadInput("cursor", "is not known: take next_cursor of the list before")
        start = places[cursor] + 1
    page = found[start : start + limit]
    more = start + limit < len(found)
    return json_answer(
        {
            "data": [service.registry.as_json(browser) for browser in page],
            "total": len(found),
            "next_cursor": page[-1].id if more else None,
        }
    )


async def show_browser(service: LocalPush, request: Request, browser_id: str) -> Response:
    """GET /browsers/{id}"""
    browser = service.registry.browser(browser_id)
    return _unknown(browser_id) if browser is None else json_answer(service.registry.as_json(browser))


async def change_browser(service: LocalPush, request: Request, browser_id: str) -> Response:
    """PATCH /browsers/{id}: label, receipts_url, behaviour, subscribed, application_server_key.

    `subscribed` false ends the subscription (410 from then on); true, or a new key, makes a new one.
    """
    browser = service.registry.browser(browser_id)
    if browser is None:
        return _unknown(browser_id)
    fields = Fields(await request.json())
    label = fields.text("label", browser.label)
    if browser.kind != "simulated":
        fields.done()
        browser.label = label
        service.registry.changed(browser)
        return json_answer(service.registry.as_json(browser))
    receipts_url = fields.http_address("receipts_url", browser.receipts_url)
    behaviour = parse_behaviour(fields.raw("behaviour", {}), "/behaviour", browser.behaviour)
    new_key = "application_server_key" in fields
    subscribed = fields.boolean("subscribed", new_key or browser.subscription is not None)
    key = fields.server_key("application_server_key", next(reversed(browser.subscriptions.values())).key)
    fields.done()
    if new_key and not subscribed:
        raise BadInput("/application_server_key", "names the key of a new subscription, so subscribed cannot be false")
    browser.label, browser.receipts_url, browser.behaviour = label, receipts_url, behaviour
    service.registry.changed(browser)
    if new_key or subscribed != (browser.subscription is not None):
        end_subscriptions(service, browser)
        if subscribed:
            service.registry.subscribe(browser, key, time.time())
    if browser.online:
        service.delivery.come_online(browser)
    return json_answer(service.registry.as_json(browser))


def end_subscriptions(service: LocalPush, browser: Browser) -> None:
    """From now on every endpoint of a browser answers 410; what waits for it is dropped."""
    for subscription in browser.subscriptions.values():
        service.registry.unsubscribe(subscription, time.time())
        service.delivery.end_all(subscription)


async def delete_browser(service: LocalPush, request: Request, browser_id: str) -> Response:
    """DELETE /browsers/{id}: a Firefox gets a new identity when it connects again and tells its pages so."""
    browser = service.registry.browser(browser_id)
    if browser is None:
        return _unknown(browser_id)
    end_subscriptions(service, browser)
    service.registry.remove(browser, time.time())
    if browser.connection is not None:
        browser.connection.close()
    return Response(204)


def _unknown(browser_id: str) -> Response:
    return problem(404, "unknown_browser", f"there is no browser {browser_id!r}; GET /browsers lists them")
