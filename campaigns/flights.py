"""The requests of Batches that are under way in one process, and their outcomes until they are recorded.

A flight is one Batch's. While it only waits for a push service that does not answer, its process works at a Batch of
another road, and while it waits for a few stragglers at one of any road: flights are nested, the one begun last lands
first, and all of them record and renew their leases in time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import Final, cast

from django.conf import settings

from campaigns import leases, roads
from campaigns.answer_samples import Samples
from campaigns.answer_tally import Tally
from campaigns.loading import Job, Target
from campaigns.patience import until_written
from campaigns.preparing import Prepared
from campaigns.recording import Entry, record, settle
from pushplatform.webpush.outcome import Answer, Outcome, Verdict, classify
from pushplatform.webpush.request import PushService
from pushplatform.webpush.transport import Transport

FLUSH_ANSWERS: Final = 250
FLUSH_SECONDS: Final = 0.25
"""Outcomes are recorded, the lease renewed and pause or cancel seen after so many answers or so long."""

LAST_ANSWERS_SECONDS: Final = 5.0
"""How long a process that is asked to end waits for what is under way, and then for a database that is away."""

IDLE_SECONDS: Final = 1.0
"""A flight that got no answer for so long only waits; FLUSH_SECONDS where it waits for stragglers."""

STRAGGLERS: Final = 16
"""So few requests, when all of a Batch have begun: one in two thousand that hangs must not cost its process 15 s."""

MOST_NESTED: Final = 12
MOST_STRAGGLING: Final = 8
"""Flights on one road that wait for stragglers; further Batches of it would rather find it hanging."""

NESTING_SECONDS: Final = 30.0
"""After so long the first flight lands, and its process takes other tasks again."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)  # Django's looks into its settings each time: 7 µs, twice for each message


class Flights:
    """What one process has under way on its transport; the last of `stack` is the one that goes on.

    `elsewhere`: works at a Batch of a road that is none of these, if one is due, rather of another push service than
    those of the flights there are; else does what such a Batch may come of.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        stopping: Callable[[], bool],
        elsewhere: Callable[["Flights", Collection[roads.Key]], None],
    ):
        self.transport, self.clock, self.stopping = transport, clock, stopping
        self._elsewhere = elsewhere
        self._deadline: float | None = None
        self._nests_until = monotonic() + NESTING_SECONDS
        self._next_sweep = monotonic() + settings.PUSH_SWEEP_SECONDS
        self.stack: list[Flight] = []
        self.held_below = 0
        """Requests under way and outcomes not recorded of all flights but the last."""

    def push(self, flight: "Flight") -> None:
        """Lets another Batch's flight go on, above those there are."""
        self.held_below = sum(one.held for one in self.stack)
        self.stack.append(flight)

    def pop(self) -> None:
        """Ends the last; the one before goes on."""
        self.stack.pop()
        self.held_below = sum(one.held for one in self.stack[:-1])

    def turn(self, wait: float) -> None:
        """Lets the transport work, notes answers, and records what it is time to."""
        for ticket, answer in self.transport.poll(wait):
            flight, target, service = cast("tuple[Flight, Target, PushService]", ticket)
            flight.note(target, service, answer)
        for flight in self.stack:
            try:
                flight.flush_in_time()
            except Exception as error:
                if flight is self.stack[-1] or self.stopping():
                    raise
                flight.failure = error  # its own, and of none of those above it
        if len(self.stack) > 1:
            self.held_below = sum(flight.held for flight in self.stack[:-1])

    def wait(self) -> None:
        """Waits for answers; works elsewhere when none come."""
        self.turn(FLUSH_SECONDS)
        if not self.stack[-1].only_waits() or len(self.stack) >= MOST_NESTED or monotonic() > self._nests_until:
            return
        if not self.stopping():
            self._elsewhere(self, self._busy())
            if self.stack[-1].failure:
                raise self.stack[-1].failure

    def is_time_to_sweep(self) -> bool:
        """Whether as long as lies between two sweeps has passed; once asked and true, not again before as long."""
        if monotonic() < self._next_sweep:
            return False
        self._next_sweep = monotonic() + settings.PUSH_SWEEP_SECONDS
        return True

    def _busy(self) -> list[roads.Key]:
        """The roads on which no further Batch is to be begun."""
        straggling = Counter(flight.road for flight in self.stack if flight.straggles())
        return [one.road for one in self.stack if not one.straggles() or straggling[one.road] >= MOST_STRAGGLING]

    def give_up_above(self, depth: int) -> None:
        """Takes off the flights above the first `depth`, which cannot go on: their leases run out."""
        for flight in self.stack[depth:]:
            flight.withdraw()
        while len(self.stack) > depth:
            self.pop()

    def is_over(self) -> bool:
        """Whether this process is to end and has waited long enough for what is under way."""
        if self._deadline is None and self.stopping():
            self._deadline = monotonic() + LAST_ANSWERS_SECONDS
        return self._deadline is not None and monotonic() > self._deadline

    def abandon(self) -> None:
        """This process ends now: what has no answer may have arrived, and is tried once more like any such."""
        for flight in self.stack:
            flight.withdraw()
        self.transport.close()
        for flight in self.stack:
            flight.give_up()


