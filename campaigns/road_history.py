"""The history of the roads to push services, read from `service_minute`: what was answered, how fast, what was allowed.

A road is one push service with one VAPID key. Only minutes in which something was recorded or it rested have rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection

from campaigns.answer_tally import KINDS, SLOTS
from campaigns.models.service import LATENCY_BOUNDS
from campaigns.roads import KEPT
from pushplatform.webpush.request import PushService

MINUTE: Final = timedelta(minutes=1)
TROUBLES: Final = KINDS[2:]
"""What is neither accepted nor the browser's own end."""

ENDINGS: Final = ("accepted", "gone", "refused", "rejected")
"""Answers after which nothing is left to do for that device."""

_SERVICES: Final = [int(service) for service in PushService]


class RoadKey(NamedTuple):
    """Which road: the number of its push service and the id of its VAPID key."""

    service: int
    vapid_key_id: int


class Span(NamedTuple):
    """A length of history and the step it is drawn in."""

    name: str
    title: str
    length: timedelta
    step: timedelta


SPANS: Final = {
    span.name: span
    for span in (
        Span("hour", "Hour", timedelta(hours=1), MINUTE),
        Span("day", "Day", timedelta(days=1), timedelta(minutes=15)),
        Span("fortnight", "14 days", KEPT, timedelta(hours=3)),
    )
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a road carried in some time, the first of it at `first_at`.

    `window` and `rate`: the least that was allowed, requests under way and requests a second; None where there was no
    limit. `rested`: seconds in which it was asked to rest, in all.
    """

    counts: dict[str, int]
    latency: tuple[int, ...]
    first_at: datetime | None = None
    window: int | None = None
    rate: float | None = None
    rested: float = 0.0

    @property
    def asked(self) -> int:
        """Requests that were answered or should have been."""
        return sum(self.counts.values()) - self.counts["unsent"]

    @property
    def ended(self) -> int:
        return sum(self.counts[kind] for kind in ENDINGS)

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of the answers came; None without answers."""
        return quantile(self.latency, share)


def quantile(latency: Sequence[int], share: float) -> float | None:
    """Seconds within which `share` of the answers counted by LATENCY_BOUNDS came, as near as the bounds tell it.

    Within a bucket answers are taken as evenly spread; what took longer than the last bound counts as it. None where
    nothing was counted.
    """
    wanted, below = share * sum(latency), 0
    if not wanted:
        return None
    for place, number in enumerate(latency):
        if number and below + number >= wanted:
            low = LATENCY_BOUNDS[place - 1] if place else 0.0
            high = LATENCY_BOUNDS[min(place, len(LATENCY_BOUNDS) - 1)]
            return low + (high - low) * (wanted - below) / number
        below += number
    return None


def roads_of(vapid_key_ids: Collection[int], now: datetime) -> list[RoadKey]:
    """Roads with one of these keys that were used within KEPT or whose state is kept, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            # One look into the index for each pair: as a join it would read two weeks of everything.
            """select s, k from unnest(%s::smallint[]) s cross join unnest(%s::bigint[]) k
               left join lateral (select minute from service_minute m where m.service = s and m.vapid_key_id = k
                                  order by m.minute desc limit 1) newest on true
               where newest.minute > %s
                  or exists (select from service_state t where t.service = s and t.vapid_key_id = k)
               order by s, k""",
            [_SERVICES, list(vapid_key_ids), now - KEPT],
        )
        return [RoadKey(*row) for row in cursor.fetchall()]


def figures(roads: Collection[RoadKey], begin: datetime, until: datetime) -> dict[RoadKey, Figures]:
    """What each road carried in the minutes from `begin` on and before `until`; roads that carried nothing are
    missing."""
    read = _read(roads, begin, until, until - begin)
    return {road: found for road, _, found in read if found.first_at is not None}


def series(
    roads: Collection[RoadKey], span: Span, now: datetime
) -> tuple[list[datetime], dict[RoadKey, list[Figures | None]]]:
    """The moments at which the steps of `span` begin, the last of which is under way, and each road's figures in them,
    None where it neither carried anything nor rested."""
    step = span.step.total_seconds()
    last = datetime.fromtimestamp(now.timestamp() // step * step, UTC)
    begin = last - span.length + span.step
    moments = [begin + number * span.step for number in range(span.length // span.step)]
    places = {moment: place for place, moment in enumerate(moments)}
    found: dict[RoadKey, list[Figures | None]] = {road: [None] * len(moments) for road in roads}
    for road, moment, one in _read(roads, begin, last + span.step, span.step):
        found[road][places[moment]] = one
    return moments, found


def _read(
    roads: Collection[RoadKey], begin: datetime, until: datetime, step: timedelta
) -> list[tuple[RoadKey, datetime, Figures]]:
    if not roads:
        return []
    buckets = len(LATENCY_BOUNDS) + 1
    counted = ", ".join(f"sum(m.{kind})::bigint" for kind in KINDS)
    latency = ", ".join(f"coalesce(sum(m.latency[{place}]), 0)::bigint" for place in range(1, buckets + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select m.service, m.vapid_key_id, date_bin(%s, m.minute, %s) at,
                       min(m.first_at) filter (where slot < {SLOTS}), min(m.send_window), min(m.rate), sum(m.rested),
                       {counted}, {latency}
                from unnest(%s::smallint[], %s::bigint[]) r(s, k)
                join service_minute m on m.service = r.s and m.vapid_key_id = r.k
                where m.minute >= %s and m.minute < %s
                group by 1, 2, 3 order by 1, 2, 3""",
            [step, begin, [road.service for road in roads], [road.vapid_key_id for road in roads], begin, until],
        )
        return [_row(row) for row in cursor.fetchall()]


def _row(row: Sequence[Any]) -> tuple[RoadKey, datetime, Figures]:
    service, key, at, first_at, window, rate, rested, *numbers = row
    counts = dict(zip(KINDS, numbers, strict=False))
    return RoadKey(service, key), at, Figures(counts, tuple(numbers[len(KINDS) :]), first_at, window, rate, rested)
