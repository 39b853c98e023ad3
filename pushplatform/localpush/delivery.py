"""From accepted to the browser: stored, handed over, replaced, expired, cancelled."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pushplatform.localpush.inbox import Entry, Inbox, moment
from pushplatform.localpush.parsing import shortened
from pushplatform.localpush.simulation import Simulation
from pushplatform.localpush.statistics import Statistics
from pushplatform.localpush.subscriptions import Browser, Carrier, Registry, Subscription
from pushplatform.localpush.waiting import LONGEST_TTL, Message, Waiting
from pushplatform.webpush.vapid import VapidClaims

_SECONDS_BETWEEN_SWEEPS = 1.0


@dataclass(frozen=True, slots=True)
class Push:
    """What a sender asks for. `encoding` is what the browser needs beside the body to decrypt it."""

    ttl: int
    urgency: str
    topic: str | None
    encoding: dict[str, str]


class Delivery:
    """Every message between its 201 and its end."""

    def __init__(
        self,
        registry: Registry,
        waiting: Waiting,
        inbox: Inbox,
        simulation: Simulation,
        statistics: Callable[[], Statistics],
    ) -> None:
        self._registry = registry
        self._waiting = waiting
        self._inbox = inbox
        self._simulation = simulation
        self._statistics = statistics

    def count(self, browser: Browser) -> str:
        """Accept a push for a browser that only counts; an id for its Location."""
        browser.posts += 1
        self._registry.changed(browser)
        self._statistics().outcomes["counted"] += 1
        return secrets.token_urlsafe(16)

    def accept(
        self,
        subscription: Subscription,
        push: Push,
        body: bytes,
        headers: Mapping[str, str],
        claims: VapidClaims | None,
        now: float,
    ) -> Message:
        """Take a checked push: it replaces an older one of its Topic, is stored, and handed over if it can be."""
        self._make_room_for(push, subscription)
        browser = subscription.browser
        browser.posts += 1
        self._registry.changed(browser)
        ttl = min(push.ttl, LONGEST_TTL)
        message = Message(
            id=secrets.token_urlsafe(16),
            subscription=subscription,
            body=body,
            encoding=push.encoding,
            topic=push.topic,
            ttl=ttl,
            at=now,
            entry=self._enter(subscription, push, ttl, len(body), headers, claims, now),
            ordinal=browser.posts,
        )
        if browser.kind == "simulated" and not browser.online:
            self._simulation.peek(message)
        if ttl == 0 and not browser.online:
            self._conclude(message, "dropped")
            return message
        too_many = self._waiting.put(message)
        if too_many is not None:
            self.end(too_many, "dropped")
        self.hand_over(message)
        return message

    def _make_room_for(self, push: Push, subscription: Subscription) -> None:
        older = self._waiting.replaced_by_topic(subscription, push.topic) if push.topic is not None else None
        if older is not None:
            self.end(older, "replaced")

    def _enter(
        self,
        subscription: Subscription,
        push: Push,
        ttl: int,
        size: int,
        headers: Mapping[str, str],
        claims: VapidClaims | None,
        now: float,
    ) -> Entry:
        return self._inbox.add(
            at=now,
            label=subscription.browser.label,
            browser=subscription.browser.id,
            kind=subscription.browser.kind,
            subscription=shortened(subscription.token),
            size=size,
            ttl=ttl,
            urgency=push.urgency,
            topic=push.topic,
            headers=_shown_headers(headers),
            sender=_sender(claims),
        )

    def hand_over(self, message: Message) -> None:
        """Give a stored message to its browser if that is there and the message is not under way already."""
        browser = message.subscription.browser
        if message.carrier is not None or not browser.online:
            return
        if browser.connection is None:
            self._simulation.hand_over(message)
            return
        message.carrier = browser.connection
        self._inbox.mark(message.entry, "sent")
        browser.connection.carry(message.id, message.subscription.channel, message.body, message.encoding)

    def come_online(self, browser: Browser) -> None:
        """Hand over what waited for a browser, oldest first."""
        now = time.time()
        for subscription in list(browser.subscriptions.values()):
            for message in self._waiting.of(subscription):
                if message.expires_at < now:
                    self.end(message, "expired")
                else:
                    self.hand_over(message)

    def connection_lost(self, browser: Browser, carrier: Carrier) -> None:
        """What a connection took and did not acknowledge waits for the next one."""
        for subscription in browser.subscriptions.values():
            for message in self._waiting.of(subscription):
                if message.carrier is carrier:
                    message.carrier = None
                    self._inbox.mark(message.entry, "waiting")

    def acknowledged(self, message: Message, state: str, note: str | None) -> None:
        """A real browser said what became of a message."""
        message.entry.note = note
        message.subscription.browser.count(state)
        self._registry.changed(message.subscription.browser)
        self.end(message, state)

    def end(self, message: Message, state: str) -> None:
        """Forget a message that ends in `state`."""
        if self._waiting.take(message):
            self._conclude(message, state)

    def end_all(self, subscription: Subscription) -> None:
        """Forget what waits for a subscription that ended."""
        for message in self._waiting.of(subscription):
            self.end(message, "dropped")

    def cancel(self, message_id: str) -> bool:
        """The sender deletes a message that is not delivered yet; False if there is none (RFC 8030 §6.2)."""
        message = self._waiting.get(message_id)
        if message is None:
            return False
        self.end(message, "cancelled")
        return True

    async def run(self) -> None:
        """End what outlived its TTL, until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_SWEEPS)
            now = time.time()
            for message in self._waiting:
                if message.carrier is None and message.expires_at < now:
                    self.end(message, "expired")

    def _conclude(self, message: Message, state: str) -> None:
        self._inbox.mark(message.entry, state)
        self._statistics().outcomes[state] += 1


def _shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The request's headers as the inbox keeps them: the token in Authorization is a secret for half a day."""
    shown = dict(headers)
    if "authorization" in shown:
        scheme, _, rest = shown["authorization"].partition(" ")
        parts = [part.strip() for part in rest.split(",")]
        shown["authorization"] = scheme + " " + ", ".join(shortened(part, 12) for part in parts)
    return shown


def _sender(claims: VapidClaims | None) -> dict[str, Any] | None:
    if claims is None:
        return None
    return {"audience": claims.audience, "expires": moment(claims.expires), "subject": claims.subject}
