"""Who works at a Batch: the lease with its fencing token (`batch.lease`), judged by the database's clock.

A lease also says how much of the Batch may go now, where a road or a ceiling allows no more.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from campaigns import ceilings, pacing, roads
from campaigns.ceilings import Ceiling
from campaigns.models import Batch, Lane, Message
from campaigns.refusals import REASON

_GOING = f"({Message.Status.SENDING:d}, {Message.Status.FREEZING:d})"
_ALIVE = f"({Message.Status.SENDING:d}, {Message.Status.FREEZING:d}, {Message.Status.PAUSED:d})"
_LEASE = "now() + %s * interval '1 second'"
_FREE = f"(b.state = {Batch.State.READY:d} or b.state = {Batch.State.LEASED:d} and b.lease_until < now())"
_TAKE = f"state = {Batch.State.LEASED:d}, lease = lease + 1, lease_until = {_LEASE}, worker = %s"
_LEASED = "b.id, b.message_id, b.service, b.vapid_key_id, b.lane, b.attempt, b.throttled, b.unanswered, b.lease"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed Batch. `token`: which claim of it this is; an older one may still be at work somewhere.

    `throttled`, `unanswered`: how many of the attempts before were only put off, had no answer. `allowance`: how many
    requests may be made, and `window`: how many at a time, None without limit; `ceilings`: what the allowance was taken
    from, besides the road; `again_after`: seconds until there is more. `is_overdue`: nothing may be sent any more.
    """

    batch_id: int
    message_id: int
    service: int
    vapid_key_id: int
    lane: int
    attempt: int
    throttled: int
    unanswered: int
    token: int
    allowance: int | None = None
    window: int | None = None
    ceilings: tuple[Ceiling, ...] = ()
    again_after: float = 0.0
    is_overdue: bool = False

    @property
    def road(self) -> roads.Key:
        return self.service, self.vapid_key_id


def left_of(batch: str) -> str:
    """SQL for how many devices of this row of `batch` have no outcome yet: what is asked of a road or ceiling for it.

    More than that would be given back only later, and is denied to others meanwhile. One at least: whoever claims an
    empty Batch ends it. Only what somebody has worked at is counted.
    """
    return f"""case when {batch}.lease = 0 then {batch}.n else greatest(1, (
        select count(*)::int from unnest({batch}.device_ids) u(d)
        where not exists (select from delivery x where x.message_id = {batch}.message_id and x.device_id = u.d)
          and not exists (select from retry x where x.message_id = {batch}.message_id and x.device_id = u.d))) end"""


def claim(batch_id: int, now: datetime | None = None) -> Lease | None:
    """Leases the Batch when it is due, nobody holds it, its message goes on and its road and ceilings let it through.

    One that has expired by `now` (the database's clock where None) may be claimed, to be counted so, whatever holds it
    back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""update batch b set {_TAKE}
                from message m join site t on t.id = m.site_id
                where b.id = %s and m.id = b.message_id and m.status in {_GOING} and b.not_before <= now() and {_FREE}
                  and t.per_minute is null and not m.options ? 'per_minute'
                  and not exists (select from service_state s
                                  where s.service = b.service and s.vapid_key_id = b.vapid_key_id
                                    and (s.paused_until > now() or s.rate is not null or s.strikes > 0))
                returning {_LEASED}""",
            [settings.PUSH_LEASE_SECONDS, _worker(), batch_id],
        )
        row = cursor.fetchone()
    return Lease(*row) if row else _claim_slice(batch_id, now)


class _HeldBack(NamedTuple):
    """A Batch that nobody works at, and what may hold it back."""

    n: int
    """Devices without an outcome."""
    lane: int
    road: roads.Key
    ceilings: Sequence[Ceiling]
    is_overdue: bool


@transaction.atomic
def _claim_slice(batch_id: int, now: datetime | None) -> Lease | None:
    with connection.cursor() as cursor:
        batch = _free_batch(cursor, batch_id, now)
        if batch is None:
            return None
        if batch.is_overdue:
            return replace(_take(cursor, batch_id), is_overdue=True)
        targeted, period = batch.lane == Lane.TARGETED, roads.period()
        road = roads.lock(cursor, batch.road)
        of_road = pacing.bucket(road, targeted=targeted, period=period) if road else None
        buckets = [ceilings.lock(cursor, one, targeted=targeted, period=period) for one in batch.ceilings]
        limits = [*buckets, of_road] if of_road else buckets
        allowance = min((bucket.slice(batch.n) for bucket in limits), default=None)
        if road and allowance != 0:
            pacing.spend(road, allowance or 0, period=period)
        if road:
            roads.save(cursor, batch.road, road)
        for ceiling, bucket in zip(batch.ceilings, buckets, strict=True):
            ceilings.save(cursor, ceiling, bucket, allowance or 0)
        if allowance == 0:
            if road is None or not road.is_paused:
                _put_off(cursor, batch_id, max(bucket.wait(batch.n) for bucket in limits))
            return None
        for bucket in limits:
            bucket.tokens -= allowance or 0
        again_after = max((bucket.wait(batch.n) for bucket in limits), default=0.0)
        window = road.window if road else None
        return replace(
            _take(cursor, batch_id),
            allowance=allowance,
            window=window,
            ceilings=tuple(batch.ceilings),
            again_after=again_after,
        )


