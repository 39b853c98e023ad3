"""Segments evaluated the plain way, one person and one rule at a time: what the SQL is held against."""

from datetime import datetime, timedelta
from typing import Any

SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def holds(rule: dict[str, Any], device: Any, bits: dict[str, int], now: datetime) -> bool:
    """Whether a device, with `device.contact` or None, matches a definition. `bits`: of purposes, by key."""
    if "all" in rule:
        return all(holds(one, device, bits, now) for one in rule["all"])
    if "any" in rule:
        return any(holds(one, device, bits, now) for one in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], device, bits, now)
    op, wanted = rule["op"], rule.get("value")
    found = value_of(rule["field"], device, bits)
    if op in OPPOSITES:
        return not compares(OPPOSITES[op], found, wanted, rule["field"], now)
    return compares(op, found, wanted, rule["field"], now)


OPPOSITES = {
    "ne": "eq",
    "not_in": "in",
    "is_not_set": "is_set",
    "not_within": "within",
    "has_not": "has",
    "has_none": "has_any",
    "not_contains": "contains",
    "contains_none": "contains_any",
}


def value_of(field: str, device: Any, bits: dict[str, int]) -> Any:
    """The value of a field; None when it is not known."""
    about, _, name = field.partition(".")
    if about == "consent":
        return bool(device.allowed >> bits[name] & 1)
    if about == "contact":
        if device.contact is None:
            return None
        if name.startswith("attributes."):
            return device.contact.attributes.get(name.removeprefix("attributes."))
        return getattr(device.contact, name)
    if name in ("subscribed", "identified"):
        return device.status == 1 if name == "subscribed" else device.contact is not None
    return getattr(device, {"last_seen": "last_seen_at"}.get(name, name))


def compares(op: str, found: Any, wanted: Any, field: str, now: datetime) -> bool:
    if found is None:
        return False
    if op == "is_set":
        return found != "" or ".attributes." in field
    if op == "within":
        return found > now - timedelta(**{SPANS[wanted[-1]]: int(wanted[:-1])})
    if op in ("before", "after"):
        moment = datetime.fromisoformat(wanted)
        return found < moment if op == "before" else found > moment
    if op in ("has", "contains"):
        return wanted in found
    if op in ("has_any", "contains_any"):
        return bool(set(wanted) & set(found))
    if op in ("eq", "in"):
        choices = wanted if op == "in" else [wanted]
        if field.endswith(".language"):
            return any(f"{found.lower()}-".startswith(f"{one.lower()}-") for one in choices)
        return any(
            (type(one) is not bool and type(found) is not bool) or one is found for one in choices if one == found
        )
    order = {"gt": found > wanted, "gte": found >= wanted, "lt": found < wanted, "lte": found <= wanted}
    return order[op]
