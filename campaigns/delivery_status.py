"""The status of one device of one message: a state machine that only moves forward. Its tables decide everything.

Reports come late, doubled, out of order and with steps missing. So a status is never stored: it is worked out from the
facts that are, each of which is written once, and whatever the order in which they came, the same facts give the same
status. A move that MOVES does not allow is none: the status stays what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from campaigns.models import ReceiptKind
from pushplatform.webpush.outcome import Outcome


class Status(StrEnum):
    """What is known of a delivery. Stable words: clients branch on them."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    RECEIVED = "received"
    SHOWN = "shown"
    CLOSED = "closed"
    CLICKED = "clicked"
    FAILED = "failed"
    GONE = "gone"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


STEPS: Final = (Status.ACCEPTED, Status.RECEIVED, Status.SHOWN, Status.CLOSED, Status.CLICKED)
"""What happens to a delivery that goes well, each with its time. Closed and clicked are two ends of shown."""

_BROWSERS: Final = frozenset({Status.RECEIVED, Status.SHOWN, Status.CLOSED, Status.CLICKED})
_OURS: Final = frozenset(
    {Status.ACCEPTED, Status.FAILED, Status.GONE, Status.EXPIRED, Status.SKIPPED, Status.CANCELLED}
)

MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.QUEUED: _OURS | _BROWSERS,
    Status.ACCEPTED: _BROWSERS,
    Status.RECEIVED: frozenset({Status.SHOWN, Status.CLOSED, Status.CLICKED}),
    Status.SHOWN: frozenset({Status.CLOSED, Status.CLICKED}),
    Status.CLOSED: frozenset({Status.CLICKED}),
    Status.CLICKED: frozenset(),
    # A request without an answer may have arrived: what the browser reports has happened, whatever we believed.
    Status.FAILED: _BROWSERS,
    Status.GONE: _BROWSERS,
    Status.EXPIRED: _BROWSERS,
    Status.SKIPPED: _BROWSERS,
    Status.CANCELLED: _BROWSERS,
}
"""Where a status may go from each; every other move leaves it as it is."""

IMPLIED: Final[Mapping[Status, tuple[Status, ...]]] = {
    Status.ACCEPTED: (),
    Status.RECEIVED: (Status.ACCEPTED,),
    Status.SHOWN: (Status.RECEIVED, Status.ACCEPTED),
    Status.CLOSED: (Status.SHOWN, Status.RECEIVED, Status.ACCEPTED),
    Status.CLICKED: (Status.SHOWN, Status.RECEIVED, Status.ACCEPTED),
}
"""The steps that must have happened before; where nothing else tells of them they get this step's time, and a mark."""

OF_OUTCOME: Final[Mapping[Any, Status]] = {
    Outcome.ACCEPTED: Status.ACCEPTED,
    Outcome.FAILED: Status.FAILED,
    Outcome.GONE: Status.GONE,
    Outcome.EXPIRED: Status.EXPIRED,
    Outcome.SKIPPED: Status.SKIPPED,
    Outcome.CANCELLED: Status.CANCELLED,
}
OF_RECEIPT: Final[Mapping[Any, Status]] = {
    ReceiptKind.RECEIVED: Status.RECEIVED,
    ReceiptKind.SHOWN: Status.SHOWN,
    ReceiptKind.CLOSED: Status.CLOSED,
    ReceiptKind.CLICKED: Status.CLICKED,
}


def moved(status: Status, to: Status) -> Status:
    """The status after something says `to`."""
    return to if to in MOVES[status] else status


@dataclass(frozen=True, slots=True)
class Step:
    """When a step happened; `implied`: no report of its own, a later step tells of it."""

    at: datetime
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of a delivery: its status, and the steps of STEPS that it took."""

    status: Status
    steps: Mapping[Status, Step]


def course(outcome: Status | None, at: datetime | None, reported: Mapping[Status, Step]) -> Course:
    """The course of a delivery from our outcome, which came `at`, and what its browser reported.

    `outcome` None: there is none yet.
    """
    status, steps = Status.QUEUED, dict(reported)
    if outcome is not None:
        status = moved(status, outcome)
    if outcome is Status.ACCEPTED and at is not None:
        steps[Status.ACCEPTED] = Step(at)
    for step in reported:
        status = moved(status, step)
    for step, known in sorted(reported.items(), key=lambda one: one[1].at):
        for before in IMPLIED[step]:
            steps.setdefault(before, Step(known.at, implied=True))
    return Course(status, steps)


def is_expired_unseen(course_: Course, expires_at: datetime, now: datetime) -> bool:
    """Whether a push service took it and its browser never fetched it while there was time."""
    return course_.status is Status.ACCEPTED and expires_at <= now
