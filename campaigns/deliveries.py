"""What became of a message on each device: read from the facts, a stretch of the frozen audience at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from campaigns.delivery_status import OF_OUTCOME, OF_RECEIPT, Course, Status, Step, course, is_expired_unseen
from campaigns.models import Message
from pushplatform.webpush.outcome import REASONS, Outcome
from pushplatform.webpush.request import PushService

EXPIRED_UNSEEN: Final = "expired_unseen"
FILTERS: Final = (*Status, EXPIRED_UNSEEN)
"""What a list can be narrowed to."""

STRETCH: Final = 2_000
MOST_READ: Final = 10_000
"""Devices looked at for one page at most: a rare status among a million makes short pages, not long waits."""

BATCHES: Final = 16
"""Of those looked into at once that do not overlap."""

_CODES: Final = {reason.number: code for code, reason in REASONS.items()}


@dataclass(frozen=True, slots=True)
class DeviceCourse:
    """One device of a message. `outcome`: ours, None before there is one; `measured`: None before it is known."""

    device_id: int
    external_id: str | None
    outcome: Outcome | None
    reason: str | None
    service: PushService
    attempts: int
    measured: bool | None
    course: Course
    at: datetime | None
    button: str | None
    """The button of a click."""
    expired_unseen: bool | None
    """None where nobody can know: reports that are tied to no device."""


class _Frozen(NamedTuple):
    device_id: int
    contact_id: int
    service: int


class _Outcome(NamedTuple):
    device_id: int
    status: int
    reason: int | None
    service: int
    attempts: int
    measured: bool
    at: datetime


def page(
    message: Message, after: int, limit: int, now: datetime, *, status: str | None = None, contact_id: int | None = None
) -> tuple[list[DeviceCourse], int | None]:
    """Devices behind the id `after`, ordered by id, and where the next page begins; None: this was the last one.

    `status`: one of FILTERS; `contact_id`: only whoever was frozen with this contact. A page may be shorter than
    `limit` though more follow.
    """
    found: list[DeviceCourse] = []
    read = 0
    while True:
        frozen = _frozen(message.pk, after, STRETCH, contact_id)
        for one in _courses(message, frozen, now):
            if _fits(one, status):
                if len(found) == limit:
                    return found, found[-1].device_id
                found.append(one)
        read += len(frozen)
        if len(frozen) < STRETCH:
            return found, None
        after = frozen[-1].device_id
        if read >= MOST_READ:
            return found, after


def _fits(one: DeviceCourse, status: str | None) -> bool:
    if status is None:
        return True
    return bool(one.expired_unseen) if status == EXPIRED_UNSEEN else one.course.status == status


def _frozen(message_id: int, after: int, limit: int, contact_id: int | None) -> list[_Frozen]:
    """The audience behind a device id. Retries are Batches of their own, of the same devices: they are left out."""
    found: list[_Frozen] = []
    with connection.cursor() as cursor:
        while True:
            end = None if contact_id is not None else _end(cursor, message_id, after)
            cursor.execute(
                """select u.d, u.c, b.service from batch b, unnest(b.device_ids, b.contact_ids) u(d, c)
                   where b.message_id = %(message)s and b.attempt = 1
                     and b.device_ids[b.n] > %(after)s and (%(end)s::bigint is null or b.device_ids[1] < %(end)s)
                     and (%(contact)s::bigint is null or %(contact)s = any(b.contact_ids))
                     and u.d > %(after)s and (%(end)s::bigint is null or u.d < %(end)s)
                     and (%(contact)s::bigint is null or u.c = %(contact)s)
                   order by u.d limit %(limit)s""",
                {"message": message_id, "after": after, "end": end, "contact": contact_id, "limit": limit - len(found)},
            )
            found += [_Frozen(*row) for row in cursor.fetchall()]
            if end is None or len(found) == limit:
                return found
            after = end - 1


def _end(cursor: Any, message_id: int, after: int) -> int | None:
    """A device id before which few Batches begin behind `after`, so that not all of a million are unpacked; None: there
    is no need."""
    cursor.execute(
        """select device_ids[1] from batch where message_id = %s and attempt = 1 and device_ids[1] > %s
           order by 1 offset %s limit 1""",
        [message_id, after, BATCHES],
    )
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def _courses(message: Message, frozen: Sequence[_Frozen], now: datetime) -> Iterator[DeviceCourse]:
    if not frozen:
        return
    ids = [one.device_id for one in frozen]
    with connection.cursor() as cursor:
        outcomes = _outcomes(cursor, message.pk, ids)
        reports, buttons = _reports(cursor, message.pk, ids)
        tries = _tries(cursor, message.pk, ids)
        names = _external_ids(cursor, [one.contact_id for one in frozen])
    cancelled = message.status == Message.Status.CANCELLED and message.finished_at is not None
    for device in frozen:
        row = outcomes.get(device.device_id)
        outcome = Outcome(row.status) if row else Outcome.CANCELLED if cancelled else None
        measured = row.measured if row else None
        found = course(
            None if outcome is None else OF_OUTCOME[outcome],
            row.at if row else None,
            reports.get(device.device_id, {}),
        )
        unseen = is_expired_unseen(found, message.expires_at, now)
        yield DeviceCourse(
            device_id=device.device_id,
            external_id=names.get(device.contact_id),
            outcome=outcome,
            reason=_CODES.get(row.reason) if row and row.reason else None,
            service=PushService(row.service if row else device.service),
            attempts=row.attempts if row else tries.get(device.device_id, 0),
            measured=measured,
            course=found,
            at=row.at if row else None,
            button=buttons.get(device.device_id),
            expired_unseen=None if unseen and not measured else unseen,
        )


def _outcomes(cursor: Any, message_id: int, ids: list[int]) -> dict[int, _Outcome]:
    cursor.execute(
        "select device_id, status, reason, service, attempts, measured, at from delivery"
        " where message_id = %s and device_id = any(%s)",
        [message_id, ids],
    )
    return {row[0]: _Outcome(*row) for row in cursor.fetchall()}


def _reports(cursor: Any, message_id: int, ids: list[int]) -> tuple[dict[int, dict[Status, Step]], dict[int, str]]:
    """What browsers reported, by device and step, and the button of a click."""
    cursor.execute(
        "select device_ref, kind, at, implied, action from receipt where message_id = %s and device_ref = any(%s)",
        [message_id, ids],
    )
    found: dict[int, dict[Status, Step]] = {}
    buttons: dict[int, str] = {}
    for device_id, kind, at, implied, action in cursor.fetchall():
        if (step := OF_RECEIPT.get(kind)) is not None:
            found.setdefault(device_id, {})[step] = Step(at, implied)
            if action:
                buttons[device_id] = action
    return found, buttons


def _tries(cursor: Any, message_id: int, ids: list[int]) -> dict[int, int]:
    """Attempts made of what waits for another."""
    cursor.execute(
        "select device_id, attempt from retry where message_id = %s and device_id = any(%s)", [message_id, ids]
    )
    return dict(cursor.fetchall())


def _external_ids(cursor: Any, contact_ids: list[int]) -> dict[int, str]:
    cursor.execute("select id, external_id from contact where id = any(%s)", [[id_ for id_ in contact_ids if id_]])
    return dict(cursor.fetchall())
