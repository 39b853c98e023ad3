"""How often something happened, and when last: the operators that events and reports of browsers share."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from subscribers.segments import values
from subscribers.segments.fields import Operator, Sql, Surroundings, Takes, Wrong
from subscribers.segments.values import whole

MOST: Final = 10_000
"""Times."""


class Times(NamedTuple):
    """At least `least` and at most `most` times (None: no end), within the last `span` (None: ever), of `what`."""

    least: int
    most: int | None
    span: timedelta | None
    what: Any
    words: str


class What(NamedTuple):
    """What happens, as read from a rule's members other than field, op, value and within."""

    members: frozenset[str]
    read: Callable[[Mapping[str, Any], Surroundings], Any]
    say: Callable[[Any], str]


Write = Callable[[Times, datetime], Sql]

_COUNT = whole(0, MOST)
_WORDS: Final = {
    "eq": "exactly", "ne": "other than", "gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most",
    "between": "between",
}  # fmt: skip


def how_often(what: What, write: Write, found: Write) -> dict[str, Operator]:
    """Operators that take a number of times, `within` a span of time, and what `what` reads."""
    members = what.members | {"value", "within"}

    def say(value: Times) -> str:
        span = f" within the last {values.say(value.span)}" if value.span else ""
        return f"{value.words}{span}{what.say(value.what)}"

    def opposite(value: Times, now: datetime) -> Sql:
        sql = write(value, now)
        return sql._replace(text=f"(({sql.text}) is not true)")

    return {
        op: Operator(
            Takes("counts" if op == "between" else "count", _reader(op, what), members),
            opposite if op == "ne" else write,
            f"{words} … times",
            say,
            found,
        )
        for op, words in _WORDS.items()
    }


def _reader(op: str, what: What) -> Callable[[Mapping[str, Any], Surroundings], Times]:
    def parse(given: Mapping[str, Any], site: Surroundings) -> Times:
        low, high = _range(op, given, site)
        try:
            span = values.span(given["within"], site) if "within" in given else None
        except Wrong as wrong:
            raise Wrong("within", wrong.code, wrong.detail) from None
        return Times(low, high, span, what.read(given, site), _say_number(op, given["value"]))

    return parse


def _range(op: str, given: Mapping[str, Any], site: Surroundings) -> tuple[int, int | None]:
    if op == "between":
        low, high = values.two("counts", _COUNT).parse(given, site)
        return low, high
    number = values.one("count", _COUNT).parse(given, site)
    return {
        "eq": (number, number), "ne": (number, number), "gt": (number + 1, None), "gte": (number, None),
        "lt": (0, number - 1), "lte": (0, number),
    }[op]  # fmt: skip


def _say_number(op: str, value: Any) -> str:
    if op == "between":
        return f"between {value[0]} and {value[1]} times"
    return f"{_WORDS[op]} {'once' if value == 1 else f'{value} times'}"


def when_last(what: What, of: Callable[[Any], Mapping[str, Operator]], any_: Any) -> dict[str, Operator]:
    """The operators of a time, each taking also what `what` reads. `of`: the operators of the time when it was last,
    by what was read; `any_`: what is read of a rule that says nothing about it."""
    return {op: _paired(op, operator, what, of) for op, operator in of(any_).items()}


def _paired(op: str, operator: Operator, what: What, of: Callable[[Any], Mapping[str, Operator]]) -> Operator:
    takes = operator.takes

    def parse(given: Mapping[str, Any], site: Surroundings) -> tuple[Any, Any]:
        return takes.parse(given, site), what.read(given, site)

    def say(value: tuple[Any, Any]) -> str:
        own = operator.say(value[0]) if operator.say else f"{operator.words} {values.say(value[0])}"
        return f"{own}{what.say(value[1])}"

    def found(value: tuple[Any, Any], now: datetime) -> Sql:
        chosen = of(value[1])[op].found
        return chosen(value[0], now) if chosen else Sql("null")

    return Operator(
        Takes(takes.input, parse, takes.members | what.members, takes.choices),
        lambda value, now: of(value[1])[op].sql(value[0], now),
        operator.words,
        say,
        found if operator.found else None,
    )
