"""How roads to push services, rates and moments to come are put into words."""

from datetime import datetime
from typing import Final

from django.utils import formats, timezone

from campaigns.outlook import Course, course_of
from campaigns.pacing import THROTTLED, UNAVAILABLE, UNREACHABLE, Road
from pushplatform.webpush.request import PushService
from subscribers.admin.words import service_name

KIND_WORDS: Final = {
    "accepted": "accepted",
    "gone": "gone",
    "throttled": "too many (429)",
    "unavailable": "in trouble (5xx)",
    "refused": "key refused",
    "rejected": "request refused",
    "no_answer": "no answer",
    "unsent": "not sent",
}
KIND_MEANINGS: Final = {
    "accepted": "The push service took it.",
    "gone": "The browser had unsubscribed; the device was retired.",
    "throttled": "The push service says that we send too much; tried again later.",
    "unavailable": "The push service says that it is in trouble; tried again later.",
    "refused": "Our VAPID key or token was refused.",
    "rejected": "The request itself was refused, such as one that is too large.",
    "no_answer": "Sent, or about to be, and nothing came back: time ran out or the connection broke.",
    "unsent": "Not sent at all: the push service was out of reach.",
}
MARKS: Final = {
    Course.OPEN: ("clear", "reach"),
    Course.SLOWED: ("slowed", "look"),
    Course.WAITING: ("waits", "look"),
    Course.PROBED: ("being tried", "look"),
    Course.UNREACHABLE: ("out of reach", "fail"),
    Course.REFUSED: ("key refused", "fail"),
}
"""The word and the colour of a road's mark."""

BRIEF_UNITS: Final = {"second": "s", "minute": "min", "hour": "h"}

_WHY: Final = {
    THROTTLED: "it answered that we send too much",
    UNAVAILABLE: "it answered that it is in trouble",
    UNREACHABLE: "it did not answer",
}


def name_of(service: int) -> str:
    """A push service as the subject of a sentence."""
    unnamed = {PushService.LOCAL: "The push service on this machine", PushService.OTHER: "Another push service"}
    return unnamed.get(PushService(service)) or service_name(service)


def why(reason: str) -> str:
    """Such as `it answered that we send too much`."""
    return _WHY.get(reason, "it asked us to")


def pace(per_second: float) -> str:
    """A rate in the unit in which it is a number to read: `6,240 a second`, `500 a minute`, `30 an hour`."""
    number, unit = _in_a_unit(per_second)
    return f"{number:,.0f} {'an' if unit == 'hour' else 'a'} {unit}"


def brief_pace(per_second: float) -> str:
    """The same where there is little room: `6,240/s`, `500/min`, `30/h`."""
    number, unit = _in_a_unit(per_second)
    return f"{number:,.0f}/{BRIEF_UNITS[unit]}"


def clock(moment: datetime, now: datetime) -> str:
    """A moment in the Site's time: to the second when it is near, with its day when that is not today."""
    local = timezone.localtime(moment)
    if local.date() != timezone.localtime(now).date():
        return formats.date_format(local, "j M, H:i")
    return f"{local:%H:%M:%S}" if abs(moment - now).total_seconds() < 600 else f"{local:%H:%M}"


def lasting(seconds: float) -> str:
    """A length of time as people say it: `40 seconds`, `3 minutes`, `2 hours`, `4 days`."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        number = seconds / size
        if number >= 2 or unit == "second":
            rounded = max(round(number), 1)
            return f"{rounded} {unit}{'' if rounded == 1 else 's'}"
    raise AssertionError


def quick(seconds: float | None) -> str:
    """A latency: `41 ms`, `2.3 s`; a dash where nothing was answered."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:,.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def sentence(road: Road | None, now: datetime) -> str:
    """What is happening on a road, and why."""
    course = course_of(road)
    if road is None or course is Course.OPEN:
        return "Open: it gets as much as it answers."
    until, rate = _until(road, now), pace(road.rate or 0)
    if course is Course.REFUSED:
        return "It refuses this key from everybody, so nothing goes until somebody resumes it."
    if course is Course.UNREACHABLE:
        return f"Nothing answers. It is tried again with a few at {until}; what waits is kept."
    if course is Course.PROBED:
        return f"A few are being tried, because {why(road.reason)} before; the others follow once one is accepted."
    if course is Course.WAITING:
        then = f", then goes on at {rate}" if road.rate else ""
        return f"Waits until {until} because {why(road.reason)}{then}."
    at = f" at {clock(road.throttled_at, now)}" if road.throttled_at else ""
    return f"Slowed to {rate} because {why(road.reason)}{at}. It grows back by itself."


def short(road: Road, now: datetime) -> str:
    """The same in a few words, for a line that names the push service; empty when the road is open."""
    return {
        Course.OPEN: "",
        Course.SLOWED: f"slowed to {pace(road.rate or 0)}",
        Course.WAITING: f"waits until {_until(road, now)}",
        Course.PROBED: "a few are being tried",
        Course.UNREACHABLE: f"out of reach, tried again at {_until(road, now)}",
        Course.REFUSED: "refuses our key: paused",
    }[course_of(road)]


def notice(service: int, road: Road, now: datetime) -> str:
    """The same as news of a Site; empty when the road is open."""
    name, until = name_of(service), _until(road, now)
    return {
        Course.OPEN: "",
        Course.SLOWED: f"{name} slows this site: {pace(road.rate or 0)} at most, because {why(road.reason)}.",
        Course.WAITING: f"{name} slows this site until {until}, because {why(road.reason)}.",
        Course.PROBED: f"{name} is being tried with a few, because {why(road.reason)} before.",
        Course.UNREACHABLE: f"{name} is out of reach; it is tried again at {until}.",
        Course.REFUSED: f"{name} refuses this site’s key.",
    }[course_of(road)]


def _until(road: Road, now: datetime) -> str:
    return clock(road.paused_until, now) if road.paused_until else ""


def _in_a_unit(per_second: float) -> tuple[float, str]:
    for unit, seconds in (("second", 1), ("minute", 60)):
        if per_second * seconds >= 10:
            return per_second * seconds, unit
    return per_second * 3600, "hour"
