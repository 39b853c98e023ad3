"""How a campaign is sent: device rule, lifetime, urgency, collapse key. Checked before the launch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from campaigns.device_choice import DeviceChoice
from pushplatform.webpush.request import MAX_TTL, URGENCIES

DEFAULT_TTL: Final = 86_400
"""Seconds."""

LEAST_LIFE: Final = timedelta(minutes=1)
"""`ttl` 0 means "now or never" to the push service; we still need a moment to get there."""

MAX_COLLAPSE_KEY: Final = 255
MOST_PER_MINUTE: Final = 10_000_000
_KNOWN: Final = {"devices", "ttl", "expires_at", "urgency", "collapse_key", "per_minute"}

Wrong = tuple[str, str, str]
"""Field, stable code, a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """`ttl`: seconds, the most that a push service may keep it; `expires_at`: when it is too late to send.

    `per_minute`: the most that is sent in any minute, None for as fast as it goes.
    """

    devices: Any
    ttl: int
    expires_at: datetime
    urgency: str
    collapse_key: str | None
    per_minute: int | None


def parse_options(raw: dict[str, Any], start: datetime) -> tuple[Options | None, list[Wrong]]:
    """The options of a campaign that begins at `start`, or what is wrong with them."""
    wrong: list[Wrong] = [
        (name, "unknown_field", f"There is no option {name}.") for name in sorted(map(str, set(raw) - _KNOWN))
    ]
    devices = _devices(raw, wrong)
    urgency = _choice(raw, "urgency", URGENCIES, "normal", wrong)
    collapse_key = raw.get("collapse_key") or None
    if collapse_key is not None and not (isinstance(collapse_key, str) and len(collapse_key) <= MAX_COLLAPSE_KEY):
        wrong.append(("collapse_key", "invalid_value", f"It must be a text of at most {MAX_COLLAPSE_KEY} characters."))
    ttl, expires_at = _lifetime(raw, start, wrong)
    per_minute = _per_minute(raw, wrong)
    if wrong:
        return None, wrong
    return Options(devices, ttl, expires_at, urgency, collapse_key, per_minute), []


def _devices(raw: dict[str, Any], wrong: list[Wrong]) -> Any:
    """The device rule, as it is kept."""
    value = raw.get("devices") or "all"
    try:
        DeviceChoice.of(value)
    except ValueError as error:
        wrong.append(("devices", "invalid_value", f"It {error}."))
    return value


def _choice(raw: dict[str, Any], name: str, known: tuple[str, ...], default: str, wrong: list[Wrong]) -> str:
    value = raw.get(name) or default
    if value not in known:
        wrong.append((name, "invalid_value", f"It must be one of {', '.join(known)}."))
    return str(value)


def _per_minute(raw: dict[str, Any], wrong: list[Wrong]) -> int | None:
    value = raw.get("per_minute")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_PER_MINUTE:
        wrong.append(("per_minute", "out_of_range", f"It must be a whole number from 1 to {MOST_PER_MINUTE}."))
        return None
    return value


def _lifetime(raw: dict[str, Any], start: datetime, wrong: list[Wrong]) -> tuple[int, datetime]:
    ttl, until = raw.get("ttl"), raw.get("expires_at")
    if until not in (None, ""):
        if ttl is not None:
            wrong.append(("expires_at", "invalid_value", "Give how long to keep trying, or until when, not both."))
        return _until(until, start, wrong)
    ttl = DEFAULT_TTL if ttl is None else ttl
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 0 <= ttl <= MAX_TTL:
        wrong.append(("ttl", "out_of_range", f"It must be a whole number of seconds from 0 to {MAX_TTL} (28 days)."))
        return 0, start
    return ttl, start + max(timedelta(seconds=ttl), LEAST_LIFE)


def _until(value: Any, start: datetime, wrong: list[Wrong]) -> tuple[int, datetime]:
    try:
        until = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        wrong.append(("expires_at", "invalid_value", "It must be a time such as 2026-01-31T18:00:00+01:00."))
        return 0, start
    if until.tzinfo is None:
        wrong.append(("expires_at", "invalid_value", "It must say its time zone, such as +01:00 or Z."))
        return 0, start
    ttl = int((until - start).total_seconds())
    if ttl <= 0:
        wrong.append(("expires_at", "in_the_past", "It must be later than the time it is sent."))
    elif ttl > MAX_TTL:
        wrong.append(("expires_at", "out_of_range", "It must be within 28 days of the time it is sent."))
    return ttl, until