class Flight:
    """The requests of one Batch that are under way, and the outcomes not yet recorded."""

    def __init__(self, job: Job, flights: Flights):
        self._job, self._flights = job, flights
        self._transport, self._clock = flights.transport, flights.clock
        self._under_way: dict[int, Target] = {}
        self._unrecorded: list[Entry] = []
        self._samples, self._tally = Samples(), Tally()
        self._most = settings.PUSH_UNRECORDED_MAX
        flights.push(self)
        # Half of what is left: a road that hangs leaves room for another.
        self._window = max(1, min((self._most - flights.held_below) // 2, job.lease.window or self._most))
        self._allowance = job.lease.allowance
        self._next_flush = monotonic() + FLUSH_SECONDS
        self._next_look = 0.0
        self._halted = self._lands = False
        self.road, self.lane = job.lease.road, job.lease.lane
        self.begun = 0
        self.has_withdrawn = False
        self.lease_lost = False
        self.failure: Exception | None = None
        """Why its outcomes could not be recorded, found while another went on above it."""

    @property
    def held(self) -> int:
        return len(self._under_way) + len(self._unrecorded)

    def begin(self, prepared: Iterable[Prepared]) -> None:
        """Starts the request of each device, or notes that there is none."""
        for target, one in prepared:
            if isinstance(one, Entry):
                self._unrecorded.append(one)
            else:
                self._under_way[target.device_id] = target
                self._transport.submit(one, (self, target, one.endpoint.service))
                self.begun += 1
        self._flights.turn(0.0)

    def room(self) -> int:
        """Waits until requests may start, and says how many; 0 when none may.

        That is when it is paused or cancelled, the allowance is used up, the lease lost, or the process is to end.
        """
        waits = False
        while not self._halted and not self._flights.stopping():
            allowed = self._most if self._allowance is None else self._allowance - self.begun
            if allowed <= 0:
                return 0
            room = min(self._window - len(self._under_way), self._most - self.held - self._flights.held_below)
            if room > 0:
                return min(room, allowed)
            if not waits:
                waits = True
                self._look_later()
            if self._under_way or not self._unrecorded:
                self._flights.wait()
            else:
                self.flush()
        return 0

    def land(self) -> None:
        """Waits for the answers still to come, records everything, and leaves the stack."""
        self._lands = True
        self._look_later()
        while self._under_way:
            if self._flights.is_over():
                self._flights.abandon()
                break
            self._flights.wait()
        self.flush()
        self._flights.pop()

    def only_waits(self) -> bool:
        """Whether no answer has come for a while; once asked and true, not again before the same time has passed."""
        if monotonic() < self._next_look:
            return False
        self._look_later()
        return True

    def straggles(self) -> bool:
        """Whether all of the Batch has begun and few answers have still to come."""
        return self._lands and len(self._under_way) <= STRAGGLERS

    def _look_later(self) -> None:
        self._next_look = monotonic() + (FLUSH_SECONDS if self.straggles() else IDLE_SECONDS)

    def note(self, target: Target, service: PushService, answer: Answer) -> None:
        """Takes the answer for a device."""
        del self._under_way[target.device_id]
        now = self._clock()
        verdict = classify(answer, service=service, now=now.timestamp())
        self._tally.note(target.device_id, verdict, answer)
        if verdict.outcome is not Outcome.ACCEPTED:
            self._samples.note(service, verdict, answer, target.endpoint or "")
        self._unrecorded.append(settle(self._job, target, verdict, answer.status, service, now, error=answer.error))

    def withdraw(self) -> None:
        """Takes back what waits in the transport and has not begun: its devices stay without an outcome."""
        for _, target, _ in self._transport.withdraw(lambda ticket: ticket[0] is self):
            del self._under_way[target.device_id]
            self.begun -= 1
            self.has_withdrawn = True

    def give_up(self) -> None:
        """Notes as unknown what is under way, and cannot be waited for."""
        unknown = Verdict(Outcome.RETRY, "no_answer", None)
        for target in self._under_way.values():
            self._unrecorded.append(settle(self._job, target, unknown, 0, self._job.lease.service, self._clock()))
        self._under_way.clear()

    def flush_in_time(self) -> None:
        """Records when there is enough, when it is time to, or when the road is in trouble."""
        if self.failure is None and (
            len(self._unrecorded) >= FLUSH_ANSWERS
            or monotonic() >= self._next_flush
            or (self._tally.is_trouble and not self._halted)
        ):
            self.flush()

    def flush(self) -> None:
        """Records what there is, and learns whether to go on."""
        if self._unrecorded:
            self._look_later()
        now, samples = self._clock(), self._samples.take()
        status = until_written(
            lambda: record(self._job, self._unrecorded, now, samples, self._tally),
            self._flights.stopping,
            LAST_ANSWERS_SECONDS,
        )
        self._unrecorded, self._tally = [], Tally()
        self._next_flush = monotonic() + FLUSH_SECONDS
        self.lease_lost = self.lease_lost or status is None
        self._halted = self.lease_lost or status is None or not leases.goes_on(status)
        if self._halted:
            self.withdraw()
