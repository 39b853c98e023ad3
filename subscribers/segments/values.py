"""The values of rules: parsed from JSON, or refused with what to write instead."""

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from subscribers.segments.fields import Wrong

MOST_VALUES = 100
LONGEST_TEXT = 1000
LONGEST_SPAN = timedelta(days=3650)

Parse = Callable[[Mapping[str, Any]], Any]

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def none(members: Mapping[str, Any]) -> None:
    """Of operators that take no value."""


def one(read: Callable[[Any], Any]) -> Parse:
    """The member `value`, read by `read`."""

    def parse(members: Mapping[str, Any]) -> Any:
        if "value" not in members:
            raise Wrong("value", "required", "is missing: say what to compare with")
        return read(members["value"])

    return parse


def many(read: Callable[[Any], Any]) -> Parse:
    """The member `value`: a list, each of its entries read by `read`; a tuple without doubles."""

    def parse(members: Mapping[str, Any]) -> tuple[Any, ...]:
        value = one(lambda raw: raw)(members)
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            raise Wrong("value", "invalid_value", f"must be a list of 1 to {MOST_VALUES} values")
        return tuple(dict.fromkeys(map(read, value)))

    return parse


def text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT or "\0" in value:
        raise Wrong("value", "invalid_type", f"must be a text of 1 to {LONGEST_TEXT} characters")
    return value


def among(choices: Collection[str]) -> Callable[[Any], str]:
    """A text out of `choices`, in any case."""

    def read(value: Any) -> str:
        found = text(value).lower()
        if found not in choices:
            raise Wrong("value", "unknown_value", f"must be one of {', '.join(choices)}")
        return found

    return read


def country(value: Any) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", text(value)):
        raise Wrong("value", "unknown_value", "must be a country of two letters, such as PL")
    return str(value).upper()


def number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong("value", "invalid_type", "must be a number")
    return Decimal(str(value))


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("value", "invalid_type", "must be true or false")
    return value


def day(value: Any) -> date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Wrong("value", "invalid_type", "must be a date such as 2026-03-31")


def span(value: Any) -> timedelta:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found and (length := timedelta(**{_UNITS[found[2]]: int(found[1])})) and length <= LONGEST_SPAN:
        return length
    raise Wrong("value", "invalid_type", "must be a span of time such as 90m, 12h, 30d or 8w, at most 3650 days")


def moment(value: Any) -> datetime:
    """A time with its offset, or a date, which begins in UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and not _DATE.fullmatch(value)):
        raise Wrong("value", "invalid_type", "must be a date, or a time with offset, such as 2026-03-31T10:00:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def say(value: Any) -> str:
    """A value in words."""
    if isinstance(value, tuple):
        return ", ".join(map(say, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
            if minutes % size == 0:
                return f"{minutes // size} {unit}{'' if minutes == size else 's'}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    return str(value)
