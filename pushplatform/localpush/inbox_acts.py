"""/inbox.json, /faults and /statistics.json: look at what arrived, act as the person, make it fail, count."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from pushplatform.localpush.exchange import Request, Response, json_answer, problem
from pushplatform.localpush.faults import KINDS, parse_fault
from pushplatform.localpush.inbox import STATES, Filter
from pushplatform.localpush.parsing import BadInput, Fields, whole_number
from pushplatform.localpush.push_service import LocalPush

MOST_LISTED = 1000
_FILTERS = ("label", "message", "browser", "kind", "state", "q", "since", "after", "limit")


async def list_inbox(service: LocalPush, request: Request) -> Response:
    """GET /inbox.json, newest first; `after` takes the `cursor` of an earlier answer and lists what changed since."""
    query = request.query
    for name in query:
        if name not in _FILTERS:
            raise BadInput(name, "is not a filter known here; known: " + ", ".join(_FILTERS))
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise BadInput("state", "must be one of " + ", ".join(STATES))
    wanted = Filter(
        label=query.get("label") or None,
        message=query.get("message") or None,
        browser=query.get("browser") or None,
        kind=query.get("kind") or None,
        state=state,
        text=query["q"].casefold() if query.get("q") else None,
        since=_moment(query["since"]) if query.get("since") else None,
        after=whole_number(query, "after", 0, least=0, most=2**53) if "after" in query else None,
    )
    limit = whole_number(query, "limit", 100, least=1, most=MOST_LISTED)
    entries = service.inbox.listed(wanted, limit)
    return json_answer(
        {
            "data": [entry.as_json() for entry in entries],
            "total": len(service.inbox),
            "cursor": service.inbox.revision,
            "cleared": service.inbox.cleared,
        }
    )


def _moment(text: str) -> float:
    try:
        if text.replace(".", "", 1).isdigit():
            return float(text)
        at = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise BadInput("since", "must be a time like 2026-03-01T12:00:00Z, or Unix seconds") from wrong
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


async def clear_inbox(service: LocalPush, request: Request) -> Response:
    """DELETE /inbox.json: messages still on their way are delivered all the same."""
    return json_answer({"cleared": service.inbox.clear()})


async def show_entry(service: LocalPush, request: Request, number: str) -> Response:
    """GET /inbox/{id}"""
    entry = service.inbox.get(int(number))
    return _unknown(number) if entry is None else json_answer(entry.as_json())


async def click_entry(service: LocalPush, request: Request, number: str) -> Response:
    """POST /inbox/{id}/click {action?}: as if the person clicked the notification, or a button of it."""
    return await _answer_entry(service, request, number, "clicked")


async def close_entry(service: LocalPush, request: Request, number: str) -> Response:
    """POST /inbox/{id}/close: as if the person closed the notification."""
    return await _answer_entry(service, request, number, "closed")


async def _answer_entry(service: LocalPush, request: Request, number: str, answer: str) -> Response:
    entry = service.inbox.get(int(number))
    if entry is None:
        return _unknown(number)
    fields = Fields(await request.json() if request.headers.get("content-length", "0") != "0" else {})
    action = fields.text("action", None) if answer == "clicked" else None
    fields.done()
    known = [each["action"] for each in entry.look.get("actions", [])]
    if action is not None and action not in known:
        raise BadInput("/action", "is no button of this notification; its buttons: " + (", ".join(known) or "none"))
    browser = service.registry.browser(entry.browser)
    if browser is None or browser.kind != "simulated" or entry.state != "shown":
        detail = f"only a notification that a simulated browser shows can be {answer}; this one is {entry.state}"
        return problem(409, "not_shown", detail)
    service.simulation.answer_now(entry, browser, answer, action)
    return json_answer({**entry.as_json(), "action": action}, 202)


def _unknown(number: str) -> Response:
    return problem(404, "unknown_entry", f"the inbox has no entry {number}; it may have been cleared")


async def list_faults(service: LocalPush, request: Request) -> Response:
    """GET /faults"""
    return json_answer({"data": [fault.as_json() for fault in service.faults], "kinds": KINDS})


async def add_fault(service: LocalPush, request: Request) -> Response:
    """POST /faults"""
    fault = parse_fault(await request.json(), service.faults.new_id())
    service.faults.add(fault)
    service.keep_fault(fault)
    return json_answer(fault.as_json(), 201)


async def remove_faults(service: LocalPush, request: Request) -> Response:
    """DELETE /faults: all off."""
    for fault in list(service.faults):
        service.faults.remove(fault.id)
        service.keep_fault(fault)
    return Response(204)


async def remove_fault(service: LocalPush, request: Request, fault_id: str) -> Response:
    """DELETE /faults/{id}"""
    fault = service.faults.remove(int(fault_id))
    if fault is None:
        return problem(404, "unknown_fault", f"fault {fault_id} is not on; GET /faults lists those that are")
    service.keep_fault(fault)
    return Response(204)


async def show_statistics(service: LocalPush, request: Request) -> Response:
    """GET /statistics.json?messages=N: counters, and the N newest message ids with theirs (100)."""
    kinds = Counter(browser.kind for browser in service.registry)
    connected = sum(browser.kind == "firefox" and browser.online for browser in service.registry)
    return json_answer(
        {
            **service.statistics.as_json(whole_number(request.query, "messages", 100, least=0, most=1000)),
            "waiting": len(service.waiting),
            "queued": len(service.simulation),
            "reports_pending": len(service.reporter),
            "browsers": {"simulated": kinds["simulated"], "firefox": kinds["firefox"], "connected": connected},
            "faults_on": len(service.faults),
            "unsaved": service.journal.unsaved,
        }
    )


async def reset_statistics(service: LocalPush, request: Request) -> Response:
    """DELETE /statistics.json: counters to zero; browsers keep the message ids they know."""
    service.reset_statistics()
    return Response(204)


async def health(service: LocalPush, request: Request) -> Response:
    """GET /health"""
    return json_answer({"status": "ok"})
