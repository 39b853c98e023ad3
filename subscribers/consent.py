"""The rule of consent: from decisions to what a device may be sent. Pure; `ledger.py` has its SQL form.

A decision is made in one of two scopes: by the person in this browser (device scope), or known to the CRM (contact
scope). In each scope the newest decision for a purpose counts; a device may be sent to for a purpose when no scope
says withdrawn and at least one says granted. Never asked is not granted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from subscribers.models import Decision, Scope

NO_WORDING = 0
"""The version of a decision whose wording is not known: older than every version."""


@dataclass(frozen=True, slots=True)
class Line:
    """One decision about the purpose with this bit, in the order it arrived."""

    scope: Scope
    bit: int
    decision: Decision
    version: int
    claimed_at: datetime
    arrived_at: datetime

    @property
    def at(self) -> datetime:
        """When it counts from: nobody decides in the future."""
        return min(self.claimed_at, self.arrived_at)


def newest(lines: Iterable[Line]) -> dict[tuple[Scope, int], Line]:
    """The decision that counts, by scope and bit. `lines` come in the order of arrival; at a tie withdrawn wins."""
    counting: dict[tuple[Scope, int], Line] = {}
    for line in lines:
        before = counting.get((line.scope, line.bit))
        if before is None or (line.at, line.decision) >= (before.at, before.decision):
            counting[line.scope, line.bit] = line
    return counting


def allowed(lines: Iterable[Line], ended: Mapping[int, int]) -> int:
    """The bits of `device.allowed` that follow from the lines of a device and of the contact it is linked to.

    `ended`: by bit, the newest version that ends the yeses given to older ones; a yes so ended says nothing.
    """
    granted = withdrawn = 0
    for (_, bit), line in newest(lines).items():
        if line.decision == Decision.WITHDRAWN:
            withdrawn |= 1 << bit
        elif line.version >= ended.get(bit, NO_WORDING):
            granted |= 1 << bit
    return granted & ~withdrawn
