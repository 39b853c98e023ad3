"""The values of rules: parsed from JSON, or refused with what to write instead."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from subscribers.segments.fields import Surroundings, Takes, Wrong

MOST_VALUES = 100
LONGEST_TEXT = 1000
LONGEST_SPAN = timedelta(days=3650)
MOST_DAYS_AHEAD = 365
YEARS: Final = (1900, 2200)
"""Times beyond are typing errors."""

Read = Callable[[Any, Surroundings], Any]

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Period(NamedTuple):
    """From `low` on and before `high`; None is open. `words`: as it was given."""

    low: datetime | None
    high: datetime | None
    words: str


class Days(NamedTuple):
    """A number of days counted from today, which is the Site's day."""

    number: int
    zone: ZoneInfo


NONE: Final = Takes("none", lambda members, site: None, frozenset())
"""Of operators that take no value."""


def one(input: str, read: Read, choices: Mapping[str, str] | None = None) -> Takes:
    """The member `value`, read by `read`."""
    return Takes(input, lambda members, site: read(_value(members), site), choices=_pairs(choices))


def many(input: str, read: Read, choices: Mapping[str, str] | None = None) -> Takes:
    """The member `value`: a list, each of its entries read by `read`; a tuple without doubles."""

    def parse(members: Mapping[str, Any], site: Surroundings) -> tuple[Any, ...]:
        value = _value(members)
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            raise Wrong("value", "invalid_value", f"must be a list of 1 to {MOST_VALUES} values")
        found = []
        for place, entry in enumerate(value):
            try:
                found.append(read(entry, site))
            except Wrong as wrong:
                raise Wrong(f"value/{place}", wrong.code, wrong.detail) from None
        return tuple({(isinstance(entry, bool), entry): entry for entry in found}.values())  # to Python True is 1

    return Takes(input, parse, choices=_pairs(choices))


def two(input: str, read: Read) -> Takes:
    """The member `value`: a list of the least and the greatest value."""

    def parse(members: Mapping[str, Any], site: Surroundings) -> tuple[Any, Any]:
        value = _value(members)
        if not isinstance(value, list) or len(value) != 2:
            raise Wrong("value", "invalid_value", "must be a list of two values, the least and the greatest")
        low, high = read(value[0], site), read(value[1], site)
        if low > high:
            raise Wrong("value", "invalid_value", "must be the least value first, then the greatest")
        return low, high

    return Takes(input, parse)


def text(value: Any, site: Surroundings) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or not _storable(value):
        raise Wrong("value", "invalid_type", f"must be a text of 1 to {LONGEST_TEXT} characters")
    return value


def among(choices: Collection[str]) -> Read:
    """A text out of `choices`, in any case."""

    def read(value: Any, site: Surroundings) -> str:
        found = text(value, site).lower()
        if found not in choices:
            raise Wrong("value", "unknown_value", f"must be one of {', '.join(choices)}")
        return found

    return read


def country(value: Any, site: Surroundings) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text(value, site)):
        raise Wrong("value", "unknown_value", "must be a country of two letters, such as PL")
    return str(value).upper()


def number(value: Any, site: Surroundings) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        raise Wrong("value", "invalid_type", "must be a number")
    return Decimal(str(value))


def whole(least: int, most: int) -> Read:
    """A whole number from `least` to `most`."""

    def read(value: Any, site: Surroundings) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Wrong("value", "invalid_type", f"must be a whole number from {least} to {most:,}")
        return value

    return read


def boolean(value: Any, site: Surroundings) -> bool:
    if not isinstance(value, bool):
        raise Wrong("value", "invalid_type", "must be true or false")
    return value


def day(value: Any, site: Surroundings) -> date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Wrong("value", "invalid_type", "must be a date such as 2026-03-31")


def span(value: Any, site: Surroundings) -> timedelta:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found and (length := timedelta(**{_UNITS[found[2]]: int(found[1])})) and length <= LONGEST_SPAN:
        return length
    raise Wrong("value", "invalid_type", "must be a span of time such as 90m, 12h, 30d or 8w, at most 3650 days")


def whole_days(value: Any, site: Surroundings) -> Days:
    """A span of days or weeks."""
    length = span(value, site)
    if value[-1] not in "dw":
        raise Wrong("value", "invalid_type", "must be days or weeks, such as 30d or 8w: a date has no hours")
    return Days(length.days, site.zone)


def days_ahead(value: Any, site: Surroundings) -> Days:
    return Days(whole(0, MOST_DAYS_AHEAD)(value, site), site.zone)


def before(value: Any, site: Surroundings) -> Period:
    return Period(None, _begin(value, site), _words(value))


def after(value: Any, site: Surroundings) -> Period:
    """After a day is from the next day on."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        return Period(_end(value, site), None, value)
    return Period(_begin(value, site) + timedelta(microseconds=1), None, _words(value))


def on(value: Any, site: Surroundings) -> Period:
    found = day(value, site)
    return Period(_begin(value, site), _end(value, site), found.isoformat())


def between(members: Mapping[str, Any], site: Surroundings) -> Period:
    """Two times, or two days that both belong to it."""
    value = _value(members)
    if not isinstance(value, list) or len(value) != 2:
        raise Wrong("value", "invalid_value", "must be a list of two days or times, the earlier first")
    low, high = _begin(value[0], site), _end(value[1], site)
    if low > high:
        raise Wrong("value", "invalid_value", "must be the earlier time first, then the later")
    return Period(low, high, f"{_words(value[0])} and {_words(value[1])}")


def say(value: Any) -> str:
    """A value in words."""
    if isinstance(value, Period):
        return value.words
    if isinstance(value, Days):
        return f"{value.number} day{'' if value.number == 1 else 's'}"
    if isinstance(value, tuple):
        return ", ".join(map(say, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
            if minutes % size == 0:
                return f"{minutes // size} {unit}{'' if minutes == size else 's'}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _value(members: Mapping[str, Any]) -> Any:
    if "value" not in members:
        raise Wrong("value", "required", "is missing: say what to compare with")
    return members["value"]


def _pairs(choices: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple((choices or {}).items())


def _storable(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of a double
        return False


def _begin(value: Any, site: Surroundings) -> datetime:
    """A time with its offset, or a day, which begins in the Site's time zone."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and not _DATE.fullmatch(value)):
        raise Wrong("value", "invalid_type", "must be a date, or a time with offset, such as 2026-03-31T10:00:00Z")
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise Wrong("value", "invalid_value", f"must be between the years {YEARS[0]} and {YEARS[1]}")
    return found if found.tzinfo else found.replace(tzinfo=site.zone)


def _end(value: Any, site: Surroundings) -> datetime:
    """The end of a day; of a time the next moment after it."""
    found = _begin(value, site)
    if _DATE.fullmatch(value):
        return datetime.combine(found.date() + timedelta(days=1), time.min, site.zone)
    return found + timedelta(microseconds=1)


def _words(value: str) -> str:
    return value if _DATE.fullmatch(value) else f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M %Z}"
