"""Looks for what is due, so that a lost poke, a dead worker or an empty broker only costs time.

Two sweeps at once do no harm: every move is a conditional update, and a poke may come twice. A sweep pokes no more
than MOST_POKES: the next one finds the rest.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime

from campaigns import control, finishing, launch, retries, targeted
from campaigns.choosing import MOST_POKES, Allowances, due_batches
from campaigns.models import Campaign, Lane, Message

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Due:
    """What is to be poked: Batches as (id, lane), and messages to be frozen."""

    batches: list[tuple[int, int]] = field(default_factory=list)
    freezing: list[int] = field(default_factory=list)


def sweep(now: datetime) -> Due:
    """Moves on whatever `now` allows, and says what is to be poked."""
    due = Due()
    begin_scheduled(now)
    retries.move_due(now)
    freezing = Message.objects.filter(finished_at=None, status=Message.Status.FREEZING)
    due.freezing = list(freezing.values_list("pk", flat=True)[:MOST_POKES])
    allowances = Allowances()
    for lane in (Lane.TARGETED, Lane.CAMPAIGN):
        due.batches += due_batches(lane, now, allowances)
    end_what_is_over(now)
    forget_secrets(now)
    return due


def due_of_message(message_id: int) -> Due:
    """The same of one message alone."""
    message = Message.objects.get(pk=message_id)
    freezing = [message_id] if message.status == Message.Status.FREEZING else []
    return Due(due_batches(message.lane, None, Allowances(), message_id), freezing)


def begin_scheduled(now: datetime) -> None:
    """Launches campaigns and begins messages whose time has come."""
    campaigns = Campaign.objects.filter(status=Campaign.Status.SCHEDULED, send_at__lte=now)
    for campaign_id in campaigns.order_by("send_at").values_list("pk", flat=True):
        if launch.launch_when_due(campaign_id, now) is None:
            log.warning("campaign %s could not be launched at its time", campaign_id)
    targeted.begin_due(now)


def end_what_is_over(now: datetime) -> None:
    """Closes cancelled messages that a worker held, and ends what nobody has ended."""
    cancelled = Message.objects.filter(finished_at=None, status=Message.Status.CANCELLED)
    for message_id in cancelled.values_list("pk", flat=True):
        control.close_if_cancelled(message_id, now)
    for message_id in finishing.complete_ids():
        finishing.finish_if_complete(message_id, now)


def forget_secrets(now: datetime) -> None:
    """Deletes what links the pseudonyms of unmeasured devices to them, once the message has expired."""
    Message.objects.filter(ref_secret__isnull=False, expires_at__lte=now).update(ref_secret=None)
