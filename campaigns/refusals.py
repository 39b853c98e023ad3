"""When a push service refuses our key from everybody, it is our fault: that key is paused on that service.

Evidence is the newest EVIDENCE devices that were refused since any other answer; it stands in `service_state` and is
touched only while there are refusals. One visitor with a foreign key can therefore never stop a Site.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import F

from campaigns.models import ServiceState

EVIDENCE: Final = 20
"""Devices whose answers, the last that came, must all refuse the key."""

ACCEPTED_BEFORE: Final = 5
"""Of them, so many must have had a message accepted before: with them the key was once right."""

REASON: Final = "key_refused"
UNTIL_RESUMED: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""`paused_until` of a pause that only a person ends."""


def weigh(cursor: Any, service: int, vapid_key_id: int, answers: Sequence[tuple[int, bool]], now: datetime) -> bool:
    """Adds answers, in the order they came, as (device id, whether it refused the key); whether the key is now paused.

    In the caller's transaction, where it holds the row of `service_state` until the end.
    """
    cursor.execute(
        """insert into service_state (service, vapid_key_id, reason, updated_at) values (%s, %s, '', %s)
           on conflict do nothing""",
        [service, vapid_key_id, now],
    )
    cursor.execute(
        """select coalesce(refused_devices, '{}'), paused_until is not null and paused_until > now() and reason = %s
           from service_state where service = %s and vapid_key_id = %s for update""",
        [REASON, service, vapid_key_id],
    )
    before, is_paused = cursor.fetchone()
    if is_paused:
        return True
    refused = _after(before, answers)
    pauses = len(refused) == EVIDENCE and _accepted_before(cursor, refused) >= ACCEPTED_BEFORE
    if pauses:
        cursor.execute(
            """update service_state set paused_until = %s, reason = %s, refused_devices = null, updated_at = %s
               where service = %s and vapid_key_id = %s""",
            [UNTIL_RESUMED, REASON, now, service, vapid_key_id],
        )
    elif refused != before:
        cursor.execute(
            """update service_state set refused_devices = %s, updated_at = %s
               where service = %s and vapid_key_id = %s""",
            [refused or None, now, service, vapid_key_id],
        )
    return pauses


def resume(service: int, vapid_key_id: int) -> bool:
    """Lets a key that was refused be used on that service again, with the evidence begun anew; whether it was paused.

    A rate that held before holds still, for its own reason. The sweep finds what waited.
    """
    return bool(
        ServiceState.objects.filter(service=service, vapid_key_id=vapid_key_id, reason=REASON).update(
            paused_until=None, reason=F("slowed_by"), refused_devices=None
        )
    )


def _after(before: Sequence[int], answers: Sequence[tuple[int, bool]]) -> list[int]:
    """The devices refused since any other answer, the newest last, each once."""
    newest = dict.fromkeys(before)
    for device_id, is_refused in answers:
        if is_refused:
            newest.pop(device_id, None)
            newest[device_id] = None
        else:
            newest.clear()
    return list(newest)[-EVIDENCE:]


def _accepted_before(cursor: Any, device_ids: Sequence[int]) -> int:
    cursor.execute("select count(*) from device_stats where device_id = any(%s) and sent > 0", [list(device_ids)])
    return int(cursor.fetchone()[0])
