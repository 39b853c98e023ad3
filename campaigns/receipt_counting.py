"""Counters and device statistics of receipts of many Messages, by what was really inserted.

Rows are locked in the order that `counting` keeps, table by table and each in the order of its keys; device_stats
comes first.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.db import connection

from campaigns.counting import MAX_VALUE, slot_of
from campaigns.models import Lane, ReceiptKind
from pushplatform.webpush.request import PushService
from subscribers.models import Device, Purpose

RECEIVED, SHOWN, CLICKED, CLOSED, _CONVERTED = ReceiptKind.values
_COLUMNS: Final[dict[int, str]] = {RECEIVED: "received", SHOWN: "shown", CLICKED: "clicked", CLOSED: "closed"}
_OF_DEVICES: Final = (RECEIVED, SHOWN, CLICKED, CLOSED)


class Fact(NamedTuple):
    """A receipt as it is stored. `action`: the button, of a click."""

    message_id: int
    device_ref: int
    kind: int
    at: datetime
    action: str | None
    implied: bool


class Moved(NamedTuple):
    """A receipt whose time was implied, and is known now."""

    device_ref: int
    kind: int
    before: datetime
    after: datetime


class MessageFacts(NamedTuple):
    """What counting needs to know of a Message. `actions`: the names of its buttons."""

    site_id: int
    campaign_id: int | None
    measures_everyone: bool
    actions: frozenset[str]


class _Device(NamedTuple):
    allowed: int
    dimensions: tuple[tuple[str, str], ...]
    """Name and value of what a campaign's figures are broken down by."""


Key = tuple[Any, ...]
Counts = dict[Key, Counter[int]]


def count(written: Sequence[Fact], messages: Mapping[int, MessageFacts], now: datetime) -> None:
    """Adds these receipts to all counters; in the transaction that inserted them."""
    if not written:
        return
    totals: Counts = defaultdict(Counter)
    campaigns: Counts = defaultdict(Counter)
    minutes: Counts = defaultdict(Counter)
    breakdown: Counts = defaultdict(Counter)
    days: Counts = defaultdict(Counter)
    today = now.astimezone(UTC).date()
    slot, only_slot = slot_of(Lane.CAMPAIGN), slot_of(Lane.TARGETED)
    devices = _devices({fact.device_ref for fact in written if fact.device_ref > 0})
    for fact in written:
        message, kind = messages[fact.message_id], fact.kind
        days[message.site_id, today][kind] += 1
        if (campaign_id := message.campaign_id) is None:
            totals[fact.message_id, only_slot][kind] += 1
            continue
        totals[fact.message_id, slot][kind] += 1
        campaigns[campaign_id, slot][kind] += 1
        minutes[campaign_id, fact.at.replace(second=0, microsecond=0), slot][kind] += 1
        if kind == CLICKED:
            breakdown[campaign_id, "button", fact.action or ""][kind] += 1
        if (device := devices.get(fact.device_ref)) is not None:
            for dimension, value in device.dimensions:
                breakdown[campaign_id, dimension, value][kind] += 1
    with connection.cursor() as cursor:
        if stats := _of_measured(written, messages, devices):
            cursor.execute(_DEVICE_STATS, stats)
        _add(cursor, "message_total", {"message_id": "bigint", "slot": "int"}, totals)
        _add(cursor, "campaign_total", {"campaign_id": "bigint", "slot": "int"}, campaigns)
        _add(cursor, "campaign_minute", {"campaign_id": "bigint", "minute": "timestamptz", "slot": "int"}, minutes)
        _add(cursor, "breakdown", {"campaign_id": "bigint", "dimension": "text", "value": "text"}, breakdown)
        _add(cursor, "site_day", {"site_id": "bigint", "day": "date"}, days)


