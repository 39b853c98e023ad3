"""Pause, resume and cancel. Workers see it at their next flush, so it takes effect within a second.

After a resume the caller pokes the message (`tasks.poke_message`); a sweep would do it too.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from campaigns import counting, finishing
from campaigns.counting import Counter
from campaigns.models import Batch, Campaign, Lane, Message

_SENT = (Message.Status.FREEZING, Message.Status.SENDING)
_UNDER_WAY = (Message.Status.SCHEDULED, *_SENT, Message.Status.PAUSED)


class NotPossible(ValueError):
    """The message or campaign is in a state that does not allow it; `status` names that state."""

    def __init__(self, status: str):
        super().__init__(f"It is {status.lower()}.")
        self.status = status


def pause(message_id: int, now: datetime) -> None:
    """Stops a message that is being sent; what is under way still counts. Raises NotPossible."""
    _move(message_id, _SENT, Message.Status.PAUSED)
    _campaign_of(message_id, Campaign.Status.SENDING, Campaign.Status.PAUSED)


def resume(message_id: int, now: datetime) -> None:
    """Goes on with a paused message. Raises NotPossible."""
    # The audience may not be frozen completely yet; a cancel in between makes both updates miss.
    paused = Message.objects.filter(pk=message_id, status=Message.Status.PAUSED)
    if not paused.filter(freeze_cursor__lt=F("freeze_end")).update(status=Message.Status.FREEZING):
        _move(message_id, (Message.Status.PAUSED,), Message.Status.SENDING)
    _campaign_of(message_id, Campaign.Status.PAUSED, Campaign.Status.SENDING)
    finishing.finish_if_complete(message_id, now)


def cancel(message_id: int, now: datetime) -> None:
    """Ends a message: what has not been sent is counted as cancelled. Raises NotPossible when it is over already."""
    with transaction.atomic():
        _move(message_id, _UNDER_WAY, Message.Status.CANCELLED)
        for before in (Campaign.Status.SENDING, Campaign.Status.PAUSED):
            _campaign_of(message_id, before, Campaign.Status.CANCELLED)
    close_if_cancelled(message_id, now)


def pause_campaign(campaign_id: int, now: datetime) -> None:
    """`pause` of the campaign's message. Raises NotPossible."""
    for message_id in _messages_of(campaign_id):
        pause(message_id, now)


def resume_campaign(campaign_id: int, now: datetime) -> list[int]:
    """`resume` of the campaign's messages, whose ids are returned to be poked. Raises NotPossible."""
    message_ids = _messages_of(campaign_id)
    for message_id in message_ids:
        resume(message_id, now)
    return message_ids


def cancel_campaign(campaign_id: int, now: datetime) -> None:
    """`cancel` of the campaign's message; one that was only scheduled is cancelled too. Raises NotPossible."""
    scheduled = Campaign.objects.filter(pk=campaign_id, status=Campaign.Status.SCHEDULED)
    if scheduled.update(status=Campaign.Status.CANCELLED, finished_at=now):
        return
    for message_id in _messages_of(campaign_id):
        cancel(message_id, now)


def close_if_cancelled(message_id: int, now: datetime) -> None:
    """Closes what of a cancelled message nobody holds: counts its devices as cancelled, and ends it when all is closed.

    A Batch that a worker holds is closed when it gives it back, or when its lease is over. Retries are closed last:
    until then they show that their devices do not count with an older Batch.
    """
    with transaction.atomic():
        message = (
            Message.objects.select_for_update(no_key=True)
            .filter(pk=message_id, status=Message.Status.CANCELLED, finished_at=None)
            .first()
        )
        if message is None:
            return
        with connection.cursor() as cursor:
            batch_ids = _close_batches(cursor, message_id)
            cancelled = _count_left(cursor, message_id, batch_ids) if batch_ids else 0
            if not Batch.objects.filter(message_id=message_id).exclude(state=Batch.State.DONE).exists():
                cancelled += _close_retries(cursor, message_id)
            lane = Lane.TARGETED if message.campaign_id is None else Lane.CAMPAIGN
            counter = Counter(message_id, message.campaign_id, message.site_id, counting.slot_of(lane))
            counting.add(cursor, counter, now, {"cancelled": cancelled}, {})
    finishing.finish_if_complete(message_id, now)


def _close_batches(cursor: Any, message_id: int) -> list[int]:
    cursor.execute(
        f"""update batch set state = {Batch.State.DONE:d}, lease_until = null
            where message_id = %s
              and (state = {Batch.State.READY:d} or state = {Batch.State.LEASED:d} and lease_until < now())
            returning id""",
        [message_id],
    )
    return [id_ for (id_,) in cursor.fetchall()]


def _count_left(cursor: Any, message_id: int, batch_ids: Sequence[int]) -> int:
    """How many devices of these Batches have no outcome, wait for no retry and are in no Batch of a later attempt."""
    cursor.execute(
        """with later as (select u.d, max(b.attempt) attempt from batch b, unnest(b.device_ids) u(d)
                          where b.message_id = %s and b.attempt > 1 group by u.d),
                mine as (select u.d, max(b.attempt) attempt from batch b, unnest(b.device_ids) u(d)
                         where b.id = any(%s) group by u.d)
           select count(*) from mine left join later on later.d = mine.d
           where coalesce(later.attempt, 1) <= mine.attempt
             and not exists (select from delivery x where x.message_id = %s and x.device_id = mine.d)
             and not exists (select from retry x where x.message_id = %s and x.device_id = mine.d)""",
        [message_id, batch_ids, message_id, message_id],
    )
    return int(cursor.fetchone()[0])


def _close_retries(cursor: Any, message_id: int) -> int:
    """Deletes the message's retries; how many of their devices have no outcome."""
    cursor.execute(
        """with r as (delete from retry where message_id = %s returning device_id)
           select count(*) from r
           where not exists (select from delivery x where x.message_id = %s and x.device_id = r.device_id)""",
        [message_id, message_id],
    )
    return int(cursor.fetchone()[0])


def _move(message_id: int, before: Sequence[Any], after: Any) -> None:
    """Compare-and-set on the status of a message."""
    if not Message.objects.filter(pk=message_id, status__in=before).update(status=after):
        message = Message.objects.filter(pk=message_id).first()
        raise NotPossible(message.get_status_display() if message else "unknown")


def _campaign_of(message_id: int, before: Any, after: Any) -> None:
    Campaign.objects.filter(messages=message_id, status=before).update(status=after)


def _messages_of(campaign_id: int) -> list[int]:
    """The campaign's messages that have not come to their end; raises NotPossible when there are none."""
    message_ids = list(Message.objects.filter(campaign_id=campaign_id, finished_at=None).values_list("pk", flat=True))
    if not message_ids:
        campaign = Campaign.objects.filter(pk=campaign_id).first()
        raise NotPossible(campaign.get_status_display() if campaign else "unknown")
    return message_ids
