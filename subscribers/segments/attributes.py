"""Contact attributes: JSON, typed by the Site's catalogue. What can be asked by containment uses the GIN index.

The other expressions are those that `indexing.py` makes indexes of: change both together.
"""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from subscribers.models import Attribute
from subscribers.segments import values
from subscribers.segments.fields import Family, Field, Operator, Sql, Surroundings
from subscribers.segments.operators import (
    Operators,
    Write,
    between_pair,
    days_of_year,
    number,
    opposed,
    order,
    parts,
    presence,
    say_anniversary,
)
from subscribers.segments.values import Days, Read, many, one, two

Type = Attribute.Type

# The test of the type stands inside, so that a stray text can never end the whole query with an error.
NUMBER = "(case when jsonb_typeof(c.attributes -> %s) = 'number' then (c.attributes ->> %s)::numeric end)"
# Dates are stored as 2026-03-31, so they compare as texts do; the collation must not have a say.
DATE = '(c.attributes ->> %s) collate "C"'
TEXT = "(case when jsonb_typeof(c.attributes -> %s) = 'string' then c.attributes ->> %s end)"
DATE_WORDS = ("is after", "is on or after", "is before", "is on or before")


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else value


def _containing(key: str, value: Any) -> Sql:
    return Sql("c.attributes @> %s::jsonb", (json.dumps({key: value}, ensure_ascii=False),))


def _equal(key: str) -> Write:
    return lambda value, now: _containing(key, _json(value))


def _holds(key: str) -> Write:
    return lambda value, now: _containing(key, [value])


def _some(write: Write) -> Write:
    """At least one of several values: joined by `or`, because an index can be asked for each."""

    def sql(value: Any, now: datetime) -> Sql:
        parts = [write(entry, now) for entry in value]
        return Sql(
            "(" + " or ".join(one.text for one in parts) + ")",
            tuple(parameter for one in parts for parameter in one.parameters),
        )

    return sql


def _equality(key: str, input: str, read: Read) -> Operators:
    equal = _equal(key)
    return {
        **opposed("eq", "ne", one(input, read), equal, "is", "is not"),
        **opposed("in", "not_in", many(f"{input}s", read), _some(equal), "is one of", "is none of"),
    }


def _dates(key: str) -> Operators:
    def write(sign: str) -> Write:
        return lambda value, now: Sql(f"{DATE} {sign} %s::text", (key, value.isoformat()))

    def between(low: date, high: date) -> Sql:
        return Sql(f"{DATE} between %s::text and %s::text", (key, low.isoformat(), high.isoformat()))

    def within(value: Days, now: datetime) -> Sql:
        today = now.astimezone(value.zone).date()
        return between(today - timedelta(days=value.number - 1), today)

    def within_next(value: Days, now: datetime) -> Sql:
        today = now.astimezone(value.zone).date()
        return between(today, today + timedelta(days=value.number - 1))

    def anniversary(value: Days, now: datetime) -> Sql:
        today = now.astimezone(value.zone).date()
        return Sql(
            f"substr(c.attributes ->> %s, 6) = any(%s) and {DATE} < %s::text",
            (key, days_of_year(today, value.number), key, today.isoformat()),
        )

    single, days = one("date", values.day), one("span", values.whole_days)
    equality = _equality(key, "date", values.day)
    return {
        **equality,
        **order(single, write, DATE_WORDS),
        **between_pair(two("days", values.day), lambda value, now: between(*value)),
        **opposed("within", "not_within", days, within, "is within the last", "is not within the last"),
        "within_next": Operator(days, within_next, "is within the next"),
        "anniversary": Operator(one("ahead", values.days_ahead), anniversary, "has its anniversary", say_anniversary),
    }


def _numbers(key: str) -> Operators:
    # Equality by containment: the index answers it, and 5 contains 5.0.
    return {**number(NUMBER, (key, key)), **_equality(key, "number", values.number)}


def _lists(key: str) -> Operators:
    holds, single, several = _holds(key), one("text", values.text), many("texts", values.text)
    return {
        **opposed("contains", "not_contains", single, holds, "includes", "does not include"),
        **opposed("contains_any", "contains_none", several, _some(holds), "includes one of", "includes none of"),
    }


def _operators(key: str, type_: str) -> Operators:
    match type_:
        case Type.NUMBER:
            return _numbers(key)
        case Type.DATE:
            return _dates(key)
        case Type.BOOLEAN:
            equal = _equal(key)
            return opposed("eq", "ne", one("boolean", values.boolean), equal, "is", "is not")
        case Type.STRINGS:
            return _lists(key)
    return {**_equality(key, "text", values.text), **parts(TEXT, (key, key))}


def _find(key: str, surroundings: Surroundings) -> Field | None:
    attribute = surroundings.attributes.get(key)
    if attribute is None:
        return None
    known: Write = lambda value, now: Sql("c.attributes ? %s", (key,))  # noqa: E731
    return Field(
        f"contact.attributes.{key}",
        attribute.title or key,
        {**_operators(key, attribute.type), **presence(known)},
        found=Sql("c.attributes -> %s", (key,)),
        group="What the CRM tells",
        suggests=attribute.type in (Type.STRING, Type.STRINGS, Type.NUMBER),
    )


ATTRIBUTES = Family("contact.attributes.", "attribute", _find, lambda surroundings: surroundings.attributes)
