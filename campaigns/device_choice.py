"""Which devices of each person a campaign goes to: the device rule of an audience."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from subscribers.user_agent import BROWSERS, FORMS

PICKS: Final = ("all", "latest", "most_engaged")

_ORDERS: Final = {
    "latest": "last_seen_at desc, id desc",
    "most_engaged": "clicked desc, shown desc, last_seen_at desc, id desc",
}
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {"form": FORMS, "browser": BROWSERS}


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """`pick` one device of each person, or all; of those with one of `forms` and one of `browsers` (none given: any).

    A device without a contact is a person of whom we know no other.
    """

    pick: str = "all"
    forms: tuple[str, ...] = ()
    browsers: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Any) -> Self:
        """The choice in JSON: one of PICKS, or form and browser; raises ValueError saying what to write."""
        if isinstance(raw, str) and raw in PICKS:
            return cls(raw)
        if not isinstance(raw, dict) or not raw or raw.keys() - _KNOWN.keys():
            shape = '{"form": ["desktop"], "browser": ["chrome"]}'
            raise ValueError(f"must be one of {', '.join(PICKS)}, or such as {shape}")
        for name, found in raw.items():
            if not isinstance(found, list) or not found or any(one not in _KNOWN[name] for one in found):
                raise ValueError(f"{name} must be a list out of {', '.join(_KNOWN[name])}")
        return cls("all", tuple(raw.get("form", ())), tuple(raw.get("browser", ())))

    @property
    def picks_one(self) -> bool:
        """Whether the devices of a person are looked at together."""
        return self.pick in _ORDERS

    @property
    def reads_statistics(self) -> bool:
        return self.pick == "most_engaged"

    def fits(self) -> tuple[str, list[Any]]:
        """The condition on a device `d` alone, and its parameters."""
        asked = [("d.form", self.forms), ("d.browser", self.browsers)]
        parts = [(f"{column} = any(%s)", list(values)) for column, values in asked if values]
        return " and ".join(text for text, _ in parts) or "true", [values for _, values in parts]

    def chosen(self, source: str) -> str:
        """A query of the ids and contacts (`cid`, 0 for none) of the chosen devices in the relation `source`."""
        if not self.picks_one:
            return f"select id, cid from {source}"
        return f"""select id, cid from {source} where cid = 0 union all
                   (select distinct on (cid) id, cid from {source} where cid <> 0 order by cid, {_ORDERS[self.pick]})"""