def _free_batch(cursor: Any, batch_id: int, now: datetime | None) -> _HeldBack | None:
    """The Batch, if it may be claimed but for what holds it back; its row is held until the end of the transaction."""
    cursor.execute(
        f"""select {left_of("b")}, b.lane, b.service, b.vapid_key_id, m.site_id, t.per_minute, m.campaign_id,
                   (m.options->>'per_minute')::int, b.expires_at <= coalesce(%s, now())
            from batch b join message m on m.id = b.message_id join site t on t.id = m.site_id
            where b.id = %s and {_FREE}
              and (m.status in {_GOING} and b.not_before <= now()
                   or m.status in {_ALIVE} and b.expires_at <= coalesce(%s, now()))
            for no key update of b""",
        [now, batch_id, now],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    n, lane, service, key, site_id, of_site, campaign_id, of_campaign, is_overdue = row
    return _HeldBack(n, lane, (service, key), ceilings.of(site_id, of_site, campaign_id, of_campaign), is_overdue)


def _take(cursor: Any, batch_id: int) -> Lease:
    cursor.execute(
        f"update batch b set {_TAKE} where id = %s returning {_LEASED}",
        [settings.PUSH_LEASE_SECONDS, _worker(), batch_id],
    )
    return Lease(*cursor.fetchone())


def _put_off(cursor: Any, batch_id: int, seconds: float) -> None:
    cursor.execute(
        f"""update batch set state = {Batch.State.READY:d}, lease_until = null,
                             not_before = greatest(not_before, now() + %s * interval '1 second') where id = %s""",
        [seconds, batch_id],
    )


class Renewed(NamedTuple):
    """What a worker learns when it prolongs its lease. `doubted`: devices were refused, or the key is paused;
    `remembers`: the road's row tells of trouble.
    """

    status: int
    doubted: bool
    is_paused: bool
    remembers: bool
    window: int | None
    rate: float | None


def renew(cursor: Any, lease: Lease) -> Renewed | None:
    """Prolongs the lease; None when somebody else has the Batch."""
    cursor.execute(
        f"""update batch b set lease_until = {_LEASE}
            from message m left join service_state s on s.service = %s and s.vapid_key_id = %s
            where b.id = %s and b.lease = %s and b.state = {Batch.State.LEASED:d} and m.id = b.message_id
            returning m.status, coalesce(s.refused_devices is not null or s.reason = %s, false),
                      coalesce(s.paused_until > now(), false),
                      coalesce(s.troubled_devices is not null or s.strikes > 0, false), s.send_window, s.rate""",
        [settings.PUSH_LEASE_SECONDS, *lease.road, lease.batch_id, lease.token, REASON],
    )
    row = cursor.fetchone()
    return Renewed(*row) if row else None


def goes_on(status: int) -> bool:
    """Whether a message of this status is being sent."""
    return status in (Message.Status.SENDING, Message.Status.FREEZING)


def end(lease: Lease, *, done: bool, unspent: int = 0) -> bool:
    """Ends the lease: the Batch is done, or ready for the next who comes; whether it was still ours.

    `unspent`: how many requests of the allowance were not made.
    """
    state = Batch.State.DONE if done else Batch.State.READY
    wait = 0.0 if done or unspent else lease.again_after
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""update batch set state = {state:d}, lease_until = null,
                                 not_before = case when %s > 0 then now() + %s * interval '1 second' else not_before end
                where id = %s and lease = %s and state = {Batch.State.LEASED:d}""",
            [wait, wait, lease.batch_id, lease.token],
        )
        is_ours = bool(cursor.rowcount)
        if unspent:
            roads.give_back(cursor, lease.road, unspent)
            for ceiling in lease.ceilings:
                ceilings.give_back(cursor, ceiling, unspent)
        return is_ours


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[-64:]
