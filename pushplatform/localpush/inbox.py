"""What arrived, newest last, bounded: one entry per accepted push, with what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STATES = (
    "waiting",  # stored until the browser comes back
    "sent",  # handed to a real browser, which has not acknowledged it yet
    "delivered",  # a real browser took it
    "received",  # a simulated browser got it and showed nothing
    "shown",
    "clicked",
    "closed",
    "repeated",  # the same message once more: no second alert, no second report
    "not_received",  # the behaviour says that this push never reaches the browser
    "undecryptable",
    "not_delivered",  # a real browser took it and raised no event
    "replaced",  # by a newer push of the same Topic
    "expired",
    "dropped",  # TTL 0 and the browser away, or too many waiting
    "cancelled",  # by the sender
)


def moment(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Entry:
    """One accepted push. `content` is the decrypted text, None where only a real browser can read it."""

    number: int
    at: float
    label: str
    browser: str
    kind: str
    subscription: str
    size: int
    ttl: int
    urgency: str
    topic: str | None
    headers: dict[str, str]
    sender: dict[str, Any] | None
    state: str = "waiting"
    history: list[tuple[str, float]] = field(default_factory=list)
    revision: int = 0
    message: str | None = None
    title: str | None = None
    body: str | None = None
    look: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    content: str | None = None
    content_size: int | None = None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        payload: Any = None
        if self.content is not None:
            try:
                payload = json.loads(self.content)
            except ValueError:
                payload = self.content
        return {
            "id": self.number,
            "revision": self.revision,
            "at": moment(self.at),
            "label": self.label,
            "browser": self.browser,
            "kind": self.kind,
            "state": self.state,
            "history": [{"state": state, "at": moment(at)} for state, at in self.history],
            "message": self.message,
            "title": self.title,
            "body": self.body,
            "look": self.look,
            "size": self.size,
            "payload_size": self.content_size,
            "ttl": self.ttl,
            "urgency": self.urgency,
            "topic": self.topic,
            "subscription": self.subscription,
            "headers": self.headers,
            "sender": self.sender,
            "payload": payload,
            "note": self.note,
        }

    def facts(self) -> dict[str, Any]:
        """The entry as kept between two runs."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Entry:
        entry = cls(**facts)
        entry.history = [(state, at) for state, at in entry.history]
        return entry


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to list; None means any. `since` is Unix seconds, `after` a revision seen before."""

    label: str | None = None
    message: str | None = None
    browser: str | None = None
    kind: str | None = None
    state: str | None = None
    text: str | None = None
    since: float | None = None
    after: int | None = None

    def takes(self, entry: Entry) -> bool:
        return (
            (self.label is None or entry.label == self.label)
            and (self.message is None or entry.message == self.message)
            and (self.browser is None or entry.browser == self.browser)
            and (self.kind is None or entry.kind == self.kind)
            and (self.state is None or entry.state == self.state)
            and (self.since is None or entry.at >= self.since)
            and (self.after is None or entry.revision > self.after)
            and (self.text is None or self._in_words_of(entry))
        )

    def _in_words_of(self, entry: Entry) -> bool:
        words = (entry.label, entry.title, entry.body, entry.message)
        return any(self.text in word.casefold() for word in words if word)  # type: ignore[operator]


class Inbox:
    """The newest `keep` entries; `changed` and `removed` are told what to keep between two runs."""

    def __init__(self, keep: int, changed: Callable[[Entry], None], removed: Callable[[int], None]) -> None:
        self._keep = keep
        self._changed = changed
        self._removed = removed
        self._entries: dict[int, Entry] = {}
        self._next = 1
        self.revision = 0
        self.cleared = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def restore(self, entries: list[Entry], next_number: int, revision: int) -> None:
        self._entries = {entry.number: entry for entry in entries[-self._keep :]}
        for entry in entries[: -self._keep]:
            self._removed(entry.number)
        self._next = max([next_number, *(number + 1 for number in self._entries)])
        self.revision = max([revision, *(entry.revision for entry in self._entries.values())])

    def row(self) -> str:
        """Where numbers and revisions stand, as kept between two runs: pages that are open count on."""
        return json.dumps([self._next, self.revision])

    def add(self, **facts: Any) -> Entry:
        entry = Entry(number=self._next, **facts)
        self._next += 1
        self._entries[entry.number] = entry
        self.mark(entry, entry.state, entry.at)
        while len(self._entries) > self._keep:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._removed(oldest)
        return entry

    def get(self, number: int) -> Entry | None:
        return self._entries.get(number)

    def mark(self, entry: Entry, state: str, at: float | None = None) -> None:
        """Note what became of an entry; entries already dropped from the list stay dropped."""
        entry.state = state
        entry.history.append((state, time.time() if at is None else at))
        self.revision += 1
        entry.revision = self.revision
        if entry.number in self._entries:
            self._changed(entry)

    def listed(self, wanted: Filter, limit: int) -> list[Entry]:
        """At most `limit` entries that pass the filter, newest first."""
        found: list[Entry] = []
        for entry in reversed(self._entries.values()):
            if wanted.takes(entry):
                found.append(entry)
                if len(found) >= limit:
                    break
        return found

    def clear(self) -> int:
        count = len(self._entries)
        for number in self._entries:
            self._removed(number)
        self._entries.clear()
        self.revision += 1
        self.cleared = self.revision
        return count
