"""Writes what became of devices: facts, counters, retired devices and retries in one short transaction."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from django.db import connection, transaction

from campaigns import answer_samples, counting, refusals, roads
from campaigns.answer_samples import Sample
from campaigns.answer_tally import THROTTLED, Tally
from campaigns.leases import renew
from campaigns.loading import Job, Target
from campaigns.models import Batch, Message
from pushplatform.webpush.outcome import (
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_UNANSWERED,
    REASONS,
    RETRY_SCHEDULE,
    Outcome,
    Verdict,
    retry_delay,
)
from pushplatform.webpush.request import PushService
from subscribers import devices
from subscribers.models import Purpose

_MEASUREMENT: Final = 1 << Purpose.MEASUREMENT


class Entry(NamedTuple):
    """The outcome for one device. `http_code` 0 where no push service answered; `service` is who was asked."""

    target: Target
    outcome: Outcome
    reason: str | None
    http_code: int
    service: int
    retry_at: datetime | None = None
    is_put_off: bool = False
    """The attempt does not count: it was not made, or the service only said when to come again."""
    is_unanswered: bool = False


def settle(
    job: Job,
    target: Target,
    verdict: Verdict,
    http_code: int,
    service: int,
    now: datetime,
    *,
    error: str | None = None,
) -> Entry:
    """The entry for an answer: what is to be retried is given up after enough attempts, and never outlives expiry.

    What is throttled or was not sent is never given up. `error`: of an answer without a status.
    """
    if verdict.outcome is not Outcome.RETRY:
        return Entry(target, verdict.outcome, verdict.reason, http_code, service)
    # Almost always nobody had read it; libcurl says the same of connections that broke, so not without end.
    is_unsent = error == "out_of_reach" or (error == "turned_away" and job.lease.throttled < MAX_ATTEMPTS)
    puts_off = is_unsent or http_code in THROTTLED or (http_code == 503 and verdict.retry_after is not None)
    attempt = job.lease.attempt - job.lease.throttled
    is_unanswered = verdict.reason == "no_answer"
    is_last_copy = is_unanswered and job.lease.unanswered + 1 >= MAX_ATTEMPTS_UNANSWERED
    if not puts_off and (attempt >= MAX_ATTEMPTS or is_last_copy):
        return Entry(target, Outcome.FAILED, verdict.reason, http_code, service)
    before = job.lease.throttled + 1 if puts_off else attempt
    retry_at = now + timedelta(seconds=retry_delay(before, verdict.retry_after, random.random()))
    if retry_at >= job.expires_at:
        return Entry(target, Outcome.EXPIRED, "expired", http_code, service)
    return Entry(target, Outcome.RETRY, verdict.reason, http_code, service, retry_at, puts_off, is_unanswered)


def record(
    job: Job, entries: Sequence[Entry], now: datetime, samples: Sequence[Sample] = (), tally: Tally | None = None
) -> int | None:
    """Records the entries and prolongs the lease; the message's status now, or None when the lease was lost.

    PAUSED is returned too when the road is paused. `entries`: in the order they came; `samples`: the
    bad answers among those that led to them; `tally`: all of these answers. Also with a lost lease nothing is lost or
    counted twice: what somebody else has written stands.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        renewed = renew(cursor, job.lease)
        status = renewed.status if renewed else None
        window, rate = (renewed.window, renewed.rate) if renewed else (None, None)
        is_paused = bool(renewed and renewed.is_paused)
        doubted = (renewed and renewed.doubted) or any(entry.reason == refusals.REASON for entry in entries)
        if doubted and _is_key_paused(cursor, job, entries, now):
            entries = [_kept_waiting(job, entry, now) for entry in entries]
            is_paused = True
        if tally and renewed and roads.is_news(tally, renewed.remembers):
            road = roads.weigh(cursor, job.lease.road, tally, now)
            window, rate, is_paused = road.window, road.rate, is_paused or road.is_paused
        if is_paused and renewed:
            status = cast(int, Message.Status.PAUSED)
        entries = sorted(entries, key=lambda entry: entry.target.device_id)
        final = [entry for entry in entries if entry.outcome is not Outcome.RETRY]
        waiting = [entry for entry in entries if entry.outcome is Outcome.RETRY]
        gone = [entry for entry in final if entry.outcome is Outcome.GONE]
        inserted = _insert_deliveries(cursor, job, final, now) if final else frozenset()
        if waiting:
            _insert_retries(cursor, job, waiting)
        if gone:
            hashes = [(entry.target.device_id, bytes(entry.target.endpoint_hash or b"")) for entry in gone]
            devices.mark_gone(hashes, now)
        if samples:
            answer_samples.write(cursor, job.message_id, samples, now)
        if tally:
            tally.write(cursor, *job.lease.road, now, window, rate)
        if inserted:
            _count(cursor, job, [entry for entry in final if entry.target.device_id in inserted], now)
            if status is None:
                _uncount_cancelled(cursor, job, inserted, now)
    return status


def _is_key_paused(cursor: Any, job: Job, entries: Sequence[Entry], now: datetime) -> bool:
    lease = job.lease
    answers = [
        (entry.target.device_id, entry.reason == refusals.REASON)
        for entry in entries
        if entry.http_code and entry.service == lease.service and entry.target.vapid_key_id == lease.vapid_key_id
    ]
    return refusals.weigh(cursor, lease.service, lease.vapid_key_id, answers, now)


