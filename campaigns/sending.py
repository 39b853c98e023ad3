"""The corridor: how a Batch is sent, whichever entrance its message came through.

At least once to the push service, exactly once in the statistics: what a killed process had not recorded is sent
again, and that is never more than PUSH_UNRECORDED_MAX.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from itertools import chain, islice
from typing import Final

from django.db import connection

from campaigns import choosing, control, finishing, freezing, leases, roads, sweep
from campaigns.flights import Clock, Flight, Flights, utc_now
from campaigns.leases import Lease
from campaigns.loading import Job, load_job, load_targets
from campaigns.models import Lane
from campaigns.patience import may_pass
from campaigns.preparing import Preparer
from campaigns.recording import Entry, record
from pushplatform.webpush.outcome import Outcome
from pushplatform.webpush.transport import Transport

log = logging.getLogger(__name__)

EXPIRED_AT_ONCE: Final = 1_000


def _never() -> bool:
    return False


def send_batch(
    batch_id: int, transport: Transport, *, clock: Clock = utc_now, stopping: Callable[[], bool] = _never
) -> bool:
    """Sends what of the Batch has no outcome yet; whether it was due and free, and so was worked at.

    What a killed process left in the same lane goes first: it has waited for a lease already.

    `stopping`: true once this process is to end; the Batch is then handed back with its outcomes recorded. After an
    exception the transport must not be used again: requests of this Batch may be under way in it.
    """

    def send(one: int) -> bool:
        return _send(one, Flights(transport, clock, stopping, _send_elsewhere))

    abandoned = choosing.abandoned_beside(batch_id)
    if abandoned is not None:
        send(abandoned)
    return send(batch_id)


def _send(batch_id: int, flights: Flights) -> bool:
    lease = leases.claim(batch_id, flights.clock())
    if lease is None:
        return False
    job = load_job(lease)
    if lease.is_overdue:
        _expire(job, flights.clock())
        return True
    flight = Flight(job, flights)
    try:
        complete = _begin_each(job, flight, flights.clock)
    finally:
        flight.land()  # what has been sent is written down, whatever happened
    if not flight.lease_lost:
        _end(lease, complete and not flight.has_withdrawn, flight.begun, flights.clock())
    return True


def _begin_each(job: Job, flight: Flight, clock: Clock) -> bool:
    """Starts the requests of the Batch's devices; whether all of them were."""
    preparer = Preparer(job)
    targets = load_targets(job)
    for first in targets:
        room = flight.room()
        if not room:
            return False
        flight.begin(preparer.prepare(chain([first], targets), room, clock()))
    return True


def _send_elsewhere(flights: Flights, busy: Collection[roads.Key]) -> None:
    """While these roads do not answer: a Batch of the same lane on another, of another push service if there is one.

    Where none is due, chores. What goes wrong there is that Batch's alone: the flights below hold outcomes, and go on.
    """
    depth, batch_id = len(flights.stack), None
    try:
        under_way = {service for service, _ in (flight.road for flight in flights.stack)}
        batch_id = choosing.due_elsewhere(flights.stack[-1].lane, busy, under_way)
        if batch_id is not None:
            _send(batch_id, flights)
        elif flights.stack[-1].lane == Lane.CAMPAIGN:
            _do_chores(flights)
    except Exception as error:
        flights.give_up_above(depth)
        if flights.stopping():
            raise
        what = "chores are left" if batch_id is None else f"batch {batch_id} is left until its lease ends"
        if not may_pass(error):
            log.exception("%s", what)
            return
        log.warning("%s (%s)", what, type(error.__cause__).__name__)
        connection.close()


def _do_chores(flights: Flights) -> None:
    """What Batches come of. Its tasks wait for a free process, and all may be waiting for one push service that hangs:
    a launch for another would wait with them. What the sweep finds need not be poked: whoever only waits looks for it.
    """
    now = flights.clock()
    if flights.is_time_to_sweep():
        sweep.sweep(now)
    freezing.freeze_neglected(now)


def _expire(job: Job, now: datetime) -> None:
    """Counts as expired what is left of a Batch that came too late, because something had held it back."""
    targets = load_targets(job)
    is_ours = True
    while chunk := list(islice(targets, EXPIRED_AT_ONCE)):
        entries = [Entry(target, Outcome.EXPIRED, "expired", 0, job.lease.service) for target in chunk]
        is_ours = record(job, entries, now) is not None and is_ours
    if is_ours:
        _end(job.lease, True, 0, now)


def _end(lease: Lease, complete: bool, begun: int, now: datetime) -> None:
    if leases.end(lease, done=complete, unspent=(lease.allowance or begun) - begun) and not complete:
        control.close_if_cancelled(lease.message_id, now)
    finishing.finish_if_complete(lease.message_id, now)
