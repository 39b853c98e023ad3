"""What people did, as the CRM and the Site's pages report it (`POST /events`): when last, and how often.

An event belongs to its contact, on all of the contact's devices; one without a contact to the device it happened on.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from subscribers.segments import operators, values
from subscribers.segments.fields import NARROW, Field, Operator, Sql, Surroundings, Table, Wrong, found_in
from subscribers.segments.occurrences import Times, What, how_often, when_last

MOST_CONDITIONS: Final = 10
LONGEST_NAME: Final = 64

_SIGNS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_OPS: Final = {
    "eq": "is", "ne": "is not", "in": "is one of", "gt": "is more than", "gte": "is at least", "lt": "is less than",
    "lte": "is at most", "contains": "contains", "starts_with": "starts with", "is_set": "is known",
}  # fmt: skip


class Condition(NamedTuple):
    """What must be true of an event's property."""

    key: str
    op: str
    value: Any


class Event(NamedTuple):
    """The events of one name at a Site whose properties meet all conditions."""

    site_id: int
    name: str
    conditions: tuple[Condition, ...]


def _read(given: Mapping[str, Any], site: Surroundings) -> Event:
    name = given.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        raise Wrong("name", "required", f"must be the event's name, a text of 1 to {LONGEST_NAME} characters")
    raw = given.get("where", [])
    if not isinstance(raw, list) or len(raw) > MOST_CONDITIONS:
        raise Wrong("where", "invalid_value", f"must be a list of at most {MOST_CONDITIONS} conditions")
    return Event(site.site_id, name, tuple(_condition(one, f"where/{place}", site) for place, one in enumerate(raw)))


def _condition(raw: Any, at: str, site: Surroundings) -> Condition:
    if not isinstance(raw, dict):
        raise Wrong(at, "invalid_type", "must be an object with property, op and value")
    op, key = raw.get("op"), raw.get("property")
    if not isinstance(key, str) or not 0 < len(key) <= values.LONGEST_TEXT or "\0" in key:
        raise Wrong(f"{at}/property", "required", "must be the name of a property of the event")
    if not isinstance(op, str) or op not in _OPS:
        raise Wrong(f"{at}/op", "unknown_operator", f"must be one of {', '.join(_OPS)}")
    wanted = {"property", "op"} | ({"value"} if op != "is_set" else set())
    if extra := sorted(raw.keys() - wanted):
        raise Wrong(f"{at}/{extra[0]}", "unknown_member", f"{extra[0]!r} means nothing with {op!r}; take it out")
    try:
        return Condition(key, op, _value(op, raw, site))
    except Wrong as wrong:
        raise Wrong(f"{at}/{wrong.member}", wrong.code, wrong.detail) from None


def _value(op: str, raw: Mapping[str, Any], site: Surroundings) -> Any:
    if op == "is_set":
        return None
    if op in _SIGNS:
        return values.one("number", values.number).parse(raw, site)
    if op in ("contains", "starts_with"):
        return values.one("text", values.text).parse(raw, site)
    if op == "in":
        return values.many("texts", _scalar).parse(raw, site)
    return values.one("text", _scalar).parse(raw, site)


def _scalar(value: Any, site: Surroundings) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return values.text(value, site)
    if isinstance(value, int | float):
        return values.number(value, site)
    raise Wrong("value", "invalid_type", "must be a text, a number, or true or false")


def _say(event: Event) -> str:
    said = [
        f"{one.key} {_OPS[one.op]}{'' if one.value is None else f' {values.say(one.value)}'}"
        for one in event.conditions
    ]
    return f" (where {' and '.join(said)})" if said else ""


def _sql_of(one: Condition) -> Sql:
    key = one.key
    number = "case when jsonb_typeof(properties -> %s) = 'number' then (properties ->> %s)::numeric end"
    text = "case when jsonb_typeof(properties -> %s) = 'string' then properties ->> %s end"
    if one.op == "is_set":
        return Sql("properties ? %s", (key,))
    if one.op in _SIGNS:
        return Sql(f"{number} {_SIGNS[one.op]} %s::numeric", (key, key, str(one.value)))
    if one.op == "contains":
        return Sql(f"strpos(lower({text}), lower(%s)) > 0", (key, key, one.value))
    if one.op == "starts_with":
        return Sql(f"starts_with(lower({text}), lower(%s))", (key, key, one.value))
    wanted = one.value if one.op == "in" else (one.value,)
    equal = " or ".join("properties @> %s::jsonb" for _ in wanted)
    parameters = tuple(_containing(key, value) for value in wanted)
    return Sql(f"({equal}) is not true" if one.op == "ne" else f"({equal})", parameters)


