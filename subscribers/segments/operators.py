"""The operators of each type of field, over a column of the device or contact.

A negated operator is exactly the opposite of its positive one: who has no value at all "is not" any value.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from subscribers.segments import values
from subscribers.segments.fields import Operator, Sql
from subscribers.segments.values import many, one

Operators = dict[str, Operator]
Write = Callable[[Any, datetime], Sql]


def negated(write: Write) -> Write:
    """Holds where `write` does not, null included."""

    def sql(value: Any, now: datetime) -> Sql:
        text, parameters = write(value, now)
        return Sql(f"(({text}) is not true)", parameters)

    return sql


def after(words: str) -> Callable[[Any], str]:
    """The value after these words."""
    return lambda value: f"{words} {values.say(value)}"


def just(words: str) -> Callable[[Any], str]:
    """These words, without a value."""
    return lambda value: words


def compare(column: str, sign: str) -> Write:
    return lambda value, now: Sql(f"{column} {sign} %s", (value,))


def presence(known: str) -> Operators:
    """`is_set` and `is_not_set` by the expression `known`."""
    write: Write = lambda value, now: Sql(known)  # noqa: E731
    return {
        "is_set": Operator(values.none, write, just("is known"), frozenset()),
        "is_not_set": Operator(values.none, negated(write), just("is not known"), frozenset()),
    }


def text(column: str, read: Callable[[Any], Any] = values.text) -> Operators:
    """A text that is empty when it is not known."""
    equal = compare(column, "=")
    among: Write = lambda value, now: Sql(f"{column} = any(%s)", (list(value),))  # noqa: E731
    return {
        "eq": Operator(one(read), equal, after("is")),
        "ne": Operator(one(read), negated(equal), after("is not")),
        "in": Operator(many(read), among, after("is one of")),
        "not_in": Operator(many(read), negated(among), after("is none of")),
        **presence(f"{column} <> ''"),
    }


def choice(column: str, choices: Collection[str]) -> Operators:
    return text(column, values.among(choices))


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
        "eq": Operator(one(values.text), single, after("is")),
        "ne": Operator(one(values.text), negated(single), after("is not")),
        "in": Operator(many(values.text), among, after("is one of")),
        "not_in": Operator(many(values.text), negated(among), after("is none of")),
        **presence(f"{column} <> ''"),
    }


def boolean(expression: str, yes: str, no: str) -> Operators:
    """An expression that is true, false or null, with the words for both answers."""

    def equal(value: bool, now: datetime) -> Sql:
        return Sql(f"({expression}) is {'true' if value else 'not true'}")

    return {
        "eq": Operator(one(values.boolean), equal, lambda value: yes if value else no),
        "ne": Operator(one(values.boolean), negated(equal), lambda value: no if value else yes),
    }


def time(column: str) -> Operators:
    """A point in time; `within` counts back from the present."""
    within: Write = lambda value, now: Sql(f"{column} > %s", (now - value,))  # noqa: E731
    return {
        "within": Operator(one(values.span), within, lambda value: f"within the last {values.say(value)}"),
        "not_within": Operator(one(values.span), negated(within), lambda value: f"over {values.say(value)} ago"),
        "before": Operator(one(values.moment), compare(column, "<"), after("before")),
        "after": Operator(one(values.moment), compare(column, ">"), after("after")),
    }


def tags(column: str) -> Operators:
    """A list of tags, under an array index."""

    def has(value: str, now: datetime) -> Sql:
        return Sql(f"{column} @> %s::varchar[]", ([value],))

    def has_any(value: tuple[str, ...], now: datetime) -> Sql:
        return Sql(f"{column} && %s::varchar[]", (list(value),))

    return {
        "has": Operator(one(values.text), has, after("include")),
        "has_not": Operator(one(values.text), negated(has), after("do not include")),
        "has_any": Operator(many(values.text), has_any, after("include one of")),
        "has_none": Operator(many(values.text), negated(has_any), after("include none of")),
    }
