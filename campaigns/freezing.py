"""Freezes the audience of a Message: turns it into Batches, in steps by ranges of device ids, while sending has begun.

Each step is one transaction that moves `freeze_cursor`, so that a crash loses nothing and a second worker at the same
message only takes the next step.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from campaigns import control, finishing
from campaigns.audience import BATCH_COLUMNS, BATCH_VALUES, CHOSEN, SLICE, STEPS, Audience, Selection, batch_values
from campaigns.models import AudienceChoice, Lane, Message
from subscribers.models import Device
from subscribers.segments import DefinitionError

log = logging.getLogger(__name__)

FIRST_STEP: Final = 10_000
"""Ids in the first step: small, so that sending begins at once."""

STEP: Final = 100_000
NEGLECTED: Final = timedelta(seconds=2)
"""After its launch; before that whoever freezes, and pokes for what it made, may just have begun."""

FEW: Final = 10_000
MOST_STRETCHED: Final = 16
"""After a step that finds few devices the next is four times as long: the ids belong to other Sites."""

_FIGURES: Final = ("matched", "with_consent", "active", "after_exclusions")


def freeze_some(message_id: int, now: datetime) -> tuple[list[int], bool]:
    """Takes the next step that finds somebody; the ids of its Batches, and whether there is more to do.

    One step for each call, so that a process that also sends does not keep its Batches waiting.
    """
    try:
        for batch_ids in freeze(message_id):
            if batch_ids:
                return batch_ids, True
    except DefinitionError as error:
        _stop(message_id, error, now)
        return [], False
    finishing.finish_if_complete(message_id, now)
    return [], False


def freeze_neglected(now: datetime) -> None:
    """Takes the next step at a message that should be frozen and that nobody works at, if there is one."""
    freezing = Message.objects.filter(finished_at=None, status=Message.Status.FREEZING, send_at__lte=now - NEGLECTED)
    with transaction.atomic():
        free = freezing.order_by("pk").select_for_update(skip_locked=True, no_key=True)
        message_id = free.values_list("pk", flat=True).first()
    if message_id is not None:
        freeze_some(message_id, now)


def freeze(message_id: int) -> Iterator[list[int]]:
    """Takes the steps that are left, each when asked for; yields the ids of the Batches each has made.

    Ends when the audience is complete, or the message is paused or cancelled.
    """
    stretch = 1
    while (made := _step(message_id, stretch)) is not None:
        batch_ids, devices = made
        stretch = min(stretch * 4, MOST_STRETCHED) if devices < FEW else 1
        yield batch_ids


def _stop(message_id: int, error: DefinitionError, now: datetime) -> None:
    """Pauses a message whose audience can no longer be worked out: nobody is guessed, and a person decides.

    The definitions are frozen, but what they name (an attribute, another segment) may have changed since the launch.
    """
    why = "; ".join(one.detail for one in error.errors)
    log.error("message %s: its audience cannot be worked out any more, it is paused: %s", message_id, why)
    with transaction.atomic():
        message = Message.objects.select_for_update(no_key=True).get(pk=message_id)
        if message.status == Message.Status.FREEZING:
            Message.objects.filter(pk=message_id).update(audience=message.audience | {"stopped": why})
            control.pause(message_id, now)


@transaction.atomic
def _step(message_id: int, stretch: int) -> tuple[list[int], int] | None:
    """The Batches of the next range of ids, and how many devices are in them; None when there is nothing to do."""
    freezing = Message.objects.filter(pk=message_id, status=Message.Status.FREEZING)
    message = freezing.select_for_update(no_key=True).first()
    if message is None:
        return None
    audience = Audience.of_message(message)
    selection = audience.compiled()
    chosen_first = audience.choice.picks_one or selection.is_slow_in_steps
    if chosen_first and not AudienceChoice.objects.filter(pk=message_id).exists():
        _choose(message, audience, selection)
    low, length = message.freeze_cursor, STEP * stretch if message.freeze_cursor else FIRST_STEP
    high = min(low + length, message.freeze_end)
    batch_ids, devices = _slice(message, audience, low, high) if chosen_first else _range(message, selection, low, high)
    message.freeze_cursor = high
    message.targeted += devices
    if high >= message.freeze_end:
        message.status = Message.Status.SENDING
        AudienceChoice.objects.filter(pk=message_id).delete()
    message.save(update_fields=["freeze_cursor", "freeze_end", "targeted", "audience", "status"])
    return batch_ids, devices


def _range(message: Message, selected: Selection, low: int, high: int) -> tuple[list[int], int]:
    """Batches of the devices with ids above `low` up to `high`, in one look at them."""
    ids = [low + 1, high]
    selection, params = selected.query("d.id between %s and %s", ids, narrow="between %s and %s", narrow_params=ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with m as materialized ({selection}),
                     b as (insert into batch ({BATCH_COLUMNS}) select {BATCH_VALUES}
                           from (select *, {SLICE} g from m where {CHOSEN}) t
                           group by service, vapid_key_id, g order by min(id) returning id, n)
                select (select array_agg(id order by id) from b), (select coalesce(sum(n), 0) from b), w.*
                from (select {STEPS} from m) w""",
            [*params, *batch_values(message, Lane.CAMPAIGN), settings.PUSH_BATCH_SIZE],
        )
        batch_ids, devices, *figures = cursor.fetchone()
    _add(message, dict(zip(_FIGURES, figures, strict=True)) | {"after_device_choice": devices})
    return batch_ids or [], int(devices)