def _containing(key: str, value: Any) -> str:
    # A number is written by hand: json would make 0.10000000000000001 of what PostgreSQL compares exactly.
    written = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else f"{value}"
    return f"{{{json.dumps(key, ensure_ascii=False)}: {written}}}"


def _where(event: Event, since: datetime | None) -> tuple[str, tuple[Any, ...]]:
    """The condition of these events after a moment, and its parameters."""
    conditions = [_sql_of(one) for one in event.conditions]
    where = "".join(f" and ({one.text})" for one in conditions)
    parameters: tuple[Any, ...] = (event.site_id, event.name)
    if since is not None:
        where, parameters = f" and occurred_at > %s{where}", (*parameters, since)
    parameters += tuple(parameter for one in conditions for parameter in one.parameters)
    return f"site_id = %s and name = %s{where}", parameters


_OF_CONTACT: Final = "contact_id is not null"
_OF_DEVICE: Final = "contact_id is null and device_id is not null"


def _ever(event: Event, since: datetime | None) -> Sql:
    """Whether there is any: no need to count."""
    where, parameters = _where(event, since)
    contact = found_in("d.contact_id", "contact_id", "behaviour", f"{where} and {_OF_CONTACT}", parameters)
    device = found_in("d.id", "device_id", "behaviour", f"{where} and {_OF_DEVICE}", parameters)
    return Sql(f"({contact.text} or {device.text})", contact.parameters + device.parameters)


def _tables(event: Event, since: datetime | None) -> tuple[Table, Table]:
    where, parameters = _where(event, since)
    counted = f"count(*) n, max(occurred_at) at from behaviour where {where} and"
    return (
        Table(
            f"(select contact_id, {counted} {_OF_CONTACT} group by contact_id)",
            "facts.contact_id = d.contact_id",
            parameters,
        ),
        Table(
            f"(select device_id, {counted} {_OF_DEVICE} {NARROW} group by device_id)",
            "facts.device_id = d.id",
            parameters,
            "device_id",
        ),
    )


_COUNT: Final = "(coalesce(facts1.n, 0) + coalesce(facts2.n, 0))"
_LAST: Final = "greatest(facts1.at, facts2.at)"
_WHAT: Final = What(frozenset({"name", "where"}), _read, _say)


def _counted(value: Times, now: datetime) -> Sql:
    since = now - value.span if value.span else None
    if (value.least, value.most) == (1, None):
        return _ever(value.what, since)
    if (value.least, value.most) == (0, 0):
        return operators.negated(lambda value, now: _ever(value.what, since))(value, now)
    tables = _tables(value.what, since)
    end = "" if value.most is None else f" and {_COUNT} <= %s"
    bounds = (value.least,) if value.most is None else (value.least, value.most)
    return Sql(f"{_COUNT} >= %s{end}", bounds, tables)


def _how_many(value: Times, now: datetime) -> Sql:
    return Sql(_COUNT, (), _tables(value.what, now - value.span if value.span else None))


def _last(event: Event) -> dict[str, Operator]:
    tables = _tables(event, None)

    def within(value: timedelta, now: datetime) -> Sql:
        # Asked within a time, older events need not be read.
        return _ever(event, now - value)

    found = {
        **operators.time(_LAST, lambda sql: sql._replace(tables=tables)),
        "within": Operator(values.one("span", values.span), within, "within the last"),
        "not_within": Operator(values.one("span", values.span), operators.negated(within), "not within the last"),
        **operators.presence(lambda value, now: _ever(event, None)),
    }
    found["is_set"] = replace(found["is_set"], words="ever", say=lambda value: "ever")
    found["is_not_set"] = replace(found["is_not_set"], words="never", say=lambda value: "never")
    # `between` asks how often: two days are written as after and before.
    del found["between"], found["not_between"]
    return {op: replace(operator, found=lambda value, now: Sql(_LAST, (), tables)) for op, operator in found.items()}


def _named(operator: Operator, *, of_times: bool) -> Operator:
    """The same, saying the event's name before its own words."""
    say = operator.say or (lambda value: "")

    def with_name(value: Any) -> str:
        return f"“{(value.what if of_times else value[1]).name}” {say(value)}"

    return replace(operator, say=with_name)


EVENT: Final = Field(
    "event",
    "did",
    {
        **{op: _named(one, of_times=False) for op, one in when_last(_WHAT, _last, Event(0, "", ())).items()},
        **{op: _named(one, of_times=True) for op, one in how_often(_WHAT, _counted, _how_many).items()},
    },
    group="Behaviour",
)