def _devices(ids: set[int]) -> dict[int, _Device]:
    """The devices that are known; a pseudonym has none."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        # A join with the inserted rows would read all devices: the planner cannot know how few they are.
        cursor.execute(
            "select id, allowed, browser, os, language, service from device where id = any(%s) and status <> %s",
            [sorted(ids), Device.Status.ERASED],
        )
        return {id_: _Device(allowed, _dimensions(*values)) for id_, allowed, *values in cursor.fetchall()}


@lru_cache(maxsize=4096)
def _dimensions(browser: str, os: str, language: str, service: int) -> tuple[tuple[str, str], ...]:
    return (
        ("browser", browser[:MAX_VALUE]),
        ("os", os[:MAX_VALUE]),
        ("language", language[:MAX_VALUE]),
        ("service", PushService(service).name.lower()),
    )


def _key(item: tuple[Key, Counter[int]]) -> Key:
    return item[0]


def _add(cursor: Any, table: str, key: Mapping[str, str], counts: Counts) -> None:
    if not counts:
        return
    keys = ", ".join(key)
    figures = tuple(_COLUMNS.values())
    arrays = ", ".join([*(f"%s::{type_}[]" for type_ in key.values()), *("%s::bigint[]" for _ in figures)])
    added = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in figures)
    rows = [(*one, *(found[kind] for kind in _COLUMNS)) for one, found in sorted(counts.items(), key=_key)]
    cursor.execute(
        f"insert into {table} as t ({keys}, {', '.join(figures)}) select * from unnest({arrays})"
        f" on conflict ({keys}) do update set {added}",
        [list(column) for column in zip(*rows, strict=True)],
    )


def _of_measured(
    written: Sequence[Fact], messages: Mapping[int, MessageFacts], devices: Mapping[int, _Device]
) -> list[list[int]]:
    """Device, kind and Unix seconds of what counts for device_stats: only of devices that may be measured now."""
    bit = 1 << Purpose.MEASUREMENT
    rows = [
        (fact.device_ref, fact.kind, int(fact.at.timestamp()))
        for fact in written
        if fact.kind in _OF_DEVICES
        and (device := devices.get(fact.device_ref)) is not None
        and (device.allowed & bit or messages[fact.message_id].measures_everyone)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def move(moved: Sequence[Moved], others: set[int]) -> list[datetime]:
    """Moves times that were implied in the statistics of their devices; the time that each receipt shall have.

    That is no earlier than the tenth newest where more than ten are counted: nobody knows any more what stood behind.
    `others`: devices to be counted in the same transaction, which are locked here too, to keep the order of locks.
    """
    pairs = [(kind, _COLUMNS[kind]) for kind in sorted({one.kind for one in moved})]
    columns = ", ".join(f"{name}, recent_{name}" for _, name in pairs)
    ids = sorted(id_ for id_ in others | {one.device_ref for one in moved} if id_ > 0)
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"select device_id, {columns} from device_stats where device_id = any(%s) order by device_id for update",
            [ids],
        )
        for id_, *values in cursor.fetchall():
            found |= {(id_, kind): (values[2 * place], values[2 * place + 1]) for place, (kind, _) in enumerate(pairs)}
        times = [_moved(one, *found.get((one.device_ref, one.kind), (0, []))) for one in moved]
        for device_ref, kind in sorted({one[:2] for one in moved} & found.keys()):
            name, (_, recent) = _COLUMNS[kind], found[device_ref, kind]
            cursor.execute(
                f"update device_stats set recent_{name} = %s, last_{name}_at = to_timestamp(%s) where device_id = %s",
                [recent, recent[0] if recent else None, device_ref],
            )
    return times


def _moved(one: Moved, counted: int, recent: list[int]) -> datetime:
    """The time that it gets; `recent` is changed to it. Who is not measured has no such time there."""
    before = int(one.before.timestamp())
    if before not in recent:
        return one.after
    oldest = datetime.fromtimestamp(recent[-1], UTC)
    after = max(one.after, oldest) if counted > len(recent) else one.after
    recent.remove(before)
    recent.append(int(after.timestamp()))
    recent.sort(reverse=True)
    return after


def _device_stats_statement() -> str:
    names = [(kind, _COLUMNS[kind]) for kind in _OF_DEVICES]
    aggregated = ", ".join(
        f"count(*) filter (where k = {kind}) {name}, to_timestamp(max(t) filter (where k = {kind})) last_{name}_at,"
        f" coalesce((array_agg(t order by t desc) filter (where k = {kind}))[1:10], '{{}}') recent_{name}"
        for kind, name in names
    )
    columns = ", ".join(f"{name}, last_{name}_at, recent_{name}" for _, name in names)
    updates = ", ".join(
        f"{name} = s.{name} + excluded.{name},"
        f" last_{name}_at = greatest(s.last_{name}_at, excluded.last_{name}_at),"
        f" recent_{name} = case when excluded.{name} = 0 then s.recent_{name}"
        f" when excluded.recent_{name}[excluded.{name}] >= coalesce(s.recent_{name}[1], 0)"
        f" then (excluded.recent_{name} || s.recent_{name})[1:10]"
        # A late report: the newest ten are put in order again.
        f" else array(select t from unnest(s.recent_{name} || excluded.recent_{name}) t order by t desc limit 10) end"
        for _, name in names
    )
    return (
        f"insert into device_stats as s (device_id, {columns}, sent, recent_sent)"
        f" select d, {columns}, 0, '{{}}' from (select d, {aggregated}"
        " from unnest(%s::bigint[], %s::smallint[], %s::int[]) x(d, k, t) group by d order by d) n order by d"
        f" on conflict (device_id) do update set {updates}"
    )


_DEVICE_STATS: Final = _device_stats_statement()