def _kept_waiting(job: Job, entry: Entry, now: datetime) -> Entry:
    """What was refused while the key is paused is tried again after the pause, unless it expires before that."""
    retry_at = now + timedelta(seconds=RETRY_SCHEDULE[0])
    is_ours = entry.target.vapid_key_id == job.lease.vapid_key_id and entry.service == job.lease.service
    if entry.reason != refusals.REASON or not is_ours or retry_at >= job.expires_at:
        return entry
    return entry._replace(outcome=Outcome.RETRY, retry_at=retry_at, is_put_off=True)


def _uncount_cancelled(cursor: Any, job: Job, inserted: Collection[int], now: datetime) -> None:
    """Takes back what a cancel has counted of devices that, as we now know, were sent to after all.

    It closed our Batch when the lease was over, because nothing had been heard of us.
    """
    cursor.execute(
        f"""select count(*) from unnest(%s::bigint[]) u(d)
            where exists (select from batch b join message m on m.id = b.message_id where b.id = %s
                          and b.state = {Batch.State.DONE:d} and m.status = {Message.Status.CANCELLED:d})
              and not exists (select from retry x where x.message_id = %s and x.device_id = u.d)""",
        [list(inserted), job.lease.batch_id, job.message_id],
    )
    counting.add(cursor, job.counter, now.astimezone(UTC), {"cancelled": -cursor.fetchone()[0]}, {})


def _insert_deliveries(cursor: Any, job: Job, entries: Sequence[Entry], now: datetime) -> frozenset[int]:
    """The ids of the devices that had no outcome yet."""
    cursor.execute(
        """insert into delivery (message_id, device_id, contact_id, status, reason, service, attempts, http_code,
                                 measured, at)
           select %s, d, c, s, r, v, %s, h, m = 1, %s
           from unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[], %s::smallint[], %s::smallint[],
                       %s::int[]) o(d, c, s, r, v, h, m)
           on conflict do nothing returning device_id""",
        [
            job.message_id,
            job.lease.attempt,
            now,
            _array(entry.target.device_id for entry in entries),
            _array(entry.target.frozen_contact_id for entry in entries),
            _array(int(entry.outcome) for entry in entries),
            _array(REASONS[entry.reason].number if entry.reason else None for entry in entries),
            _array(int(entry.service) for entry in entries),
            _array(entry.http_code for entry in entries),
            _array(int(is_measured(job, entry.target)) for entry in entries),
        ],
    )
    return frozenset(id_ for (id_,) in cursor.fetchall())


def is_measured(job: Job, target: Target) -> bool:
    """Whether reports of this device may be tied to it."""
    return job.measures_everyone or bool(target.allowed & _MEASUREMENT)


def _insert_retries(cursor: Any, job: Job, entries: Sequence[Entry]) -> None:
    lease = job.lease
    cursor.execute(
        """insert into retry (message_id, device_id, contact_id, recipient_no, lane, service, vapid_key_id, attempt,
                              throttled, unanswered, not_before, expires_at, http_code)
           select %s, d, c, n, %s, v, k, %s, %s + p, %s + u, t, %s, h
           from unnest(%s::bigint[], %s::bigint[], %s::int[], %s::smallint[], %s::bigint[], %s::int[], %s::int[],
                       %s::timestamptz[], %s::smallint[]) o(d, c, n, v, k, p, u, t, h)
           where not exists (select from delivery x where x.message_id = %s and x.device_id = d)
           on conflict do nothing""",
        [
            job.message_id,
            lease.lane,
            lease.attempt,
            lease.throttled,
            lease.unanswered,
            job.expires_at,
            [entry.target.device_id for entry in entries],
            [entry.target.frozen_contact_id for entry in entries],
            [entry.target.recipient_no for entry in entries],
            [entry.service for entry in entries],
            [entry.target.vapid_key_id or lease.vapid_key_id for entry in entries],
            [int(entry.is_put_off) for entry in entries],
            [int(entry.is_unanswered) for entry in entries],
            [entry.retry_at for entry in entries],
            [entry.http_code for entry in entries],
            job.message_id,
        ],
    )


def _count(cursor: Any, job: Job, entries: Sequence[Entry], now: datetime) -> None:
    # First by kind of device, of which there are few, and then by each dimension.
    kinds = Counter(
        (entry.outcome, entry.service, entry.target.device["browser"], entry.target.device["os"],
         entry.target.device["language"])
        for entry in entries
    )  # fmt: skip
    counts: dict[str, int] = defaultdict(int)
    breakdown: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for (outcome, service, *values), number in kinds.items():
        column = counting.OUTCOMES[outcome]
        counts[column] += number
        for dimension, value in zip(("browser", "os", "language"), values, strict=True):
            breakdown[dimension, value or ""][column] += number
        breakdown["service", PushService(service).name.lower()][column] += number
    counting.add(cursor, job.counter, now.astimezone(UTC), counts, breakdown)


def _array(values: Iterable[int | None]) -> str:
    """A PostgreSQL array as text: a fifth of the time of the driver's own lists."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
