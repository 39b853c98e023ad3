"""Which due Batches are poked: fair among roads and messages, and none that a claim would refuse."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db import connection

from campaigns import ceilings, pacing, roads
from campaigns.ceilings import Ceiling
from campaigns.leases import left_of
from campaigns.models import Batch, Lane, Message
from campaigns.pacing import Bucket

MOST_POKES: Final = 200
"""Batches poked in one sweep, per lane; workers at work find more than enough in them until the next."""

_LOOKED_AT: Final = 10
"""Times as many, to choose from."""

_GOING = f"({Message.Status.SENDING:d}, {Message.Status.FREEZING:d})"
_HELD = f"({Message.Status.SENDING:d}, {Message.Status.FREEZING:d}, {Message.Status.PAUSED:d})"
_FREE = f"(b.state = {Batch.State.READY:d} or b.state = {Batch.State.LEASED:d} and b.lease_until < now())"

_TROUBLED = """exists (select from service_state s where s.service = b.service and s.vapid_key_id = b.vapid_key_id
                                  and (s.paused_until > now() or s.strikes > 0))"""


class _Due(NamedTuple):
    """A due Batch. `place`: how many of its message and road come before it; `n`: devices without an outcome."""

    place: int
    batch_id: int
    lane: int
    n: int
    is_overdue: bool
    road: roads.Key
    ceilings: tuple[Ceiling, ...]


class Allowances:
    """What roads and ceilings let through until the next sweep."""

    def __init__(self) -> None:
        self._left: dict[Any, Bucket | None] = {}

    def admits(self, due: _Due) -> bool:
        """Whether a claim of this Batch would get something now; what it would get is taken from what is left."""
        limits = [bucket for key in (due.road, *due.ceilings) if (bucket := self._left.get((due.lane, key)))]
        number = min((bucket.slice(due.n) for bucket in limits), default=due.n)
        for key in (due.road, *due.ceilings):
            for lane in Lane.values:
                bucket = self._left.get((lane, key))
                if bucket:
                    bucket.tokens -= number
        return number > 0

    def look_up(self, found: Collection[_Due]) -> None:
        """Reads what is not known yet of the roads and ceilings of these."""
        period = roads.period()
        keys = {due.road for due in found if (Lane.CAMPAIGN, due.road) not in self._left}
        limits = {one for due in found for one in due.ceilings if (Lane.CAMPAIGN, one) not in self._left}
        with connection.cursor() as cursor:
            known = roads.read(cursor, keys) if keys else {}
            for lane in Lane.values:
                targeted = lane == Lane.TARGETED
                for key in keys:
                    road = known.get(key)
                    self._left[lane, key] = pacing.bucket(road, targeted=targeted, period=period) if road else None
                for one in limits:
                    self._left[lane, one] = ceilings.peek(cursor, one, targeted=targeted, period=period)


def due_batches(
    lane: Any, now: datetime | None, allowances: Allowances, message_id: int | None = None
) -> list[tuple[int, int]]:
    """Batches that a claim would get something of now, as (id, lane); judged by the database's clock, as leases are.

    Also those expired by `now` (the database's clock where None), whatever holds them back.
    """
    found = _look(lane, now, message_id)
    allowances.look_up(found)
    chosen = (due for due in _in_turn(found) if due.is_overdue or allowances.admits(due))
    return [(due.batch_id, due.lane) for due in islice(chosen, MOST_POKES)]


def due_elsewhere(lane: int, busy: Collection[roads.Key], under_way: Collection[int]) -> int | None:
    """A due Batch on a road that is none of these, one of another push service than those `under_way` first."""
    services, keys = [service for service, _ in busy], [key for _, key in busy]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select b.id from batch b join message m on m.id = b.message_id
                where m.status in {_GOING} and b.lane = %s and b.not_before <= now() and {_FREE}
                  and not exists (select from unnest(%s::int[], %s::bigint[]) u(s, k)
                                  where u.s = b.service and u.k = b.vapid_key_id)
                  and not {_TROUBLED}
                order by b.service = any(%s::int[]), b.id limit 1""",
            [lane, services, keys, list(under_way)],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def abandoned_beside(batch_id: int) -> int | None:
    """The Batch of this one's lane whose lease ran out first, on a road without trouble; None where there is none.

    Its process was killed or is stopped. The sweep pokes it, too, but behind all that waits in the lane already.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select b.id from batch b join message m on m.id = b.message_id
                where b.state = {Batch.State.LEASED:d} and b.lease_until < now() and b.id <> %s
                  and b.lane = (select p.lane from batch p where p.id = %s) and m.status in {_GOING}
                  and not {_TROUBLED}
                order by b.lease_until limit 1""",
            [batch_id, batch_id],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _in_turn(found: Iterable[_Due]) -> Iterator[_Due]:
    """A Batch of each road, then a second of each, and so on; on a road its messages take turns, too."""
    turns: Counter[roads.Key] = Counter()
    ranked = []
    for due in sorted(found, key=lambda due: (due.place, due.batch_id)):
        turns[due.road] += 1
        ranked.append((turns[due.road], due.place, due.batch_id, due))
    return (due for *_, due in sorted(ranked))


def _look(lane: Any, now: datetime | None, message_id: int | None) -> list[_Due]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select d.place, d.id, d.lane, {left_of("x")}, d.is_overdue, d.service, d.vapid_key_id,
                       d.site_id, d.of_site, d.campaign_id, d.of_campaign
                from (
                    select row_number() over (partition by b.message_id, b.service, b.vapid_key_id order by b.id) place,
                           b.id, b.lane, b.expires_at <= coalesce(%s, now()) is_overdue, b.service, b.vapid_key_id,
                           m.site_id, t.per_minute of_site, m.campaign_id, (m.options->>'per_minute')::int of_campaign
                    from batch b join message m on m.id = b.message_id join site t on t.id = m.site_id
                    where b.lane = %s and (%s::bigint is null or b.message_id = %s) and {_FREE}
                      and (b.expires_at <= coalesce(%s, now()) and m.status in {_HELD}
                           or m.status in {_GOING} and b.not_before <= now()
                              and not exists (select from service_state s where s.service = b.service
                                              and s.vapid_key_id = b.vapid_key_id and s.paused_until > now()))) d
                join batch x on x.id = d.id where d.place <= %s order by d.place, d.id limit %s""",
            [now, lane, message_id, message_id, now, MOST_POKES, MOST_POKES * _LOOKED_AT],
        )
        return [
            _Due(place, batch_id, lane, n, is_overdue, (service, key), tuple(ceilings.of(*rest)))
            for place, batch_id, lane, n, is_overdue, service, key, *rest in cursor.fetchall()
        ]
