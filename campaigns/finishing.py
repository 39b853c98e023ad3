"""When a Message comes to its end: the one place that decides it.

It finishes only when its audience is frozen completely and
targeted = accepted + failed + gone + expired + skipped + cancelled.
"""

from datetime import datetime

from django.db import connection, transaction

from campaigns.counting import OUTCOMES
from campaigns.models import Batch, Campaign, Message

_ALIVE = f"({Message.Status.SENDING:d}, {Message.Status.PAUSED:d}, {Message.Status.CANCELLED:d})"
_ENDED = " + ".join(f"t.{column}" for column in OUTCOMES.values())


@transaction.atomic
def finish_if_complete(message_id: int, now: datetime) -> bool:
    """Ends the message, and its campaign with it, when nothing of it is left to do; whether it did so now.

    Call it after the commit of the last outcomes: two that finish together then cannot both miss the sum.
    """
    status = Message.Status
    with connection.cursor() as cursor:
        cursor.execute(
            f"""update message m set finished_at = %s, status = case
                    when m.status = {status.CANCELLED:d} then m.status
                    when s.expired = m.targeted and m.targeted > 0 then {status.EXPIRED:d}
                    else {status.FINISHED:d} end
                from (select coalesce(sum({_ENDED}), 0) ended, coalesce(sum(t.expired), 0) expired
                      from message_total t where t.message_id = %s) s
                where m.id = %s and m.finished_at is null and m.targeted = s.ended
                  and m.status in {_ALIVE}
                  and (m.status <> {status.PAUSED:d} or m.freeze_cursor >= m.freeze_end)
                returning m.campaign_id, m.status""",
            [now, message_id, message_id],
        )
        ended = cursor.fetchone()
        if ended is None:
            return False
        # Whoever lost a lease may have left these behind for a device that somebody else has brought to its end.
        cursor.execute("delete from retry where message_id = %s", [message_id])
        cursor.execute(
            f"update batch set state = {Batch.State.DONE:d} where message_id = %s and state <> {Batch.State.DONE:d}",
            [message_id],
        )
    campaign_id, message_status = ended
    if campaign_id is not None:
        _end_campaign(campaign_id, message_status == status.CANCELLED, now)
    return True


def _end_campaign(campaign_id: int, cancelled: bool, now: datetime) -> None:
    """Ends a campaign that has no message left under way; of messages that end together the last one sees it."""
    Campaign.objects.select_for_update(no_key=True).filter(pk=campaign_id).first()
    if Message.objects.filter(campaign_id=campaign_id, finished_at=None).exists():
        return
    alive = (Campaign.Status.SENDING, Campaign.Status.PAUSED, Campaign.Status.CANCELLED)
    status = Campaign.Status.CANCELLED if cancelled else Campaign.Status.SENT
    Campaign.objects.filter(pk=campaign_id, status__in=alive, finished_at=None).update(status=status, finished_at=now)


def complete_ids() -> list[int]:
    """Messages that could be finished: whoever recorded their last outcome died before that."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select m.id from message m
                where m.finished_at is null and m.status in {_ALIVE}
                  and m.targeted = (select coalesce(sum({_ENDED}), 0) from message_total t where t.message_id = m.id)"""
        )
        return [id_ for (id_,) in cursor.fetchall()]
