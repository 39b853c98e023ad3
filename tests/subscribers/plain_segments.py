"""Segments evaluated the plain way, one person and one rule at a time: what the SQL is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
OPPOSITES = {
    "ne": "eq",
    "not_in": "in",
    "is_not_set": "is_set",
    "not_within": "within",
    "not_between": "between",
    "not_on": "on",
    "not_starts_with": "starts_with",
    "has_not": "has",
    "has_none": "has_any",
    "not_contains": "contains",
    "contains_none": "contains_any",
}
COUNTS = {
    "eq": lambda n, v: n == v,
    "ne": lambda n, v: n != v,
    "gt": lambda n, v: n > v,
    "gte": lambda n, v: n >= v,
    "lt": lambda n, v: n < v,
    "lte": lambda n, v: n <= v,
    "between": lambda n, v: v[0] <= n <= v[1],
}


@dataclass
class Known:
    """All that is known of the Site beside its devices and their contacts."""

    zone: ZoneInfo
    bits: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    reports: list[tuple[str, int, str, datetime]] = field(default_factory=list)
    """Kind, device, campaign and time of everything sent and reported."""
    events: list[tuple[int | None, int | None, str, dict[str, Any], datetime]] = field(default_factory=list)
    """Contact, device, name, properties, time."""
    decisions: list[tuple[str, int, str, bool, datetime]] = field(default_factory=list)
    """Scope, subject, purpose, whether granted, time."""
    lists: dict[str, set[int]] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    pages: dict[int, str] = field(default_factory=dict)


def holds(rule: Mapping[str, Any], device: Any, known: Known, now: datetime) -> bool:
    """Whether a device, with `device.contact` or None, matches a definition."""
    if "all" in rule:
        return all(holds(one, device, known, now) for one in rule["all"])
    if "any" in rule:
        return any(holds(one, device, known, now) for one in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], device, known, now)
    if "segment" in rule:
        return holds(known.saved[rule["segment"]], device, known, now)
    name, op = rule["field"], rule["op"]
    about, _, rest = name.partition(".")
    if about == "engagement":
        return of_messages(rest, rule, device, known, now)
    if name == "event":
        return of_events(rule, device, known, now)
    if op in OPPOSITES:
        return not holds({**rule, "op": OPPOSITES[op]}, device, known, now)
    if about == "consent":
        return of_consent(rest, rule, device, known, now)
    if name == "contact.list":
        wanted = rule["value"] if op == "in" else [rule["value"]]
        return any(device.contact_id in known.lists[one] for one in wanted)
    return compares(op, value_of(name, device, known), rule.get("value"), name, known, now)


def value_of(name: str, device: Any, known: Known) -> Any:
    """The value of a field; None when it is not known."""
    about, _, name = name.partition(".")
    if about == "contact":
        if device.contact is None:
            return None
        if name.startswith("attributes."):
            return device.contact.attributes.get(name.removeprefix("attributes."))
        return getattr(device.contact, {"created": "created_at"}.get(name, name))
    if name in ("subscribed", "identified"):
        return device.status == 1 if name == "subscribed" else device.contact is not None
    if name == "page":
        return known.pages.get(device.pk)
    if name == "browser_version":
        digits = device.browser_version.split(".")[0]
        return int(digits) if digits.isdigit() else None
    return getattr(device, {"last_seen": "last_seen_at"}.get(name, name))


def compares(op: str, found: Any, wanted: Any, name: str, known: Known, now: datetime) -> bool:
    if found is None:
        return False
    if op == "is_set":
        return ".attributes." in name or (found != "" and found != [])
    if isinstance(found, datetime):
        return in_time(op, found, wanted, known.zone, now)
    if known.types.get(name.removeprefix("contact.attributes.")) == "date" and op not in ("eq", "in"):
        return in_days(op, found, wanted, now.astimezone(known.zone).date())
    if op == "between":
        return wanted[0] <= found <= wanted[1]
    if op == "starts_with":
        return found.lower().startswith(wanted.lower())
    if op == "contains" and isinstance(found, str):
        return wanted.lower() in found.lower()
    if op in ("has", "contains"):
        return wanted in found
    if op in ("has_any", "contains_any"):
        return bool(set(wanted) & set(found))
    if op in ("eq", "in"):
        choices = wanted if op == "in" else [wanted]
        if name.endswith(".language"):
            return any(f"{found.lower()}-".startswith(f"{one.lower()}-") for one in choices)
        return any(same(found, one) for one in choices)
    return COUNTS[op](found, wanted)


def same(found: Any, wanted: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return found == wanted and (type(found) is bool) == (type(wanted) is bool)


def span_of(text: str) -> timedelta:
    return timedelta(**{SPANS[text[-1]]: int(text[:-1])})


def in_time(op: str, at: datetime, wanted: Any, zone: ZoneInfo, now: datetime) -> bool:
    local = at.astimezone(zone)
    if op == "within":
        return at > now - span_of(wanted)
    if op == "on":
        return local.date() == date.fromisoformat(wanted)
    if op == "anniversary":
        return has_anniversary(local.date(), now.astimezone(zone).date(), wanted)
    if op == "between":
        return not before(at, wanted[0], zone) and not after(at, wanted[1], zone)
    return before(at, wanted, zone) if op == "before" else after(at, wanted, zone)


def before(at: datetime, wanted: str, zone: ZoneInfo) -> bool:
    if len(wanted) == 10:
        return at.astimezone(zone).date() < date.fromisoformat(wanted)
    return at < datetime.fromisoformat(wanted)


def after(at: datetime, wanted: str, zone: ZoneInfo) -> bool:
    if len(wanted) == 10:
        return at.astimezone(zone).date() > date.fromisoformat(wanted)
    return at > datetime.fromisoformat(wanted)


def in_days(op: str, found: str, wanted: Any, today: date) -> bool:
    day = date.fromisoformat(found)
    if op == "anniversary":
        return has_anniversary(day, today, wanted)
    if op in ("within", "within_next"):
        ahead = (day - today).days if op == "within_next" else (today - day).days
        return 0 <= ahead < span_of(wanted).days
    if op == "between":
        return date.fromisoformat(wanted[0]) <= day <= date.fromisoformat(wanted[1])
    return COUNTS[op](day, date.fromisoformat(wanted))


def has_anniversary(day: date, today: date, ahead: int) -> bool:
    """Whether it returns today or in the days after; a 29 February on the 28th where a year has none."""
    for number in range(ahead + 1):
        then = today + timedelta(days=number)
        try:
            returns = day.replace(year=then.year)
        except ValueError:
            returns = day.replace(year=then.year, day=28)
        if returns == then:
            return day < today
    return False


def of_consent(name: str, rule: Mapping[str, Any], device: Any, known: Known, now: datetime) -> bool:
    purpose, _, date_name = name.partition(".")
    given = bool(device.allowed >> known.bits[purpose] & 1)
    mine = [
        (granted, at)
        for scope, subject, about, granted, at in known.decisions
        if about == purpose and subject == (device.pk if scope == "device" else device.contact_id)
    ]
    withdrawn = [at for granted, at in mine if not granted]
    if not date_name:
        state = "granted" if given else "withdrawn" if withdrawn else "never"
        wanted = rule["value"]
        # Withdrawn is what the ledger says, also where the bit has not followed.
        if wanted == "withdrawn":
            return bool(withdrawn)
        return given is wanted if isinstance(wanted, bool) else state == wanted
    dates = [at for granted, at in mine if granted] if date_name == "granted_at" else withdrawn
    if not dates or (date_name == "granted_at" and not given):
        return False
    at = min(dates) if date_name == "granted_at" else max(dates)
    return in_time(rule["op"], at, rule["value"], known.zone, now)


def of_messages(name: str, rule: Mapping[str, Any], device: Any, known: Known, now: datetime) -> bool:
    kind, counts, _ = name.partition("_count")
    measured = kind == "sent" or device.allowed & 2
    times = [
        at
        for what, whose, campaign, at in known.reports
        if what == kind and whose == device.pk and measured and rule.get("campaign", campaign) == campaign
    ]
    return happened(rule, times, bool(counts), known.zone, now, whole_seconds=True)


def of_events(rule: Mapping[str, Any], device: Any, known: Known, now: datetime) -> bool:
    times = [
        at
        for contact, where, name, properties, at in known.events
        if name == rule["name"]
        and (where == device.pk if contact is None else contact == device.contact_id)
        and all(meets(properties, one) for one in rule.get("where", []))
    ]
    return happened(rule, times, rule["op"] in COUNTS, known.zone, now, whole_seconds=False)


def meets(properties: dict[str, Any], condition: Mapping[str, Any]) -> bool:
    op, found, wanted = condition["op"], properties.get(condition["property"]), condition.get("value")
    if op == "is_set":
        return condition["property"] in properties
    if op == "ne":
        return found is None or not same(found, wanted)
    if found is None:
        return False
    if op in ("eq", "in"):
        return any(same(found, one) for one in (wanted if op == "in" else [wanted]))
    if op in ("contains", "starts_with"):
        text = found.lower() if isinstance(found, str) else None
        return text is not None and (text.startswith(wanted) if op == "starts_with" else wanted in text)
    return isinstance(found, int | float) and not isinstance(found, bool) and COUNTS[op](found, wanted)


def happened(
    rule: Mapping[str, Any], times: list[datetime], counts: bool, zone: ZoneInfo, now: datetime, *, whole_seconds: bool
) -> bool:
    """Whether it happened so often, or was last when the rule says."""
    op = rule["op"]
    if counts:
        if "within" in rule:
            cutoff = now - span_of(rule["within"])
            times = [
                at for at in times if (int(at.timestamp()) > int(cutoff.timestamp()) if whole_seconds else at > cutoff)
            ]
        return bool(COUNTS[op](len(times), rule["value"]))
    if op in OPPOSITES:
        return not happened({**rule, "op": OPPOSITES[op]}, times, False, zone, now, whole_seconds=whole_seconds)
    if op == "is_set" or not times:
        return bool(times)
    return in_time(op, max(times), rule["value"], zone, now)
