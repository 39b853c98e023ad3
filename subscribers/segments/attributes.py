"""Contact attributes: JSON, typed by the Site's catalogue. What can be asked by containment uses the GIN index."""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from subscribers.models import Attribute
from subscribers.segments import values
from subscribers.segments.fields import Family, Field, Operator, Sql, Surroundings
from subscribers.segments.operators import Operators, Write, after, negated, presence
from subscribers.segments.values import many, one

Type = Attribute.Type


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
            "(" + " or ".join(text for text, _ in parts) + ")",
            tuple(parameter for _, parameters in parts for parameter in parameters),
        )

    return sql


def _number(key: str, sign: str) -> Write:
    # The test of the type stands inside, so that a stray text can never end the whole query with an error.
    return lambda value, now: Sql(
        "case when jsonb_typeof(c.attributes -> %s) = 'number' then (c.attributes ->> %s)::numeric end"
        f" {sign} %s::numeric",
        (key, key, str(value)),
    )


def _date(key: str, sign: str) -> Write:
    # Dates are stored as 2026-03-31, so they compare as texts do; the collation must not have a say.
    return lambda value, now: Sql(f'c.attributes ->> %s {sign} %s::text collate "C"', (key, value.isoformat()))


def _equality(key: str, read: Callable[[Any], Any]) -> Operators:
    equal = _equal(key)
    return {
        "eq": Operator(one(read), equal, after("is")),
        "ne": Operator(one(read), negated(equal), after("is not")),
        "in": Operator(many(read), _some(equal), after("is one of")),
        "not_in": Operator(many(read), negated(_some(equal)), after("is none of")),
    }


def _order(key: str, read: Callable[[Any], Any], write: Callable[[str, str], Write], words: str) -> Operators:
    signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
    said = zip(signs.items(), words.split(", "), strict=True)
    return {op: Operator(one(read), write(key, sign), after(f"is {word}")) for (op, sign), word in said}


def _operators(key: str, type_: str) -> Operators:
    match type_:
        case Type.NUMBER:
            words = "more than, at least, less than, at most"
            return {**_equality(key, values.number), **_order(key, values.number, _number, words)}
        case Type.DATE:
            words = "after, on or after, before, on or before"
            return {**_equality(key, values.day), **_order(key, values.day, _date, words)}
        case Type.BOOLEAN:
            return {op: found for op, found in _equality(key, values.boolean).items() if op in ("eq", "ne")}
        case Type.STRINGS:
            holds = _holds(key)
            return {
                "contains": Operator(one(values.text), holds, after("includes")),
                "not_contains": Operator(one(values.text), negated(holds), after("does not include")),
                "contains_any": Operator(many(values.text), _some(holds), after("includes one of")),
                "contains_none": Operator(many(values.text), negated(_some(holds)), after("includes none of")),
            }
    return _equality(key, values.text)


def _find(key: str, surroundings: Surroundings) -> Field | None:
    attribute = surroundings.attributes.get(key)
    if attribute is None:
        return None
    known: Write = lambda value, now: Sql("c.attributes ? %s", (key,))  # noqa: E731
    both = presence("")
    operators = {
        **_operators(key, attribute.type),
        "is_set": Operator(values.none, known, both["is_set"].say, frozenset()),
        "is_not_set": Operator(values.none, negated(known), both["is_not_set"].say, frozenset()),
    }
    return Field(f"contact.attributes.{key}", attribute.title or key, operators)


ATTRIBUTES = Family("contact.attributes.", "attribute", _find, lambda surroundings: surroundings.attributes)
