"""The operators of each type of field, over a column of the device or contact.

A negated operator is exactly the opposite of its positive one: who has no value at all "is not" any value.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from subscribers.segments import values
from subscribers.segments.fields import Operator, Sql, Takes
from subscribers.segments.values import Days, Period, Read, many, one, two

Operators = dict[str, Operator]
Write = Callable[[Any, datetime], Sql]


def negated(write: Write) -> Write:
    """Holds where `write` does not, null included."""

    def sql(value: Any, now: datetime) -> Sql:
        text, parameters, tables = write(value, now)
        return Sql(f"(({text}) is not true)", parameters, tables)

    return sql


def just(words: str) -> Callable[[Any], str]:
    """These words, without a value."""
    return lambda value: words


def compare(column: str, sign: str) -> Write:
    return lambda value, now: Sql(f"{column} {sign} %s", (value,))


def presence(known: Write) -> Operators:
    """`is_set` and `is_not_set` by the condition `known`, which looks at no value."""
    return {
        "is_set": Operator(values.NONE, known, "is known", just("is known")),
        "is_not_set": Operator(values.NONE, negated(known), "is not known", just("is not known")),
    }


def opposed(op: str, other: str, takes: Takes, write: Write, words: str, other_words: str) -> Operators:
    """An operator and its opposite."""
    return {op: Operator(takes, write, words), other: Operator(takes, negated(write), other_words)}


def text(column: str, read: Read = values.text, *, parameters: tuple[Any, ...] = ()) -> Operators:
    """A text that is empty, or null, when it is not known. Parts of texts are compared without regard to case."""

    def write(condition: str) -> Write:
        return lambda value, now: Sql(condition, (*parameters, value))

    among: Write = lambda value, now: Sql(f"{column} = any(%s)", (*parameters, list(value)))  # noqa: E731
    return {
        **opposed("eq", "ne", one("text", read), write(f"{column} = %s"), "is", "is not"),
        **opposed("in", "not_in", many("texts", read), among, "is one of", "is none of"),
        **parts(column, parameters),
        **presence(lambda value, now: Sql(f"{column} <> ''", parameters)),
    }


def parts(column: str, parameters: tuple[Any, ...] = ()) -> Operators:
    """What a text begins with or contains; letters only: no sign in the value means anything else."""
    takes = one("text", values.text)

    def write(condition: str) -> Write:
        return lambda value, now: Sql(condition, (*parameters, value))

    starts, contains = f"starts_with(lower({column}), lower(%s))", f"strpos(lower({column}), lower(%s)) > 0"
    return {
        **opposed("starts_with", "not_starts_with", takes, write(starts), "starts with", "does not start with"),
        **opposed("contains", "not_contains", takes, write(contains), "contains", "does not contain"),
    }


def choice(column: str, choices: Mapping[str, str]) -> Operators:
    """One of few words, empty when it is not known; `choices`: what each is called."""
    read = values.among(choices)
    among: Write = lambda value, now: Sql(f"{column} = any(%s)", (list(value),))  # noqa: E731
    return {
        **opposed("eq", "ne", one("choice", read, choices), compare(column, "="), "is", "is not"),
        **opposed("in", "not_in", many("choices", read, choices), among, "is one of", "is none of"),
        **presence(lambda value, now: Sql(f"{column} <> ''")),
    }


def language(column: str) -> Operators:
    """A language tag: `pl` also matches `pl-PL` (RFC 4647 §3.3.1)."""

    def among(value: Any, now: datetime) -> Sql:
        wanted = [tag.lower() for tag in value]
        return Sql(
            f"exists (select from unnest(%s::text[]) tag where lower({column}) = tag"
            f" or starts_with(lower({column}), tag || '-'))",
            (wanted,),
        )

    single: Write = lambda value, now: among((value,), now)  # noqa: E731
    return {
        **opposed("eq", "ne", one("text", values.text), single, "is", "is not"),
        **opposed("in", "not_in", many("texts", values.text), among, "is one of", "is none of"),
        **presence(lambda value, now: Sql(f"{column} <> ''")),
    }


def boolean(expression: str, yes: str, no: str) -> Operators:
    """An expression that is true, false or null, with the words for both answers."""

    def equal(value: bool, now: datetime) -> Sql:
        return Sql(f"({expression}) is {'true' if value else 'not true'}")

    takes = one("boolean", values.boolean, {"true": yes, "false": no})
    return {
        "eq": Operator(takes, equal, "is", lambda value: yes if value else no),
        "ne": Operator(takes, negated(equal), "is not", lambda value: no if value else yes),
    }


def order(takes: Takes, write: Callable[[str], Write], words: tuple[str, str, str, str]) -> Operators:
    signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    return {op: Operator(takes, write(sign), word) for (op, sign), word in zip(signs.items(), words, strict=True)}


NUMBER_WORDS = ("is more than", "is at least", "is less than", "is at most")


def number(expression: str, parameters: tuple[Any, ...] = ()) -> Operators:
    """A number or null."""

    def write(sign: str) -> Write:
        return lambda value, now: Sql(f"{expression} {sign} %s::numeric", (*parameters, str(value)))

    def in_between(value: Any, now: datetime) -> Sql:
        return Sql(f"{expression} between %s::numeric and %s::numeric", (*parameters, *map(str, value)))

    def among(value: Any, now: datetime) -> Sql:
        return Sql(f"{expression} = any(%s::numeric[])", (*parameters, list(value)))

    single = one("number", values.number)
    return {
        **opposed("eq", "ne", single, write("="), "is", "is not"),
        **opposed("in", "not_in", many("numbers", values.number), among, "is one of", "is none of"),
        **order(single, write, NUMBER_WORDS),
        **between_pair(two("range", values.number), in_between),
    }


def between_pair(takes: Takes, write: Write) -> Operators:
    def say(words: str) -> Callable[[Any], str]:
        return lambda value: f"{words} {values.say(value[0])} and {values.say(value[1])}"

    return {
        "between": Operator(takes, write, "is between", say("is between")),
        "not_between": Operator(takes, negated(write), "is not between", say("is not between")),
    }


def time(column: str, wrap: Callable[[Sql], Sql] = lambda sql: sql) -> Operators:
    """A point in time or null; `within` counts back from the present, days are the Site's. `wrap` has the last word."""

    def within(value: timedelta, now: datetime) -> Sql:
        return wrap(Sql(f"{column} > %s", (now - value,)))

    def period(value: Period, now: datetime) -> Sql:
        bounds = [(sign, at) for sign, at in ((">=", value.low), ("<", value.high)) if at is not None]
        return wrap(Sql(" and ".join(f"{column} {sign} %s" for sign, _ in bounds), tuple(at for _, at in bounds)))

    def anniversary(value: Days, now: datetime) -> Sql:
        local = f"{column} at time zone %s"
        zone, today = value.zone.key, now.astimezone(value.zone).date()
        return wrap(
            Sql(
                f"to_char({local}, 'MM-DD') = any(%s) and ({local})::date < %s",
                (zone, days_of_year(today, value.number), zone, today),
            )
        )

    return {
        **opposed("within", "not_within", one("span", values.span), within, "within the last", "not within the last"),
        "before": Operator(one("moment", values.before), period, "before"),
        "after": Operator(one("moment", values.after), period, "after"),
        **opposed("on", "not_on", one("date", values.on), period, "on", "not on"),
        **opposed("between", "not_between", Takes("moments", values.between), period, "between", "not between"),
        "anniversary": Operator(one("ahead", values.days_ahead), anniversary, "has its anniversary", say_anniversary),
    }


def say_anniversary(value: Days) -> str:
    return f"has its anniversary {f'within the next {values.say(value)}' if value.number else 'today'}"


def days_of_year(today: date, ahead: int) -> list[str]:
    """From today on so many days, as `02-28`; who was born on a 29 February celebrates on the 28th in other years."""
    days = [today + timedelta(days=number) for number in range(ahead + 1)]
    found = dict.fromkeys(f"{day:%m-%d}" for day in days)
    if any((day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3 for day in days):
        found["02-29"] = None
    return list(found)


def tags(column: str) -> Operators:
    """A list of tags, under an array index."""

    def has(value: str, now: datetime) -> Sql:
        return Sql(f"{column} @> %s::varchar[]", ([value],))

    def has_any(value: tuple[str, ...], now: datetime) -> Sql:
        return Sql(f"{column} && %s::varchar[]", (list(value),))

    return {
        **opposed("has", "has_not", one("text", values.text), has, "include", "do not include"),
        **opposed("has_any", "has_none", many("texts", values.text), has_any, "include one of", "include none of"),
        **presence(lambda value, now: Sql(f"cardinality({column}) > 0")),
    }
