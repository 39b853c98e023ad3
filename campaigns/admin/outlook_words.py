"""The outlook of a campaign in sentences: what is happening, why, and when it ends or expires at this rate."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from campaigns.admin.road_words import clock, lasting, name_of, pace, why
from campaigns.outlook import Ahead, Course, Outlook


class Line(NamedTuple):
    """`colour`: "", look or fail."""

    colour: str
    text: str


def told(outlook: Outlook | None, now: datetime) -> dict[str, Any]:
    """`lines`: the first is the outlook itself, the others why it is so; `left`: seconds to the end, None when they
    are not known."""
    if outlook is None:
        return {"lines": [], "left": None}
    lines = [_outlook(outlook, now), *_roads(outlook, now), *_ceilings(outlook), *_retries(outlook, now)]
    ends = outlook.ends_at
    is_known = ends is not None and not outlook.more_to_come
    left = max((ends - now).total_seconds(), 0.0) if ends is not None and is_known else None
    return {"lines": [line._asdict() for line in lines], "left": left}


def _outlook(outlook: Outlook, now: datetime) -> Line:
    expires = clock(outlook.expires_at, now)
    left = f"{outlook.remaining:,}"
    if outlook.paused:
        return Line("look", f"Paused: nothing goes. If nobody resumes it before {expires}, the {left} left expire.")
    if outlook.more_to_come:
        return Line("", "It is being worked out who gets it, and sent to those who are known.")
    if not outlook.remaining:
        return Line("", "All have an outcome; it comes to its end now.")
    if outlook.will_expire == outlook.remaining:
        return Line("fail", f"As things are, all {left} left expire unsent at {expires}.")
    if outlook.will_expire_least:
        at_least = "At this rate about" if outlook.will_expire is not None else "At least"
        number = f"{at_least} {_about(outlook.will_expire_least)} of the {left} left"
        return Line("fail", f"{number} expire unsent at {expires}.")
    if outlook.ends_at is None:
        return Line("", f"When it ends is not known yet: {_unknown(outlook)}. It is tried until {expires}.")
    wait = lasting((outlook.ends_at - now).total_seconds())
    return Line("", f"At this rate it ends at {clock(outlook.ends_at, now)}, in {wait}; it has time until {expires}.")


def _unknown(outlook: Outlook) -> str:
    if outlook.per_second is None:
        return "nothing came to an end in the last minutes"
    names = sorted({name_of(one.key.service) for one in outlook.roads if one.ends_at is None})
    return f"nothing was answered by {' and '.join(names)} in the last minutes"


def _about(number: int) -> str:
    """Two figures are all that an outlook knows."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{round(number / step) * step:,}"


def _roads(outlook: Outlook, now: datetime) -> Iterator[Line]:
    for one in outlook.roads:
        if one.course is not Course.OPEN:
            end = "" if outlook.paused else _end_of(one, now)
            yield Line("fail" if one.course is Course.REFUSED else "look", _road(one, now, end))


def _road(one: Ahead, now: datetime, end: str) -> str:
    name, devices = name_of(one.key.service), f"{one.devices:,} left for it"
    until = clock(one.until, now) if one.until else ""
    if one.course is Course.REFUSED:
        return f"{name} refuses our key: {devices}, each until the campaign expires or somebody resumes it."
    if one.course is Course.UNREACHABLE:
        return f"{name} is out of reach: {devices}, tried again with a few at {until}."
    if one.course is Course.PROBED:
        return f"{name} is being tried with a few, because {why(one.reason)} before: {devices}."
    if one.course is Course.WAITING:
        return f"{name} waits until {until} because {why(one.reason)}: {devices}{end}."
    slowed = f"is slowed to {pace(one.per_second)}" if one.per_second else "is slowed"
    return f"{name} {slowed} because {why(one.reason)}: {devices}{end}."


def _end_of(one: Ahead, now: datetime) -> str:
    if one.will_expire:
        return f", of which about {_about(one.will_expire)} expire unsent"
    return f", done at {clock(one.ends_at, now)} at this rate" if one.ends_at else ""


def _ceilings(outlook: Outlook) -> Iterator[Line]:
    whose = {"campaign": "This campaign’s own ceiling", "site": "The site’s ceiling"}
    for name, number in outlook.ceilings.items():
        yield Line("", f"{whose[name]}: {number:,} a minute.")


def _retries(outlook: Outlook, now: datetime) -> Iterator[Line]:
    if outlook.retries and outlook.next_retry is not None:
        soon = outlook.next_retry <= now
        begin = "now" if soon else f"from {clock(outlook.next_retry, now)} on"
        yield Line("", f"{outlook.retries:,} wait to be tried again, {begin}.")
