"""The counters that every page reads; they change in the transaction that inserts the facts, by what it inserted.

Rows are locked in one order everywhere, so that two transactions never deadlock: device_stats, message_total,
campaign_total, campaign_minute, breakdown (by dimension and value), site_day. Call this last in a transaction: many
writers share these rows.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from campaigns.models import Lane
from pushplatform.webpush.outcome import Outcome

SLOTS: Final = {Lane.CAMPAIGN: 4, Lane.TARGETED: 1}
"""Rows among which the writers of one figure are spread; a figure is their sum."""

OUTCOMES: Final = {
    Outcome.ACCEPTED: "accepted",
    Outcome.FAILED: "failed",
    Outcome.GONE: "gone",
    Outcome.EXPIRED: "expired",
    Outcome.SKIPPED: "skipped",
    Outcome.CANCELLED: "cancelled",
}
"""The column that counts an outcome. Their sum is what of `targeted` has come to an end."""

REPORTS: Final = ("received", "shown", "clicked", "closed", "converted")
DIMENSIONS: Final = ("browser", "os", "language", "service", "button")
MAX_VALUE: Final = 64

Counts = Mapping[str, int]
"""How much to add, by column."""

Breakdown = Mapping[tuple[str, str], Counts]
"""How much to add, by dimension and value."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Whose figures change; `campaign_id` None for a message that has no campaign."""

    message_id: int
    campaign_id: int | None
    site_id: int
    slot: int


def slot_of(lane: Any) -> int:
    """This process's slot for messages of a lane."""
    return os.getpid() % SLOTS[Lane(lane)]


def make_rows(cursor: Any, message_id: int, campaign_id: int | None, lane: Any) -> None:
    """Makes the rows of a new Message for all slots."""
    slots = list(range(SLOTS[Lane(lane)]))
    cursor.execute(
        "insert into message_total (message_id, slot) select %s, unnest(%s::smallint[])", [message_id, slots]
    )
    if campaign_id is not None:
        cursor.execute(
            "insert into campaign_total (campaign_id, slot) select %s, unnest(%s::smallint[]) on conflict do nothing",
            [campaign_id, slots],
        )


def add(
    cursor: Any, counter: Counter, at: datetime, counts: Counts, breakdown: Mapping[tuple[str, str], Counts]
) -> None:
    """Adds to every figure the facts count in; `breakdown` by dimension and value."""
    counts = {name: n for name, n in counts.items() if n}
    if not counts:
        return
    columns, numbers = tuple(counts), list(counts.values())
    cursor.execute(
        _upsert("message_total", ("message_id", "slot"), columns), [counter.message_id, counter.slot, *numbers]
    )
    if counter.campaign_id is not None:
        campaign, minute = counter.campaign_id, at.replace(second=0, microsecond=0)
        cursor.execute(_upsert("campaign_total", ("campaign_id", "slot"), columns), [campaign, counter.slot, *numbers])
        cursor.execute(
            _upsert("campaign_minute", ("campaign_id", "minute", "slot"), columns),
            [campaign, minute, counter.slot, *numbers],
        )
        _add_to_breakdown(cursor, campaign, columns, breakdown)
    cursor.execute(
        _upsert("site_day", ("site_id", "day"), columns), [counter.site_id, at.astimezone(UTC).date(), *numbers]
    )


def _add_to_breakdown(cursor: Any, campaign_id: int, columns: tuple[str, ...], breakdown: Breakdown) -> None:
    keys = sorted(breakdown)
    if keys:
        numbers = [[breakdown[key].get(column, 0) for key in keys] for column in columns]
        parameters = [campaign_id, [key[0] for key in keys], [key[1][:MAX_VALUE] for key in keys], *numbers]
        cursor.execute(_many_upsert(columns), parameters)


def sums(cursor: Any, table: str, key: str, number: int, columns: Iterable[str]) -> dict[str, int]:
    """The figures of one message or campaign over all its slots."""
    columns = list(columns)
    chosen = ", ".join(f"coalesce(sum({column}), 0)::bigint" for column in columns)
    cursor.execute(f"select {chosen} from {table} where {key} = %s", [number])
    return dict(zip(columns, cursor.fetchone(), strict=True))


@lru_cache(maxsize=256)
def _upsert(table: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    return (
        f"insert into {table} as x ({', '.join(keys + columns)}) values ({', '.join(['%s'] * len(keys + columns))})"
        f" on conflict ({', '.join(keys)}) do update set {_sums(columns)}"
    )


@lru_cache(maxsize=256)
def _many_upsert(columns: tuple[str, ...]) -> str:
    arrays = ", ".join(["%s::text[]", "%s::text[]", *["%s::bigint[]"] * len(columns)])
    return (
        f"insert into breakdown as x (campaign_id, dimension, value, {', '.join(columns)})"
        f" select %s, * from unnest({arrays})"
        f" on conflict (campaign_id, dimension, value) do update set {_sums(columns)}"
    )


def _sums(columns: tuple[str, ...]) -> str:
    return ", ".join(f"{column} = x.{column} + excluded.{column}" for column in columns)
