"""The push service as a whole: its parts wired together, brought back from disk and shut down."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from pushplatform.localpush.authorization import Doorkeeper
from pushplatform.localpush.delivery import Delivery
from pushplatform.localpush.faults import Fault, Faults
from pushplatform.localpush.inbox import Entry, Inbox
from pushplatform.localpush.journal import Journal
from pushplatform.localpush.reports import Reporter
from pushplatform.localpush.simulation import Simulation
from pushplatform.localpush.statistics import Statistics
from pushplatform.localpush.subscriptions import Browser, Registry, Subscription
from pushplatform.localpush.waiting import Message, Waiting

_log = logging.getLogger("localpush")


class LocalPush:
    """One push service. `base` is its public address without a slash at the end, `origins` all names it goes by."""

    def __init__(self, base: str, origins: tuple[str, ...], *, state_dir: Path | None, keep: int) -> None:
        """`keep`: entries of the inbox. Raises StateUnusable."""
        self.base = base
        self.stopping = asyncio.Event()
        self.journal = Journal(state_dir)
        self.statistics = Statistics()
        self.faults = Faults()
        self.doorkeeper = Doorkeeper(origins)
        self.registry = Registry(base, self._keep_registered, self._forget_browser, self._keep_seen)
        self.inbox = Inbox(keep, self._keep_entry, lambda number: self.journal.drop("inbox", str(number)))
        self.waiting = Waiting(
            lambda message: self.journal.put("waiting", message.id, message.row),
            lambda message: self.journal.drop("waiting", message.id, put_once=True),
        )
        self.reporter = Reporter(lambda: self.statistics, lambda report: self.simulation.answer_due(report))
        self.simulation = Simulation(self.registry, self.waiting, self.inbox, self.reporter, lambda: self.statistics)
        self.delivery = Delivery(self.registry, self.waiting, self.inbox, self.simulation, lambda: self.statistics)
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring back what an earlier run kept and begin to work."""
        self._restore()
        self._writing = self._begin(self.journal.run())
        for work in (self.simulation.run(), self.reporter.run(), self.delivery.run()):
            self._tasks.append(self._begin(work))
        for browser in self.registry:
            if browser.kind == "simulated" and browser.online:
                self.delivery.come_online(browser)

    async def stop(self) -> None:
        """End all work and keep everything."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.keep_statistics()
        for number, report in enumerate(self.reporter.outstanding()):
            self.journal.put("reports", str(number), report.row)
        await self.reporter.close()
        # Cancelled only now: a write cut short would lose what it had taken.
        await self.journal.close()
        if self._writing is not None:
            self._writing.cancel()

    async def unless_stopping(self, seconds: float) -> None:
        """Sleep, but not longer than the service runs."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def keep_fault(self, fault: Fault) -> None:
        """Keep a fault over restarts, or forget it when it is used up."""
        if any(each.id == fault.id for each in self.faults):
            self.journal.put("faults", str(fault.id), fault.row)
        else:
            self.journal.drop("faults", str(fault.id))

    def reset_statistics(self) -> None:
        self.statistics = Statistics()
        self.keep_statistics()

    def keep_statistics(self) -> None:
        self.journal.put("counters", "statistics", self._statistics_row)

    def _statistics_row(self) -> str:
        return self.statistics.row()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._work_ended)
        return task

    def _work_ended(self, task: asyncio.Task[None]) -> None:
        # Half a push service answers 201 and delivers nothing: better to fall over loudly.
        if not task.cancelled() and task.exception() is not None:
            _log.error("localpush stops: a part of it failed", exc_info=task.exception())
            self.stopping.set()

    def _keep_registered(self, item: Browser | Subscription) -> None:
        if isinstance(item, Browser):
            self.journal.put("browsers", item.id, item.row)
        else:
            self.journal.put("subscriptions", item.token, item.row)

    def _forget_browser(self, browser: Browser) -> None:
        self.journal.drop("browsers", browser.id)
        for message in browser.seen:
            self.journal.drop("seen", f"{browser.id} {message}")

    def _keep_entry(self, entry: Entry) -> None:
        self.journal.put("inbox", str(entry.number), partial(_entry_row, entry))
        self.journal.put("counters", "inbox", self.inbox.row)

    def _keep_seen(self, browser: Browser, message: str, times: int | None) -> None:
        key = f"{browser.id} {message}"
        if times is None:
            self.journal.drop("seen", key)
        else:
            self.journal.put("seen", key, partial(str, times))

    def _restore(self) -> None:
        for _, row in self.journal.rows("browsers"):
            self.registry.restore(Browser.from_row(row))
        for _, row in self.journal.rows("subscriptions"):
            self.registry.restore_subscription(row)
        for key, times in self.journal.rows("seen"):
            browser_id, _, message = key.partition(" ")
            browser = self.registry.browser(browser_id)
            if browser is not None:
                browser.seen[message] = int(times)
        for _, row in self.journal.rows("faults"):
            self.faults.add(Fault(**json.loads(row)))
        for key, row in self.journal.rows("reports"):
            self.reporter.restore(row)
            self.journal.drop("reports", key)
        counters = dict(self.journal.rows("counters"))
        if "statistics" in counters:
            self.statistics = Statistics.from_row(counters["statistics"])
        next_number, revision = json.loads(counters.get("inbox", "[1, 0]"))
        entries = [Entry.from_facts(json.loads(row)) for _, row in self.journal.rows("inbox")]
        entries.sort(key=lambda entry: entry.number)
        self.inbox.restore(entries, next_number, revision)
        self._restore_waiting()

    def _restore_waiting(self) -> None:
        now = time.time()
        for key, row in self.journal.rows("waiting"):
            stored = json.loads(row)
            subscription = self.registry.by_token(stored["token"])
            entry = self.inbox.get(stored["entry"]["number"]) or Entry.from_facts(stored["entry"])
            if subscription is None or not subscription.alive:
                self.journal.drop("waiting", key)
                continue
            message = Message.from_row(row, subscription, entry)
            self.waiting.put(message)
            if entry.state == "sent":
                self.inbox.mark(entry, "waiting", now)


def _entry_row(entry: Entry) -> str:
    return json.dumps(entry.facts(), ensure_ascii=False)
