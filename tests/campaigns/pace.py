"""Time that is made to pass, sweep by sweep, and what roads to push services look like meanwhile."""

from datetime import timedelta
from time import monotonic

from django.db import connection
from django.utils import timezone

from campaigns import sending, sweep
from campaigns.models import Batch, ServiceMinute, ServiceState

STEP = 10
"""Seconds from one sweep to the next."""


def pass_time(seconds):
    """As if it were so much later: everything that waits is due so much sooner."""
    by = timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        for table, column in (
            ("service_state", "tokens_at"),
            ("service_state", "paused_until"),
            ("service_minute", "first_at"),
            ("token_bucket", "filled_at"),
            ("batch", "not_before"),
            ("retry", "not_before"),
        ):
            cursor.execute(f"update {table} set {column} = {column} - %s", [by])


def step(messages, transport, begun=None):
    """What one sweep and the workers after it do for these messages; then it is STEP seconds after `begun` (or now).

    What it takes itself is part of that: on a slow machine no more time passes.
    """
    begun = monotonic() if begun is None else begun
    for batch_id, _ in sweep.sweep(timezone.now()).batches:
        if Batch.objects.filter(pk=batch_id, message__in=messages).exists():
            sending.send_batch(batch_id, transport)
    pass_time(STEP - (monotonic() - begun))
    for message in messages:
        message.refresh_from_db()


def fault(world, kind, **members):
    answer = world.push.call("POST", "/faults", {"kind": kind, **members})
    assert answer.status_code == 201, answer.text


def fault_of_key(world, kind, count, **members):
    """For the first `count` devices of this Site."""
    for place in range(count):
        world.fault(kind, place, **members)


def posts(world):
    return world.push.statistics()["posts"]


def state(world):
    return ServiceState.objects.get(vapid_key_id=world.key.pk)


def sums(world, column):
    return sum(ServiceMinute.objects.filter(vapid_key_id=world.key.pk).values_list(column, flat=True))
