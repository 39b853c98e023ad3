"""Who works at a Batch: the lease with its fencing token (`batch.lease`), judged by the database's clock."""

import os
import socket
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from campaigns.models import Batch, Message
from campaigns.refusals import REASON

_GOING = f"({Message.Status.SENDING:d}, {Message.Status.FREEZING:d})"
_LEASE = "now() + %s * interval '1 second'"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed Batch. `token`: which claim of it this is; an older one may still be at work somewhere."""

    batch_id: int
    message_id: int
    service: int
    vapid_key_id: int
    lane: int
    attempt: int
    token: int


def claim(batch_id: int) -> Lease | None:
    """Leases the Batch when it is due, nobody holds it, its message goes on and its push service is not paused."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""update batch b set state = {Batch.State.LEASED:d}, lease = lease + 1, lease_until = {_LEASE},
                                   worker = %s
                from message m
                where b.id = %s and m.id = b.message_id and m.status in {_GOING} and b.not_before <= now()
                  and (b.state = {Batch.State.READY:d}
                       or b.state = {Batch.State.LEASED:d} and b.lease_until < now())
                  and not exists (select from service_state s where s.service = b.service
                                  and s.vapid_key_id = b.vapid_key_id and s.paused_until > now())
                returning b.id, b.message_id, b.service, b.vapid_key_id, b.lane, b.attempt, b.lease""",
            [settings.PUSH_LEASE_SECONDS, _worker(), batch_id],
        )
        row = cursor.fetchone()
    return Lease(*row) if row else None


class Renewed(NamedTuple):
    """What a worker learns when it prolongs its lease. `doubted`: devices were refused, or the key is paused."""

    status: int
    doubted: bool


def renew(cursor: Any, lease: Lease) -> Renewed | None:
    """Prolongs the lease; None when somebody else has the Batch."""
    cursor.execute(
        f"""update batch b set lease_until = {_LEASE} from message m
            where b.id = %s and b.lease = %s and b.state = {Batch.State.LEASED:d} and m.id = b.message_id
            returning m.status, exists (select from service_state s where s.service = b.service
                                        and s.vapid_key_id = b.vapid_key_id
                                        and (s.refused_devices is not null or s.reason = %s))""",
        [settings.PUSH_LEASE_SECONDS, lease.batch_id, lease.token, REASON],
    )
    row = cursor.fetchone()
    return Renewed(*row) if row else None


def goes_on(status: int) -> bool:
    """Whether a message of this status is being sent."""
    return status in (Message.Status.SENDING, Message.Status.FREEZING)


def end(lease: Lease, *, done: bool) -> bool:
    """Ends the lease: the Batch is done, or ready for the next who comes; whether it was still ours."""
    state = Batch.State.DONE if done else Batch.State.READY
    with connection.cursor() as cursor:
        cursor.execute(
            f"""update batch set state = {state:d}, lease_until = null
                where id = %s and lease = %s and state = {Batch.State.LEASED:d}""",
            [lease.batch_id, lease.token],
        )
        return bool(cursor.rowcount)


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"[-64:]
