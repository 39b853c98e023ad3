"""How fast a road may go: arithmetic only, without database or clock. A road is a push service with one VAPID key.

A road is open until EVIDENCE devices in a row get a bad answer. It then rests: as long as Retry-After asks for, or
longer each time. After a rest comes a probe of PROBE messages, and once one of them gets a good answer the road goes
on. Where the service said "too many" or was in trouble, it goes on at half of what it took before, in slices, and grows
back: to that rate in GROW_SECONDS of clean sending, slowly there, then faster and faster until it is open again (a
cubic curve, as TCP CUBIC's, RFC 9438 §4.2).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.answer_tally import EVIDENCE, Run

THROTTLED: Final = "throttled"
UNAVAILABLE: Final = "unavailable"
UNREACHABLE: Final = "unreachable"
REASONS: Final = frozenset({THROTTLED, UNAVAILABLE, UNREACHABLE})

GROW_SECONDS: Final = 120.0
OPEN_RATE: Final = 500.0
OPEN_FACTOR: Final = 20.0
"""A road is open again at so many messages a second, or so many times what it once took: after nine clean minutes."""

IDLE_SECONDS: Final = 3_600.0
"""A road that nobody used for so long is open again."""

LEAST_RATE: Final = 0.1
FIRST_RATE: Final = 1.0
"""A second: after a throttle under which nothing was accepted, and before which nothing is known."""

LEAST_WINDOW: Final = 8
MOST_WINDOW: Final = 250
PROBE: Final = EVIDENCE
PROBE_SECONDS: Final = 20.0
"""So long a probe may take: nobody else is let through meanwhile."""

BORROWED_SECONDS: Final = 10.0
"""Targeted messages go ahead of what campaigns send in so long."""

FIRST_REST: Final = {THROTTLED: 10.0, UNAVAILABLE: 10.0, UNREACHABLE: 30.0}
BROKEN_REST: Final = 1.0
"""Seconds, doubled each time: where connections only broke, with all that was under way on them, new ones may hold."""

LONGEST_REST: Final = 300.0
LONGEST_ASKED: Final = 3_600.0
"""Seconds; a service that asks a road for more is probed after that."""


@dataclass(slots=True)
class Bucket:
    """Tokens, one for each message, that come at `rate` a second up to `capacity`; the taker leaves `floor` in it."""

    tokens: float
    rate: float
    capacity: float
    floor: float = 0.0

    def slice(self, wanted: int) -> int:
        """How many of `wanted` messages may go now; 0 while it is too few to be worth the trouble."""
        free = int(min(self.tokens, self.capacity) - self.floor + 1e-6)
        return min(wanted, free) if free >= self.least(wanted) else 0

    def least(self, wanted: int) -> int:
        return max(1, min(wanted, int((self.capacity - max(self.floor, 0.0)) / 4)))

    def wait(self, wanted: int) -> float:
        """Seconds until there is a slice of so many or of a quarter of the capacity."""
        return max(0.0, (self.floor + self.least(wanted) - self.tokens) / self.rate)


@dataclass(slots=True)
class Road:
    """A row of `service_state` as pacing sees it; the names are told there."""

    now: datetime
    rate: float | None = None
    window: int | None = None
    limit: float | None = None
    clean: float = 0.0
    tokens: float = 0.0
    tokens_at: datetime | None = None
    strikes: int = 0
    throttled_at: datetime | None = None
    paused_until: datetime | None = None
    reason: str = ""
    slowed_by: str = ""
    troubled: list[int] = field(default_factory=list)

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > self.now


def bucket(road: Road, *, targeted: bool, period: float) -> Bucket | None:
    """What may be sent on the road now; None for as much as one likes. `period`: seconds between two sweeps."""
    if road.is_paused:
        return Bucket(0.0, 1.0, 1.0)
    if road.strikes:
        return Bucket(0.0 if _rests(road) else float(PROBE), PROBE / PROBE_SECONDS, float(PROBE))
    if road.rate is None:
        return None
    capacity = max(1.0, road.rate * (period + 2.0))
    return Bucket(min(road.tokens, capacity), road.rate, capacity, -BORROWED_SECONDS * road.rate if targeted else 0.0)


def advance(road: Road) -> None:
    """Brings tokens, rate and window of a road that goes on to its `now`; nothing moves while it rests."""
    if road.is_paused or road.strikes or road.rate is None:
        return
    idle = max(0.0, (road.now - (road.tokens_at or road.now)).total_seconds())
    road.tokens_at = max(road.now, road.tokens_at or road.now)
    limit = road.limit or road.rate
    road.tokens += idle * road.rate
    road.clean += min(idle, GROW_SECONDS / 4)
    road.rate = max(LEAST_RATE, _grown(limit, road.clean))
    road.window = _window(road.rate)
    if idle >= IDLE_SECONDS or road.rate >= min(OPEN_RATE, OPEN_FACTOR * max(limit, LEAST_RATE)):
        _open(road)


def spend(road: Road, number: int, *, period: float) -> None:
    """Takes tokens for messages that are about to go; a probe shuts the door behind it."""
    if road.strikes:
        road.tokens, road.tokens_at = 0.0, road.now + timedelta(seconds=PROBE_SECONDS)
    elif road.rate is not None:
        road.tokens = min(road.tokens, max(1.0, road.rate * (period + 2.0))) - number


def slow_down(road: Road, run: Run, accepted: int, seconds: float) -> None:
    """What a run of bad answers does to the road: once for an incident, which lasts as long as the rest it brings.

    `accepted`: in the last `seconds`.
    """
    if road.is_paused:
        if run.retry_after and road.reason in REASONS:
            asked = road.now + timedelta(seconds=min(run.retry_after, LONGEST_ASKED))
            road.paused_until = max(road.paused_until or asked, asked)
        return
    reason = THROTTLED if run.throttled else UNAVAILABLE if run.unavailable else UNREACHABLE
    first = BROKEN_REST if reason == UNREACHABLE and not run.silent else FIRST_REST[reason]
    rest = _rest(first, run.retry_after, road.strikes)
    if reason != UNREACHABLE:
        _halve(road, reason, accepted / (max(seconds, 1.0) + rest))
    if reason != UNREACHABLE or road.rate is None:
        road.throttled_at = road.now
    road.strikes += 1
    road.reason = reason
    road.paused_until = road.tokens_at = road.now + timedelta(seconds=rest)
    road.tokens = 0.0
    road.troubled = []


def recover(road: Road) -> None:
    """A good answer came: what a rest had held back goes on."""
    if road.strikes and not road.is_paused:
        road.strikes = 0
        road.tokens_at = road.now
        if road.reason in REASONS:
            road.reason = road.slowed_by  # also where the rest was for another reason than the rate


def _halve(road: Road, reason: str, took: float) -> None:
    limit = took or road.limit or (FIRST_RATE if reason == THROTTLED else None)
    if limit is None:
        return
    road.limit, road.clean, road.slowed_by = max(limit, LEAST_RATE), 0.0, reason
    road.rate = max(LEAST_RATE, _grown(road.limit, 0.0))
    road.window = _window(road.rate)
    if road.rate >= OPEN_RATE:
        _open(road)


def _open(road: Road) -> None:
    road.rate = road.window = road.limit = None
    road.clean = road.tokens = 0.0
    road.tokens_at, road.slowed_by = None, ""
    if road.reason in REASONS and not road.is_paused:
        road.reason = ""


def _rests(road: Road) -> bool:
    return road.tokens_at is not None and road.tokens_at > road.now


def _rest(first: float, asked: float | None, strikes: int) -> float:
    """Seconds; at least as long as was asked for."""
    doubled = float(2 ** min(strikes, 16))
    if asked is not None:
        return max(min(asked, LONGEST_ASKED), min(doubled, LONGEST_REST))
    return min(first * doubled, LONGEST_REST)


def _grown(limit: float, clean: float) -> float:
    """A second: half of `limit` at first, `limit` after GROW_SECONDS."""
    return limit * (1.0 + 0.5 * (clean / GROW_SECONDS - 1.0) ** 3)


def _window(rate: float) -> int:
    return max(LEAST_WINDOW, min(MOST_WINDOW, round(rate)))
