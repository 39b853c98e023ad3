"""The corridor: how a Batch is sent, whichever entrance its message came through.

At least once to the push service, exactly once in the statistics: what a killed process had not recorded is sent
again, and that is never more than PUSH_UNRECORDED_MAX.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Final, cast

from django.conf import settings

from campaigns import control, finishing, leases
from campaigns.answer_samples import Samples
from campaigns.answer_tally import Tally
from campaigns.leases import Lease
from campaigns.loading import Job, Target, load_job, load_targets
from campaigns.patience import until_written
from campaigns.preparing import Preparer
from campaigns.recording import Entry, record, settle
from pushplatform.webpush.outcome import Answer, Outcome, Verdict, classify
from pushplatform.webpush.request import PushRequest, PushService
from pushplatform.webpush.transport import Transport

FLUSH_ANSWERS: Final = 250
FLUSH_SECONDS: Final = 0.25
"""Outcomes are recorded, the lease renewed and pause or cancel seen after so many answers or so long."""

LAST_ANSWERS_SECONDS: Final = 5.0
"""How long a process that is asked to end waits for what is under way, and then for a database that is away."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)  # Django's looks into its settings each time: 7 µs, twice for each message


def _never() -> bool:
    return False


def send_batch(
    batch_id: int, transport: Transport, *, clock: Clock = _now, stopping: Callable[[], bool] = _never
) -> bool:
    """Sends what of the Batch has no outcome yet; whether it was due and free, and so was worked at.

    `stopping`: true once this process is to end; the Batch is then handed back with its outcomes recorded. After an
    exception the transport must not be used again: requests of this Batch may be under way in it.
    """
    lease = leases.claim(batch_id)
    if lease is None:
        return False
    job = load_job(lease)
    flight, preparer = _Flight(job, transport, clock, stopping), Preparer(job)
    complete = True
    for target in load_targets(job):
        if not flight.has_room():
            complete = False
            break
        flight.begin(target, preparer.prepare(target, clock()))
    flight.land()
    if not flight.lease_lost:
        _end(lease, complete, clock())
    return True


def _end(lease: Lease, complete: bool, now: datetime) -> None:
    if leases.end(lease, done=complete) and not complete:
        control.close_if_cancelled(lease.message_id, now)
    finishing.finish_if_complete(lease.message_id, now)


class _Flight:
    """The requests of a Batch that are under way, and the outcomes not yet recorded."""

    def __init__(self, job: Job, transport: Transport, clock: Clock, stopping: Callable[[], bool]):
        self._job, self._transport, self._clock, self._stopping = job, transport, clock, stopping
        self._under_way: dict[int, Target] = {}
        self._unrecorded: list[Entry] = []
        self._samples = Samples()
        self._tally = Tally()
        self._next_flush = monotonic() + FLUSH_SECONDS
        self._most = settings.PUSH_UNRECORDED_MAX
        self._halted = False
        self.lease_lost = False

    def begin(self, target: Target, prepared: PushRequest | Entry) -> None:
        """Starts the request of a device, or notes that there is none."""
        if isinstance(prepared, Entry):
            self._unrecorded.append(prepared)
        else:
            self._under_way[target.device_id] = target
            self._transport.submit(prepared, (target, prepared.endpoint.service))
        self._turn(0.0)

    def has_room(self) -> bool:
        """Waits until another request may start; False when none may: paused, cancelled, lease lost, or ending."""
        while not self._halted and not self._stopping():
            if len(self._under_way) + len(self._unrecorded) < self._most:
                return True
            if self._under_way:
                self._turn(FLUSH_SECONDS)
            else:
                self._flush()
        return False

    def land(self) -> None:
        """Waits for the answers still to come, and records everything."""
        deadline = None
        while self._under_way:
            if deadline is None and self._stopping():
                deadline = monotonic() + LAST_ANSWERS_SECONDS
            if deadline is not None and monotonic() > deadline:
                self._abandon()
                break
            self._turn(FLUSH_SECONDS)
        self._flush()

    def _turn(self, wait: float) -> None:
        """Lets the transport work, notes answers, and records when it is time to."""
        for ticket, answer in self._transport.poll(wait):
            target, service = cast("tuple[Target, PushService]", ticket)
            self._note(target, service, answer)
        if len(self._unrecorded) >= FLUSH_ANSWERS or monotonic() >= self._next_flush:
            self._flush()

    def _note(self, target: Target, service: PushService, answer: Answer) -> None:
        del self._under_way[target.device_id]
        now = self._clock()
        verdict = classify(answer, service=service, now=now.timestamp())
        self._tally.note(target.device_id, verdict, answer)
        if verdict.outcome is not Outcome.ACCEPTED:
            self._samples.note(service, verdict, answer, target.endpoint or "")
        self._unrecorded.append(settle(self._job, target, verdict, answer.status, service, now))

    def _abandon(self) -> None:
        """This process ends now: what has no answer may have arrived, and is tried once more like any such."""
        self._transport.close()
        unknown = Verdict(Outcome.RETRY, "no_answer", None)
        for target in self._under_way.values():
            self._unrecorded.append(settle(self._job, target, unknown, 0, self._job.lease.service, self._clock()))
        self._under_way.clear()

    def _flush(self) -> None:
        now, samples = self._clock(), self._samples.take()
        status = until_written(
            lambda: record(self._job, self._unrecorded, now, samples, self._tally), self._stopping, LAST_ANSWERS_SECONDS
        )
        self._unrecorded, self._tally = [], Tally()
        self._next_flush = monotonic() + FLUSH_SECONDS
        self.lease_lost = self.lease_lost or status is None
        self._halted = self.lease_lost or status is None or not leases.goes_on(status)
