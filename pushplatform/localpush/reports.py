"""The reports of simulated browsers (received, shown, clicked, closed), posted as a service worker would."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pushplatform.localpush.inbox import moment
from pushplatform.localpush.statistics import Statistics

MOST_PER_POST = 100
MOST_KEPT = 200_000
_RETRY_AFTER = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further try
_LONGEST_RETRY_AFTER = 60.0
_TIMEOUT = 10.0
_GATHERING = 0.05  # seconds that reports wait for company
_CONNECTIONS = 4

_log = logging.getLogger("localpush")


@dataclass(order=True, slots=True)
class Report:
    """What one browser says about one message, sent in one POST once `due` (Unix seconds).

    `answer` is what the person did when the report is due ("clicked", "closed"), in which browser and inbox entry;
    None where there is nothing to note.
    """

    due: float
    sequence: int
    url: str | None = field(compare=False)
    items: list[dict[str, str]] = field(compare=False)
    answer: tuple[str, str, int] | None = field(default=None, compare=False)
    tries: int = field(default=0, compare=False)

    def row(self) -> str:
        return json.dumps(asdict(self))


def report_item(token: str, kind: str, at: float, action: str | None = None) -> dict[str, str]:
    """One member of the body that the receipts address expects."""
    item = {"token": token, "kind": kind, "at": moment(at)}
    if action is not None:
        item["action"] = action
    return item


class Reporter:
    """Holds reports until they are due and posts them, up to 100 together; `due` is told of each one's turn."""

    def __init__(self, statistics: Callable[[], Statistics], due: Callable[[Report], None]) -> None:
        self._statistics = statistics
        self._due = due
        self._agenda: list[Report] = []
        self._sequence = itertools.count()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._posting: dict[asyncio.Task[None], list[Report]] = {}

    def __len__(self) -> int:
        return len(self._agenda) + sum(map(len, self._posting.values()))

    def add(
        self, due: float, url: str | None, items: list[dict[str, str]], answer: tuple[str, str, int] | None = None
    ) -> None:
        """Plan a report; without `url` the answer is noted and nothing posted. Above MOST_KEPT it is dropped."""
        if len(self._agenda) >= MOST_KEPT:
            self._statistics().reports["dropped"] += 1
            return
        heapq.heappush(self._agenda, Report(due, next(self._sequence), url, items, answer))
        self._wake.set()

    def restore(self, row: str) -> None:
        stored: dict[str, Any] = json.loads(row)
        stored["sequence"] = next(self._sequence)
        stored["answer"] = tuple(stored["answer"]) if stored["answer"] else None
        heapq.heappush(self._agenda, Report(**stored))

    def outstanding(self) -> list[Report]:
        """Reports not yet answered for, to be kept over a restart; a repeated one is counted once by its reader."""
        return [*self._agenda, *itertools.chain.from_iterable(self._posting.values())]

    async def run(self) -> None:
        """Post what is due until cancelled."""
        while True:
            self._wake.clear()
            pause = self._agenda[0].due - time.time() if self._agenda else None
            if pause is None or pause > 0:
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                except TimeoutError:
                    await asyncio.sleep(0)
                continue
            await asyncio.sleep(_GATHERING)
            await self._post_due()

    async def close(self) -> None:
        """Give up the posts under way."""
        for task in list(self._posting):
            task.cancel()

    async def _post_due(self) -> None:
        now = time.time()
        by_url: defaultdict[str, list[Report]] = defaultdict(list)
        while self._agenda and self._agenda[0].due <= now:
            report = heapq.heappop(self._agenda)
            if report.tries == 0:
                self._due(report)
            if report.url is not None and report.items:
                by_url[report.url].append(report)
        for url, reports in by_url.items():
            for batch in _batches(reports):
                await self._slots.acquire()
                task = asyncio.create_task(self._post(url, batch))
                self._posting[task] = batch
                task.add_done_callback(self._posted)

    def _posted(self, task: asyncio.Task[None]) -> None:
        self._posting.pop(task, None)
        self._slots.release()

    async def _post(self, url: str, batch: list[Report]) -> None:
        body = json.dumps([item for report in batch for item in report.items], ensure_ascii=False).encode()
        status, wait = await _post(url, body)
        counters = self._statistics().reports
        if 200 <= status < 300:
            for report in batch:
                for item in report.items:
                    counters[item["kind"]] += 1
            counters["posts"] += 1
            return
        worth_it = status in (0, 408, 429) or status >= 500
        for report in batch:
            if worth_it and report.tries < len(_RETRY_AFTER):
                report.due = time.time() + (wait or _RETRY_AFTER[report.tries])
                report.tries += 1
                heapq.heappush(self._agenda, report)
                counters["retried"] += 1
            else:
                counters["failed"] += 1
                _log.warning("a receipts address refused a report: %s", status or "no answer")
        self._wake.set()


def _batches(reports: list[Report]) -> list[list[Report]]:
    """Reports in posts of at most MOST_PER_POST items; what one browser says at once stays together."""
    batches: list[list[Report]] = []
    room = 0
    for report in reports:
        if len(report.items) > room:
            batches.append([])
            room = MOST_PER_POST
        batches[-1].append(report)
        room -= len(report.items)
    return batches


async def _post(url: str, body: bytes) -> tuple[int, float | None]:
    """POST once; status (0: no answer) and the seconds of Retry-After, if any."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await _exchange(url, body)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return 0, None


async def _exchange(url: str, body: bytes) -> tuple[int, float | None]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port or (443 if secure else 80), ssl=True if secure else None
    )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: localpush\r\n"
            f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii") + body)
        await writer.drain()
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()
    lines = answer.split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    wait = headers.get("retry-after", "")
    return int(lines[0].split()[1]), min(float(wait), _LONGEST_RETRY_AFTER) if wait.isdigit() else None
