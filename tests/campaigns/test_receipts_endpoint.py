"""POST /push/v1/receipts: answered only when written, and never an error for what a browser cannot help."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError

from campaigns import receipts_endpoint
from campaigns.receipts import Report, Tally
from campaigns.receipts_endpoint import PATH, ReceiptsEndpoint, read_time
from tests.asgi_client import Answer, call

REPORT = {"token": "t", "kind": "shown", "at": "2026-01-31T12:00:00.000Z"}


class Ledger:
    """Stands where reports are written, in the endpoint's own thread: keeps them, waits or fails on command."""

    def __init__(self) -> None:
        self.flushes: list[list[Report]] = []
        self.error: Exception | None = None
        self.open = Event()
        self.open.set()

    def __call__(self, reports: list[Report], now: datetime) -> Tally:
        assert self.open.wait(10)
        if self.error is not None:
            raise self.error
        self.flushes.append(reports)
        return Tally(counted=len(reports))

    @property
    def reports(self) -> list[Report]:
        return [report for flush in self.flushes for report in flush]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def with_endpoint(ledger: Ledger, work: Callable[[ReceiptsEndpoint], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        endpoint = ReceiptsEndpoint(ledger)
        try:
            return await work(endpoint)
        finally:
            await endpoint.close()

    return asyncio.run(run())


def post(endpoint: ReceiptsEndpoint, body: Any, *, method: str = "POST", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {"content-type": "text/plain;charset=UTF-8"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return call(endpoint, method, PATH, [raw], names)


def answer_to(ledger: Ledger, body: Any, **values: str) -> Answer:
    return with_endpoint(ledger, lambda endpoint: post(endpoint, body, **values))


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", "application/json", "Application/JSON; x=y"])
def test_reports_are_written_and_answered_204(ledger: Ledger, content_type: str) -> None:
    answer = answer_to(ledger, [REPORT, {"token": "u", "kind": "clicked", "action": "buy"}], content_type=content_type)
    assert (answer.status, answer.body) == (204, b"")
    assert ledger.reports == [
        Report("t", "shown", None, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        Report("u", "clicked", "buy", None),
    ]


def test_any_page_may_report_and_read_when_to_come_back(ledger: Ledger) -> None:
    answer = answer_to(ledger, [REPORT])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    preflight = answer_to(ledger, b"", method="OPTIONS")
    assert preflight.status == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Content-Type" in preflight.headers["access-control-allow-headers"]


def test_nothing_is_answered_before_it_is_written(ledger: Ledger) -> None:
    async def work(endpoint: ReceiptsEndpoint) -> tuple[bool, int]:
        ledger.open.clear()
        asking = asyncio.create_task(post(endpoint, [REPORT]))
        await asyncio.sleep(0.1)
        early = asking.done()
        ledger.open.set()
        return early, (await asking).status

    assert with_endpoint(ledger, work) == (False, 204)


def test_reports_of_many_requests_are_written_together(ledger: Ledger) -> None:
    async def work(endpoint: ReceiptsEndpoint) -> list[Answer]:
        return list(await asyncio.gather(*(post(endpoint, [REPORT]) for _ in range(300))))

    assert {answer.status for answer in with_endpoint(ledger, work)} == {204}
    assert len(ledger.reports) == 300
    assert len(ledger.flushes) < 10


def test_more_than_one_flush_takes_is_still_answered(ledger: Ledger) -> None:
    async def work(endpoint: ReceiptsEndpoint) -> list[Answer]:
        return list(await asyncio.gather(*(post(endpoint, [REPORT] * 100) for _ in range(30))))

    assert {answer.status for answer in with_endpoint(ledger, work)} == {204}
    assert len(ledger.reports) == 3000
    assert max(map(len, ledger.flushes)) <= receipts_endpoint.FLUSH_AT


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[", 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        ({}, 400, "bad_request"),
        ([REPORT] * 101, 400, "bad_request"),
        ([1], 400, "bad_request"),
        ([{"token": "t"}], 400, "bad_request"),
        ([{"token": 5, "kind": "shown"}], 400, "bad_request"),
        (b"[" + b" " * 65_536 + b"]", 413, "body_too_large"),
    ],
)
def test_what_is_no_report_is_refused(ledger: Ledger, body: Any, status: int, code: str) -> None:
    answer = answer_to(ledger, body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert not ledger.reports


def test_other_methods_and_types_are_refused(ledger: Ledger) -> None:
    answer = answer_to(ledger, b"", method="GET")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer_to(ledger, [REPORT], content_type="image/png").status == 415


def test_no_reports_are_fine(ledger: Ledger) -> None:
    assert answer_to(ledger, []).status == 204
    assert not ledger.flushes


@pytest.mark.parametrize("error", [OperationalError("the database is gone"), RuntimeError("a fault of ours")])
def test_when_writing_fails_browsers_are_asked_to_come_back_and_the_next_ones_are_served(
    ledger: Ledger, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(endpoint: ReceiptsEndpoint) -> tuple[Answer, Answer]:
        ledger.error = error
        failed = await post(endpoint, [REPORT])
        ledger.error = None
        return failed, await post(endpoint, [REPORT])

    failed, served = with_endpoint(ledger, work)
    assert (failed.status, failed.json()["code"]) == (503, "unavailable")
    assert int(failed.headers["retry-after"]) > 0
    assert served.status == 204
    assert len(ledger.reports) == 1
    assert "could not be written" in caplog.text


def test_more_than_memory_should_hold_is_sent_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts_endpoint, "MAX_WAITING", 150)

    async def work(endpoint: ReceiptsEndpoint) -> list[int]:
        ledger.open.clear()
        first = asyncio.create_task(post(endpoint, [REPORT]))  # is being written while the others come
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(post(endpoint, [REPORT] * 100)) for _ in range(3)]
        await asyncio.sleep(0.1)
        ledger.open.set()
        return [(await one).status for one in [first, *others]]

    assert with_endpoint(ledger, work) == [204, 204, 503, 503]


def test_a_client_that_leaves_takes_nobody_with_it(ledger: Ledger) -> None:
    async def work(endpoint: ReceiptsEndpoint) -> Answer:
        await call(endpoint, "POST", PATH, [b'[{"tok'], {}, then_leave=True)
        ledger.open.clear()
        impatient = asyncio.create_task(post(endpoint, [REPORT]))
        await asyncio.sleep(0.05)
        impatient.cancel()
        patient = asyncio.create_task(post(endpoint, [REPORT]))
        await asyncio.sleep(0.05)
        ledger.open.set()
        return await patient

    assert with_endpoint(ledger, work).status == 204


def test_the_log_says_what_was_dropped_in_numbers_only(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(receipts_endpoint, "_LOG_EVERY", 0.0)
    caplog.set_level("INFO")

    async def work(endpoint: ReceiptsEndpoint) -> Answer:
        endpoint._record = lambda reports, now: Tally(counted=1, forged=2, too_old=3)
        return await post(endpoint, [REPORT])

    with_endpoint(ledger, work)
    assert "2 forged, 3 too old" in caplog.text


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T13:00:00+01:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (1769860800000, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("yesterday", None),
        (1e300, None),
        (None, None),
        ({}, None),
    ],
)
def test_a_browsers_time_is_read_or_ignored(value: Any, at: datetime | None) -> None:
    assert read_time(value) == at
