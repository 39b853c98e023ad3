"""`POST /push/v1/receipts` as a bare ASGI callable: every display of every campaign comes through here.

Reports of many requests wait up to WAIT_SECONDS for each other, are written in one transaction by one thread, and only
then is each request answered: the price of a batch without a moment in which an answered report could be lost.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from campaigns.receipts import Report, Tally, record_reports
from pushplatform.api.parsing import parse_json
from pushplatform.api.problems import CONTENT_TYPE, Problem, problem_body
from pushplatform.api.request_id import sound_request_id

PATH: Final = "/push/v1/receipts"
MAX_REPORTS: Final = 100
MAX_BODY: Final = 65_536
"""Octets; a report has about 150."""

WAIT_SECONDS: Final = 0.01
FLUSH_AT: Final = 500
"""Reports."""
MAX_WAITING: Final = 20_000
"""Reports in memory; beyond, browsers are asked to come back: their workers keep what was not taken."""
RETRY_AFTER: Final = 30
"""Seconds."""
_LOG_EVERY: Final = 60.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CORS: Final = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Retry-After, X-Request-Id"),
)
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type"),
    (b"access-control-max-age", b"86400"),
)
_TYPES: Final = (b"text/plain", b"application/json")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    reports: list[Report]
    written: asyncio.Future[None]
    since: float


class ReceiptsEndpoint:
    """One per event loop. `record`: writes reports or raises; called in a thread of its own."""

    def __init__(self, record: Callable[[list[Report], datetime], Tally] = record_reports):
        self._record = record
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="receipts")
        self._waiting: list[_Waiting] = []
        self._count = 0
        self._enough = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self._dropped, self._logged_at = Tally(), monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        request_id = sound_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        try:
            await self._handle(scope["method"], headers, receive)
        except Problem as problem:
            await _answer_problem(send, problem, request_id)
        else:
            await _answer(send, 204, request_id, _PREFLIGHT if scope["method"] == "OPTIONS" else ())

    async def _handle(self, method: str, headers: dict[bytes, bytes], receive: Receive) -> None:
        if method == "OPTIONS":
            return
        if method != "POST":
            raise Problem("method_not_allowed", headers={"Allow": "POST, OPTIONS"})
        media_type = headers.get(b"content-type", b"text/plain").partition(b";")[0].strip().lower()
        if media_type not in _TYPES:
            raise Problem("unsupported_media_type", "Send text/plain or application/json.")
        reports = read_reports(parse_json(await _read(receive), max_body=MAX_BODY))
        if reports:
            await self._write(reports)

    async def _write(self, reports: list[Report]) -> None:
        """Returns when they are committed; raises Problem 503 when that is not to be had now."""
        if self._count + len(reports) > MAX_WAITING:
            raise _unavailable()
        waiting = _Waiting(reports, asyncio.get_running_loop().create_future(), monotonic())
        self._waiting.append(waiting)
        self._count += len(reports)
        if self._count >= FLUSH_AT:
            self._enough.set()
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_all())
        await waiting.written

    async def _flush_all(self) -> None:
        while self._waiting:
            await self._gather()
            taken, reports = self._take()
            try:
                tally = await asyncio.get_running_loop().run_in_executor(self._thread, self._flush, reports)
            except DatabaseError as error:
                log.warning("%s reports could not be written (%s)", len(reports), type(error).__name__)
                _settle(taken, _unavailable())
            except Exception:  # the browsers keep their reports; the log has what is wrong with us
                log.exception("%s reports could not be written", len(reports))
                _settle(taken, _unavailable())
            else:
                _settle(taken, None)
                self._note(tally)

    async def _gather(self) -> None:
        """Lets reports come together until the oldest has waited WAIT_SECONDS, or there are FLUSH_AT."""
        left = self._waiting[0].since + WAIT_SECONDS - monotonic()
        if left > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), left)

    def _take(self) -> tuple[list[_Waiting], list[Report]]:
        """About FLUSH_AT reports, of whole requests."""
        reports: list[Report] = []
        number = 0
        for number, waiting in enumerate(self._waiting, 1):  # noqa: B007  (how many, used after the loop)
            reports += waiting.reports
            if len(reports) >= FLUSH_AT:
                break
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        self._count -= len(reports)
        if self._count < FLUSH_AT:
            self._enough.clear()
        return taken, reports

    def _flush(self, reports: list[Report]) -> Tally:
        try:
            return self._record(reports, timezone.now())
        except DatabaseError:
            connection.close()  # it may be broken; the next flush opens another
            raise

    def _note(self, tally: Tally) -> None:
        """Says once a minute what was dropped: no token, no address, numbers only."""
        self._dropped.add(tally)
        dropped = self._dropped
        if monotonic() - self._logged_at < _LOG_EVERY:
            return
        if dropped.forged or dropped.too_old or dropped.unknown_kind:
            log.info(
                "receipts: %s counted, %s repeated; dropped: %s forged, %s too old, %s of unknown kinds",
                dropped.counted, dropped.repeated, dropped.forged, dropped.too_old, dropped.unknown_kind,
            )  # fmt: skip
        self._dropped, self._logged_at = Tally(), monotonic()

    async def close(self) -> None:
        """Writes what waits, then ends the thread and its connection."""
        if self._flusher is not None:
            await self._flusher
        await asyncio.get_running_loop().run_in_executor(self._thread, _close_connection)
        self._thread.shutdown()


def _close_connection() -> None:
    """That of the thread that calls this."""
    connection.close()


def read_reports(body: Any) -> list[Report]:
    """The reports of a body; raises Problem 400 where it is not as api.md §2 has it."""
    if not isinstance(body, list) or len(body) > MAX_REPORTS:
        raise Problem("bad_request", f"Send an array of at most {MAX_REPORTS} reports.")
    reports = []
    for number, one in enumerate(body):
        if not isinstance(one, dict) or not isinstance(one.get("token"), str) or not isinstance(one.get("kind"), str):
            detail = "A report is an object with a token and a kind."
            raise Problem("bad_request", detail, errors=[(f"/{number}", "invalid_type", detail)])
        action = one.get("action")
        action = action if isinstance(action, str) else None
        reports.append(Report(one["token"], one["kind"], action, read_time(one.get("at"))))
    return reports


def read_time(value: Any) -> datetime | None:
    """A browser's time, ISO 8601 or milliseconds since 1970; None for what is neither: it is now then."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _settle(taken: Iterable[_Waiting], problem: Problem | None) -> None:
    for waiting in taken:
        if waiting.written.done():  # the client has gone
            continue
        if problem is None:
            waiting.written.set_result(None)
        else:
            waiting.written.set_exception(problem)


def _unavailable() -> Problem:
    return Problem("unavailable", headers={"Retry-After": str(RETRY_AFTER)})


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Problem("bad_request", "The request was broken off.")
        body += event.get("body", b"")
        if len(body) > MAX_BODY:
            raise Problem("body_too_large", f"The body is longer than {MAX_BODY:,} octets.")
        if not event.get("more_body"):
            return body


async def _answer(
    send: Send, status: int, request_id: str, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b""
) -> None:
    start = [*_CORS, (b"x-request-id", request_id.encode("latin-1")), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def _answer_problem(send: Send, problem: Problem, request_id: str) -> None:
    body = json.dumps(problem_body(problem, request_id)).encode()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()]
    headers += [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await _answer(send, problem.status, request_id, headers, body)