def _choose(message: Message, audience: Audience, selected: Selection) -> None:
    """Chooses the device of each person once and for all; `freeze_cursor` then counts the places in this choice."""
    selection, params = selected.query()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with m as materialized ({selection}),
                     t as (select * from m where {CHOSEN}),
                     o as ({audience.choice.chosen("t")}),
                     a as (insert into audience_choice (message_id, device_ids)
                           select %s, coalesce(array_agg(id order by id), '{{}}') from o
                           returning cardinality(device_ids) n)
                select (select n from a), w.* from (select {STEPS} from m) w""",
            [*params, message.pk],
        )
        chosen, *figures = cursor.fetchone()
    message.freeze_cursor, message.freeze_end = 0, chosen
    _add(message, dict(zip(_FIGURES, figures, strict=True)) | {"after_device_choice": chosen})


def _slice(message: Message, audience: Audience, low: int, high: int) -> tuple[list[int], int]:
    """Batches of the chosen devices in the places after `low` up to `high`, those that may still be sent to."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with m as (select d.id, coalesce(d.contact_id, 0) cid, d.service, d.vapid_key_id
                           from unnest((select device_ids[%s:%s] from audience_choice where message_id = %s)) x(id)
                           join device d on d.id = x.id
                           where d.status = {Device.Status.ACTIVE:d} and d.allowed & %s <> 0),
                     b as (insert into batch ({BATCH_COLUMNS}) select {BATCH_VALUES}
                           from (select *, {SLICE} g from m) t
                           group by service, vapid_key_id, g order by min(id) returning id, n)
                select (select array_agg(id order by id) from b), (select coalesce(sum(n), 0) from b)""",
            [
                low + 1,
                high,
                message.pk,
                1 << (audience.bit or 0),
                *batch_values(message, Lane.CAMPAIGN),
                settings.PUSH_BATCH_SIZE,
            ],
        )
        batch_ids, devices = cursor.fetchone()
    return batch_ids or [], int(devices)


def _add(message: Message, figures: dict[str, Any]) -> None:
    """Adds to the waterfall kept in `message.audience`."""
    counted = message.audience.setdefault("waterfall", {})
    for name, number in figures.items():
        counted[name] = counted.get(name, 0) + int(number)
