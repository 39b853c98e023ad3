"""Push messages on their way: kept until delivered, expired, replaced by their Topic or cancelled."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pushplatform.localpush.inbox import Entry
from pushplatform.localpush.subscriptions import Subscription

MOST_PER_SUBSCRIPTION = 100  # what Chrome's push service keeps for one subscription
LONGEST_TTL = 30 * 86_400  # what Mozilla's push service grants; longer ones are shortened


@dataclass(slots=True)
class Message:
    """One push message. `encoding` holds the headers a browser needs to decrypt; times are Unix seconds.

    `carrier` is the connection it was handed to and that has not acknowledged it yet.
    """

    id: str
    subscription: Subscription
    body: bytes
    encoding: dict[str, str]
    topic: str | None
    ttl: int
    at: float
    entry: Entry
    ordinal: int = 0
    carrier: object | None = field(default=None, repr=False)

    @property
    def expires_at(self) -> float:
        return self.at + self.ttl

    def row(self) -> str:
        """The message as kept between two runs."""
        return json.dumps(
            {
                "id": self.id,
                "token": self.subscription.token,
                "body": base64.b64encode(self.body).decode(),
                "encoding": self.encoding,
                "topic": self.topic,
                "ttl": self.ttl,
                "at": self.at,
                "ordinal": self.ordinal,
                "entry": self.entry.facts(),
            }
        )

    @classmethod
    def from_row(cls, row: str, subscription: Subscription, entry: Entry) -> Message:
        stored = json.loads(row)
        return cls(
            id=stored["id"],
            subscription=subscription,
            body=base64.b64decode(stored["body"]),
            encoding=stored["encoding"],
            topic=stored["topic"],
            ttl=stored["ttl"],
            at=stored["at"],
            ordinal=stored["ordinal"],
            entry=entry,
        )


class Waiting:
    """All messages on their way; `changed` and `removed` are told what to keep between two runs."""

    def __init__(self, changed: Callable[[Message], None], removed: Callable[[Message], None]) -> None:
        self._changed = changed
        self._removed = removed
        self._all: dict[str, Message] = {}
        self._by_subscription: dict[str, dict[str, Message]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._all.values()))

    def get(self, message_id: str) -> Message | None:
        return self._all.get(message_id)

    def of(self, subscription: Subscription) -> list[Message]:
        """The messages for one subscription, oldest first."""
        return list(self._by_subscription.get(subscription.token, {}).values())

    def replaced_by_topic(self, subscription: Subscription, topic: str) -> Message | None:
        """The undelivered message that a newer one of this topic takes the place of (RFC 8030 §5.4)."""
        for message in self._by_subscription.get(subscription.token, {}).values():
            if message.topic == topic:
                return message
        return None

    def put(self, message: Message) -> Message | None:
        """Keep a message; returns the oldest one when there are too many for this subscription."""
        stack = self._by_subscription.setdefault(message.subscription.token, {})
        stack[message.id] = message
        self._all[message.id] = message
        self._changed(message)
        return next(iter(stack.values())) if len(stack) > MOST_PER_SUBSCRIPTION else None

    def take(self, message: Message) -> bool:
        """Forget a message; False if it was gone already."""
        if self._all.pop(message.id, None) is None:
            return False
        stack = self._by_subscription[message.subscription.token]
        del stack[message.id]
        if not stack:
            del self._by_subscription[message.subscription.token]
        self._removed(message)
        return True
