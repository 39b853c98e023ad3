"""Counters and device statistics of receipts of many Messages, by what was really inserted.

Rows are locked in the order that `counting` keeps, table by table and each in the order of its keys; device_stats
comes first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from django.db import connection

from campaigns.counting import MAX_VALUE, slot_of
from campaigns.models import Lane, ReceiptKind
from pushplatform.webpush.request import PushService
from subscribers.models import Purpose

RECEIVED, SHOWN, CLICKED, CLOSED, _CONVERTED = ReceiptKind.values
_COLUMNS: Final[dict[int, str]] = {RECEIVED: "received", SHOWN: "shown", CLICKED: "clicked", CLOSED: "closed"}
_OF_DEVICES: Final = (RECEIVED, SHOWN, CLICKED)


class Written(NamedTuple):
    """A receipt that was inserted, with its device where it is known (else the last five are None)."""

    message_id: int
    device_ref: int
    kind: int
    at: datetime
    action: str | None
    implied: bool
    allowed: int | None
    browser: str | None
    os: str | None
    language: str | None
    service: int | None


class OfMessage(Protocol):
    @property
    def site_id(self) -> int: ...
    @property
    def campaign_id(self) -> int | None: ...
    @property
    def measures_everyone(self) -> bool: ...


Key = tuple[Any, ...]
Counts = dict[Key, Counter[int]]


def count(written: Sequence[Written], messages: Mapping[int, OfMessage], now: datetime) -> None:
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
    for row in written:
        message, kind = messages[row.message_id], row.kind
        days[message.site_id, today][kind] += 1
        if (campaign_id := message.campaign_id) is None:
            totals[row.message_id, only_slot][kind] += 1
            continue
        totals[row.message_id, slot][kind] += 1
        campaigns[campaign_id, slot][kind] += 1
        minutes[campaign_id, row.at.replace(second=0, microsecond=0), slot][kind] += 1
        for dimension, value in _dimensions(row):
            breakdown[campaign_id, dimension, value[:MAX_VALUE]][kind] += 1
    with connection.cursor() as cursor:
        if stats := _of_measured(written, messages):
            cursor.execute(_DEVICE_STATS, stats)
        _add(cursor, "message_total", {"message_id": "bigint", "slot": "int"}, totals)
        _add(cursor, "campaign_total", {"campaign_id": "bigint", "slot": "int"}, campaigns)
        _add(cursor, "campaign_minute", {"campaign_id": "bigint", "minute": "timestamptz", "slot": "int"}, minutes)
        _add(cursor, "breakdown", {"campaign_id": "bigint", "dimension": "text", "value": "text"}, breakdown)
        _add(cursor, "site_day", {"site_id": "bigint", "day": "date"}, days)


def _dimensions(row: Written) -> Iterable[tuple[str, str]]:
    """What a campaign's receipt is counted under; of a device that is not measured only the button is known."""
    if row.kind == CLICKED:
        yield "button", row.action or ""
    if row.service is not None:
        yield "browser", row.browser or ""
        yield "os", row.os or ""
        yield "language", row.language or ""
        yield "service", PushService(row.service).name.lower()


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


def _of_measured(written: Sequence[Written], messages: Mapping[int, OfMessage]) -> list[list[Any]]:
    """Device, kind and Unix seconds of what counts for device_stats: only of devices that may be measured now."""
    bit = 1 << Purpose.MEASUREMENT
    rows = [
        (row.device_ref, row.kind, int(row.at.timestamp()))
        for row in written
        if row.allowed is not None
        and row.kind in _OF_DEVICES
        and (row.allowed & bit or messages[row.message_id].measures_everyone)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


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
