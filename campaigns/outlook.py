"""When a message that is being sent will end, and what stands in its way: worked out when asked, from what the roads
to the push services did in the last minutes.

Nothing is promised: each figure is what comes out if all goes on as it does now, and None where nobody can know.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import connection

from campaigns import counting, pacing, refusals, road_history
from campaigns.models import Batch, Message, ServiceState
from campaigns.pacing import Road
from campaigns.road_history import MINUTE, Figures, RoadKey

LOOKED_BACK: Final = 2 * MINUTE
"""Beside the minute that is under way."""

LEAST_SECONDS: Final = 5.0
"""A rate of less time than this would be chance."""

_UNDER_WAY: Final = (Message.Status.FREEZING, Message.Status.SENDING, Message.Status.PAUSED)
_ENDS: Final = tuple(counting.OUTCOMES.values())


class Course(StrEnum):
    """How a road is travelled."""

    OPEN = "open"
    SLOWED = "slowed"
    """Its push service answered that we are too fast: a rate holds."""
    WAITING = "waiting"
    """Nothing goes until a time that the push service asked for."""
    UNREACHABLE = "unreachable"
    """Nothing answered: it is tried again with a few at that time."""
    PROBED = "probed"
    """A rest is over: a few are tried, and the others follow once one of them gets a good answer."""
    REFUSED = "refused"
    """Our key is refused: nothing goes until a person resumes it."""


HELD: Final = (Course.WAITING, Course.UNREACHABLE, Course.REFUSED)
"""Nothing at all goes."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What of a message is to go on one road.

    `per_second`: at what rate, its share of the road, None when nothing tells; `until`: nothing goes before;
    `ends_at`: None when it is not known; `will_expire`: devices that it will be too late for, None when not known.
    """

    key: RoadKey
    devices: int
    course: Course
    reason: str
    until: datetime | None
    per_second: float | None
    ends_at: datetime | None
    will_expire: int | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """`remaining`: devices without an outcome; `more_to_come`: its audience is still being worked out.

    `per_second`: what came to an end in the last minutes, None when nothing did; `retries`: devices that wait for
    another attempt, the first at `next_retry`; `ceilings`: messages per minute, by whose they are (site, campaign).
    `ends_at` and `will_expire` are of all roads together; None when one of them is not known. `will_expire_least`:
    those that will be too late however the unknown goes.
    """

    paused: bool
    remaining: int
    more_to_come: bool
    per_second: float | None
    retries: int
    next_retry: datetime | None
    ceilings: Mapping[str, int]
    roads: Sequence[Ahead]
    expires_at: datetime
    ends_at: datetime | None
    will_expire: int | None
    will_expire_least: int


@dataclass(frozen=True, slots=True)
class _Pace:
    """What was done in the last `seconds`: of this message, and of each road it goes on, whosever it was."""

    seconds: float
    own: int
    roads: Mapping[RoadKey, Figures]

    @property
    def share(self) -> float:
        """Of the roads, what was this message's."""
        everything = sum(one.ended for one in self.roads.values())
        return min(self.own / everything, 1.0) if everything else 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What stands in Batches and retries: `weights` by road, too high where a Batch was worked at in part."""

    weights: Mapping[RoadKey, int]
    used: Sequence[RoadKey]
    retries: int
    next_retry: datetime | None
    last_retry: datetime | None


def outlook(message_id: int, now: datetime) -> Outlook | None:
    """The outlook of a message; None when it is not under way (any more)."""
    message = Message.objects.select_related("site").filter(pk=message_id, status__in=_UNDER_WAY).first()
    if message is None:
        return None
    paused = message.status == Message.Status.PAUSED
    with connection.cursor() as cursor:
        ended = sum(counting.sums(cursor, "message_total", "message_id", message_id, _ENDS).values())
        waiting = _waiting(cursor, message_id)
        pace = _pace(cursor, message, waiting.used, now)
    remaining = max(message.targeted - ended, 0)
    known = roads_now({key.vapid_key_id for key in waiting.weights}, now)
    roads = [
        _ahead(key, devices, known.get(key), pace, message.expires_at, now)
        for key, devices in _shared_out(remaining, waiting.weights).items()
    ]
    ceilings = _ceilings(message)
    will_expire = _will_expire(roads, remaining, ceilings, message.expires_at, now, paused)
    return Outlook(
        paused=paused,
        remaining=remaining,
        more_to_come=message.freeze_cursor < message.freeze_end,
        per_second=pace.own / pace.seconds if pace.own else None,
        retries=waiting.retries,
        next_retry=waiting.next_retry,
        ceilings=ceilings,
        roads=roads,
        expires_at=message.expires_at,
        ends_at=None if paused else _ends_at(roads, remaining, ceilings, waiting, message.expires_at, now),
        will_expire=will_expire if paused or all(one.will_expire is not None for one in roads) else None,
        will_expire_least=0 if paused else will_expire,
    )


def roads_now(vapid_key_ids: Collection[int], now: datetime) -> dict[RoadKey, Road]:
    """The roads with these keys of which something is noted, as pacing would see them at `now`."""
    found = {}
    for state in ServiceState.objects.filter(vapid_key_id__in=vapid_key_ids):
        road = Road(
            now=now,
            rate=state.rate,
            window=state.send_window,
            limit=state.limit_rate,
            clean=state.clean_seconds,
            tokens=state.tokens,
            tokens_at=state.tokens_at,
            strikes=state.strikes,
            throttled_at=state.throttled_at,
            paused_until=state.paused_until,
            reason=state.reason,
        )
        pacing.advance(road)
        found[RoadKey(state.service, state.vapid_key_id)] = road
    return found


def course_of(road: Road | None) -> Course:
    """How a road is travelled; None is one of which nothing is noted."""
    if road is None:
        return Course.OPEN
    if road.is_paused:
        kinds = {refusals.REASON: Course.REFUSED, pacing.UNREACHABLE: Course.UNREACHABLE}
        return kinds.get(road.reason, Course.WAITING)
    if road.strikes:
        return Course.PROBED
    return Course.OPEN if road.rate is None else Course.SLOWED


def _waiting(cursor: Any, message_id: int) -> _Waiting:
    cursor.execute(
        f"""select service, vapid_key_id, coalesce(sum(n) filter (where state <> {Batch.State.DONE:d}), 0)::bigint
            from batch where message_id = %s group by 1, 2 order by 1, 2""",
        [message_id],
    )
    weights = {RoadKey(service, key): number for service, key, number in cursor.fetchall()}
    cursor.execute(
        """select service, vapid_key_id, count(*), min(not_before), max(not_before)
           from retry where message_id = %s group by 1, 2 order by 1, 2""",
        [message_id],
    )
    rows = cursor.fetchall()
    for service, key, number, _, _ in rows:
        weights[RoadKey(service, key)] = weights.get(RoadKey(service, key), 0) + number
    return _Waiting(
        weights={road: number for road, number in weights.items() if number},
        used=tuple(weights),
        retries=sum(row[2] for row in rows),
        next_retry=min((row[3] for row in rows), default=None),
        last_retry=max((row[4] for row in rows), default=None),
    )


def _pace(cursor: Any, message: Message, roads: Sequence[RoadKey], now: datetime) -> _Pace:
    begin = now.replace(second=0, microsecond=0) - LOOKED_BACK
    since = max(begin, message.send_at)
    found = road_history.figures(roads, max(begin, since.replace(second=0, microsecond=0)), now + MINUTE)
    own = sum(one.ended for one in found.values())
    if message.campaign_id is not None:
        cursor.execute(
            f"select coalesce(sum({' + '.join(_ENDS)}), 0)::bigint from campaign_minute"
            " where campaign_id = %s and minute >= %s",
            [message.campaign_id, begin],
        )
        (own,) = cursor.fetchone()
    # What it waited for before its first answer says nothing of how fast it is.
    since = max(since, min((one.first_at for one in found.values() if one.first_at), default=since))
    return _Pace(max((now - since).total_seconds(), LEAST_SECONDS), own, found)


def _shared_out(remaining: int, weights: Mapping[RoadKey, int]) -> dict[RoadKey, int]:
    """`remaining` devices over roads by weight, none lost by rounding."""
    shares, left, weight_left = {}, remaining, sum(weights.values())
    for road, weight in weights.items():
        shares[road] = round(left * weight / weight_left)
        left, weight_left = left - shares[road], weight_left - weight
    return {road: number for road, number in shares.items() if number}


def _ahead(key: RoadKey, devices: int, road: Road | None, pace: _Pace, expires_at: datetime, now: datetime) -> Ahead:
    course = course_of(road)
    until = road.paused_until if road and course in HELD else None
    per_second = _per_second(key, road, pace)
    begin = until or now
    ends_at, will_expire = None, None
    if course is Course.REFUSED or begin >= expires_at:
        will_expire = devices
    elif per_second:
        will_expire = max(devices - int(per_second * (expires_at - begin).total_seconds()), 0)
        ends_at = min(begin + timedelta(seconds=devices / per_second), expires_at)
    return Ahead(key, devices, course, road.reason if road else "", until, per_second, ends_at, will_expire)


def _per_second(key: RoadKey, road: Road | None, pace: _Pace) -> float | None:
    """Of what was really done, and never more than a rate that holds; that rate alone where it is all that is known."""
    found = pace.roads.get(key)
    done = found.ended / pace.seconds if found and found.ended else None
    if road is not None and road.rate is not None:
        # What went before a throttle says nothing of the time after it.
        is_clean = found is not None and not found.counts["throttled"] and not found.counts["unavailable"]
        done = min(done, road.rate) if done and is_clean and course_of(road) is Course.SLOWED else road.rate
    return done * pace.share if done and pace.share else None


def _ceilings(message: Message) -> dict[str, int]:
    """Messages per minute, those that are set."""
    given = {"site": message.site.per_minute, "campaign": message.options.get("per_minute")}
    return {whose: int(number) for whose, number in given.items() if number}


def _will_expire(
    roads: Sequence[Ahead],
    remaining: int,
    ceilings: Mapping[str, int],
    expires_at: datetime,
    now: datetime,
    paused: bool,
) -> int:
    """How many will be too late as far as it is known; of a paused message, unless somebody resumes it, all."""
    if paused:
        return remaining
    minutes = max((expires_at - now).total_seconds(), 0.0) / 60
    over = remaining - int(min(ceilings.values()) * minutes) if ceilings else 0
    return max(sum(one.will_expire or 0 for one in roads), over, 0)


def _ends_at(
    roads: Sequence[Ahead],
    remaining: int,
    ceilings: Mapping[str, int],
    waiting: _Waiting,
    expires_at: datetime,
    now: datetime,
) -> datetime | None:
    """When nothing is left to send: all has gone, or the rest is too late."""
    ends = [expires_at if one.will_expire else one.ends_at for one in roads]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends) and expires_at not in known:
        return None
    if ceilings:
        known.append(now + timedelta(minutes=remaining / min(ceilings.values())))
    if waiting.last_retry is not None:
        known.append(waiting.last_retry)
    return min(max(known, default=now), expires_at)
