"""Which of a recipient's devices get a targeted message: `devices` of POST /messages (api.md §1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from pushplatform.api.fields import Fields
from pushplatform.sites import public_ids
from subscribers.user_agent import BROWSERS, FORMS

PICKS: Final = ("all", "latest", "most_engaged")
_WORDS: Final = {"form": FORMS, "browser": BROWSERS}
_MOST_IDS = 100


class Candidate(NamedTuple):
    """A device as far as a rule looks at it."""

    id: int
    contact_id: int
    """0 for none."""
    status: int
    allowed: int
    service: int
    vapid_key_id: int
    form: str
    browser: str
    last_seen_at: datetime


Engagement = Mapping[int, tuple[int, int]]
"""By device id: clicked and shown, ever. A device that is not there has neither."""


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """`pick`: one of PICKS; `ids`, `forms`, `browsers`: None takes all."""

    pick: str = "all"
    ids: frozenset[int] | None = None
    forms: frozenset[str] | None = None
    browsers: frozenset[str] | None = None

    def matches(self, device: Candidate) -> bool:
        """Whether the device is among those that the rule speaks of, reachable or not."""
        return (
            (self.ids is None or device.id in self.ids)
            and (self.forms is None or device.form in self.forms)
            and (self.browsers is None or device.browser in self.browsers)
        )

    def choose(self, devices: Sequence[Candidate], engagement: Engagement) -> list[Candidate]:
        """The devices to send to, out of those that may be sent to."""
        if self.pick == "latest":
            return [max(devices, key=lambda device: (device.last_seen_at, device.id))]
        if self.pick == "most_engaged":
            return [
                max(devices, key=lambda device: (engagement.get(device.id, (0, 0)), device.last_seen_at, device.id))
            ]
        return list(devices)


ALL: Final = DeviceRule()


def read_rule(fields: Fields) -> DeviceRule | None:
    """The rule in member `devices`; None when it is absent or wrong."""
    raw = fields.any("devices")
    if raw is None:
        return None
    if isinstance(raw, str) and raw in PICKS:
        return DeviceRule(raw)
    if not isinstance(raw, dict) or not raw or raw.keys() - {"ids", "form", "browser"}:
        shapes = '{"ids": ["dev_…"]} or {"form": ["desktop"], "browser": ["chrome"]}'
        fields.wrong("devices", "invalid_value", f"devices must be {', '.join(PICKS)}, {shapes}.")
        return None
    if "ids" in raw and len(raw) > 1:
        fields.wrong("devices", "invalid_value", "devices names ids, or form and browser, not both.")
        return None
    found: dict[str, frozenset[str]] = {}
    for name, values in raw.items():
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            fields.wrong("devices", "invalid_value", f"devices.{name} must be a list of texts that is not empty.")
        elif len(values) > _MOST_IDS:
            fields.wrong("devices", "out_of_range", f"devices.{name} names more than {_MOST_IDS}.")
        elif name in _WORDS and (unknown := [value for value in values if value not in _WORDS[name]]):
            fields.wrong("devices", "invalid_value", f"{unknown[0][:64]!r} is not one of {', '.join(_WORDS[name])}.")
        else:
            found[name] = frozenset(values)
    ids = frozenset(_known_ids(found["ids"])) if "ids" in found else None
    return DeviceRule(ids=ids, forms=found.get("form"), browsers=found.get("browser"))


def _known_ids(texts: frozenset[str]) -> list[int]:
    """The numbers of those that are device ids; others match nothing, like those of other Sites."""
    found: list[int] = []
    for text in texts:
        try:
            found.append(public_ids.decode("dev", text))
        except public_ids.UnknownId:
            continue
    return found


def needs_engagement(rules: Sequence[DeviceRule]) -> bool:
    return any(rule.pick == "most_engaged" for rule in rules)
