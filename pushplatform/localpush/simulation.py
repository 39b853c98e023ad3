"""Simulated browsers at work: decrypt, show, report, as our service worker does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from pushplatform.localpush.behaviour import Reaction, react, receive_delay
from pushplatform.localpush.inbox import Entry, Inbox
from pushplatform.localpush.payload import Payload, read_payload
from pushplatform.localpush.reports import Report, Reporter, report_item
from pushplatform.localpush.statistics import Statistics
from pushplatform.localpush.subscriptions import Browser, Registry
from pushplatform.localpush.waiting import Message, Waiting
from pushplatform.webpush.encryption import DecryptionFailed, decrypt

MOST_QUEUED = 5000
_AT_ONCE = 10  # messages between two looks at the network, about 2 ms


class Simulation:
    """Takes messages for browsers that are online and works on them beside the answers, in order of arrival."""

    def __init__(
        self,
        registry: Registry,
        waiting: Waiting,
        inbox: Inbox,
        reporter: Reporter,
        statistics: Callable[[], Statistics],
    ) -> None:
        self._registry = registry
        self._waiting = waiting
        self._inbox = inbox
        self._reporter = reporter
        self._statistics = statistics
        self._ready: deque[Message] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._ready)

    async def room(self) -> None:
        """Wait while too much is queued: the sender is slowed down, nothing is lost."""
        await self._room.wait()

    def hand_over(self, message: Message) -> None:
        """Let the message's browser have it, after the delay of its behaviour."""
        message.carrier = self
        browser = message.subscription.browser
        delay = receive_delay(browser.behaviour, browser.seed, message.ordinal)
        if delay:
            self.peek(message)
            asyncio.get_running_loop().call_later(delay, self._queue, message)
        else:
            self._queue(message)

    def _queue(self, message: Message) -> None:
        self._ready.append(message)
        self._work.set()
        if len(self._ready) >= MOST_QUEUED:
            self._room.clear()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._work.wait()
            for _ in range(min(_AT_ONCE, len(self._ready))):
                self._receive(self._ready.popleft())
            if len(self._ready) < MOST_QUEUED:
                self._room.set()
            if not self._ready:
                self._work.clear()
            await asyncio.sleep(0)

    def _receive(self, message: Message) -> None:
        browser = message.subscription.browser
        if not browser.online:
            message.carrier = None
            return
        if not self._waiting.take(message):
            return
        payload = self._open(message, browser)
        if payload is None:
            self._statistics().decrypt_errors += 1
            self._conclude(message.entry, browser, "undecryptable")
            return
        if payload.message is not None:
            times = self._registry.remember(browser, payload.message)
            self._statistics().count_message(payload.message, times, time.time())
            if times > 1:
                self._conclude(message.entry, browser, "repeated")
                return
        self._react(message, browser, payload)

    def peek(self, message: Message) -> None:
        """Show in the inbox what a message says while its browser is away: nothing is counted, shown or reported."""
        self._open(message, message.subscription.browser)

    def _open(self, message: Message, browser: Browser) -> Payload | None:
        """The payload, also noted in the entry; None if it was not made for this browser."""
        entry = message.entry
        if entry.content is not None:
            return read_payload(entry.content.encode())
        if not message.body:
            plaintext = b""
        else:
            try:
                plaintext = decrypt(message.body, private_key=browser.private_key, auth=browser.auth)
            except DecryptionFailed as problem:
                entry.note = str(problem)
                return None
        payload = read_payload(plaintext)
        entry.content, entry.content_size = plaintext.decode(errors="replace"), len(plaintext)
        entry.title, entry.body, entry.message = payload.title, payload.body, payload.message
        entry.look, entry.token = payload.look, payload.token
        return payload

    def _react(self, message: Message, browser: Browser, payload: Payload) -> None:
        now = time.time()
        reaction = react(
            browser.behaviour,
            browser.seed,
            payload.message or message.entry.content or "",
            buttons=len(payload.actions),
            span=payload.span,
        )
        state = "shown" if reaction.shown else "received" if reaction.received else "not_received"
        self._conclude(message.entry, browser, state, now)
        if reaction.received:
            self._report(message.entry, browser, payload, reaction, now)

    def _report(self, entry: Entry, browser: Browser, payload: Payload, reaction: Reaction, now: float) -> None:
        url = browser.receipts_url
        if payload.token is not None and url is not None:
            items = [report_item(payload.token, "received", now)]
            if reaction.shown:
                items.append(report_item(payload.token, "shown", now))
            self._reporter.add(now + reaction.report_after, url, items)
        if reaction.answer is not None:
            action = payload.actions[reaction.action] if reaction.action is not None else None
            at = now + reaction.answer_after
            items = _answer_items(entry, reaction.answer, at, action)
            self._reporter.add(at, url, items, (reaction.answer, browser.id, entry.number))

    def answer_now(self, entry: Entry, browser: Browser, answer: str, action: str | None = None) -> None:
        """The person clicks ("clicked", on the button `action`) or closes ("closed") a notification that is shown."""
        now = time.time()
        self._conclude(entry, browser, answer, now)
        self._reporter.add(now, browser.receipts_url, _answer_items(entry, answer, now, action))

    def answer_due(self, report: Report) -> None:
        """The time of a planned answer has come: count it and show it in the inbox."""
        if report.answer is None:
            return
        answer, browser_id, number = report.answer
        self._statistics().outcomes[answer] += 1
        browser, entry = self._registry.browser(browser_id), self._inbox.get(number)
        if browser is not None:
            browser.count(answer)
            self._registry.changed(browser)
        if entry is not None:
            self._inbox.mark(entry, answer, report.due)

    def _conclude(self, entry: Entry, browser: Browser, state: str, at: float | None = None) -> None:
        self._inbox.mark(entry, state, at)
        self._statistics().outcomes[state] += 1
        browser.count(state)
        self._registry.changed(browser)


def _answer_items(entry: Entry, answer: str, at: float, action: str | None) -> list[dict[str, str]]:
    return [report_item(entry.token, answer, at, action)] if entry.token is not None else []
