"""Counting what happened, so that a test can ask: how many POSTs, how many doubled, which answers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pushplatform.localpush.inbox import moment

_MESSAGES_KEPT = 1000


@dataclass(slots=True)
class MessageCount:
    """One message id over all simulated browsers; doubled = posts − browsers."""

    posts: int = 0
    browsers: int = 0
    first_at: float = 0.0
    last_at: float = 0.0


@dataclass(slots=True)
class Statistics:
    """Counters since the last reset; kept over restarts.

    posts: push requests of any kind; statuses: their answers ("reset" and the like where there was none); outcomes:
    what became of accepted messages; doubled_posts: accepted ones whose (browser, message id) had come before.
    """

    posts: int = 0
    doubled_posts: int = 0
    decrypt_errors: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    reports: Counter[str] = field(default_factory=Counter)
    messages: dict[str, MessageCount] = field(default_factory=dict)

    def count_message(self, message: str, times: int, at: float) -> None:
        """One accepted post of a message id, which is its browser's `times`-th."""
        known = self.messages.get(message)
        if known is None:
            known = self.messages[message] = MessageCount(first_at=at)
            if len(self.messages) > _MESSAGES_KEPT:
                del self.messages[next(iter(self.messages))]
        known.posts += 1
        known.last_at = at
        if times == 1:
            known.browsers += 1
        else:
            self.doubled_posts += 1

    def as_json(self, messages: int) -> dict[str, Any]:
        return {
            "posts": self.posts,
            "accepted": self.statuses["201"],
            "statuses": dict(sorted(self.statuses.items())),
            "doubled_posts": self.doubled_posts,
            "decrypt_errors": self.decrypt_errors,
            "faults": dict(self.faults),
            "outcomes": dict(self.outcomes),
            "reports": dict(self.reports),
            "messages": [
                {
                    "message": message,
                    "posts": count.posts,
                    "browsers": count.browsers,
                    "doubled": count.posts - count.browsers,
                    "first_at": moment(count.first_at),
                    "last_at": moment(count.last_at),
                }
                for message, count in islice(reversed(self.messages.items()), messages)
            ],
        }

    def row(self) -> str:
        """The counters as kept between two runs."""
        return json.dumps(
            {
                "posts": self.posts,
                "doubled_posts": self.doubled_posts,
                "decrypt_errors": self.decrypt_errors,
                "statuses": self.statuses,
                "faults": self.faults,
                "outcomes": self.outcomes,
                "reports": self.reports,
                "messages": {
                    message: [count.posts, count.browsers, count.first_at, count.last_at]
                    for message, count in self.messages.items()
                },
            }
        )

    @classmethod
    def from_row(cls, row: str) -> Statistics:
        stored = json.loads(row)
        for name in ("statuses", "faults", "outcomes", "reports"):
            stored[name] = Counter(stored[name])
        stored["messages"] = {message: MessageCount(*count) for message, count in stored["messages"].items()}
        return cls(**stored)
