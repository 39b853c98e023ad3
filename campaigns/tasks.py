"""Celery tasks: each takes one id, makes one call and holds no rule. What they find stands in the database."""

import logging
from collections import defaultdict
from collections.abc import Iterable

from celery import shared_task
from django.db import connection
from django.utils import timezone

from campaigns import freezing, reconciling, roads, rolling_up, saved_segments, sending, statistics
from campaigns import sweep as sweeping
from campaigns.models import Batch, Lane
from campaigns.worker_process import close_transport, is_ending, open_transport, until_asked_to_end
from pushplatform import partitions
from pushplatform.api import idempotency, request_log
from pushplatform.poke import Poke

log = logging.getLogger(__name__)

QUEUES = {Lane.TARGETED: "targeted", Lane.CAMPAIGN: "campaign"}
"""Each lane has its own queue and workers: an order update never waits behind a campaign."""


class _PokeBatch(Poke):
    """Pokes Batches into the queues of their lanes."""

    abstract = True

    def poke(self, *ids: int, queue: str | None = None) -> None:
        if queue is not None:
            super().poke(*ids, queue=queue)
        elif ids:
            self.poke_in_lanes(Batch.objects.filter(pk__in=ids).values_list("pk", "lane"))

    def poke_in_lanes(self, batches: Iterable[tuple[int, int]]) -> None:
        """Pokes Batches given as (id, lane)."""
        by_queue = defaultdict(list)
        for batch_id, lane in batches:
            by_queue[QUEUES[Lane(lane)]].append(batch_id)
        for queue, ids in by_queue.items():
            super().poke(*ids, queue=queue)


@shared_task(base=_PokeBatch)
def send_batch(batch_id: int) -> None:
    """Sends a Batch, unless somebody does already."""
    with until_asked_to_end() as ending:
        if ending():
            return  # the next worker finds it
        try:
            sending.send_batch(batch_id, open_transport(), stopping=ending)
        except BaseException:
            close_transport()  # requests of this batch may be under way in it
            raise


@shared_task(base=Poke)
def freeze_message(message_id: int) -> None:
    """Takes a step in freezing a message's audience, and pokes itself for the next."""
    batch_ids, more = freezing.freeze_some(message_id, timezone.now())
    send_batch.poke(*batch_ids, queue=QUEUES[Lane.CAMPAIGN])
    if more:
        freeze_message.poke(message_id)


@shared_task(base=Poke)
def poke_message(message_id: int) -> None:
    """Pokes whatever of a message can go on, after a resume."""
    poke_due(sweeping.due_of_message(message_id))


@shared_task(base=Poke)
def sweep() -> None:
    """Looks for everything that is due."""
    poke_due(sweeping.sweep(timezone.now()))


def poke_due(due: sweeping.Due) -> None:
    send_batch.poke_in_lanes(due.batches)
    freeze_message.poke(*due.freezing)


@shared_task(base=Poke)
def roll_up() -> None:
    """Brings finished Batches into the devices' statistics."""
    while not is_ending() and rolling_up.roll_up():
        pass


@shared_task(base=Poke)
def make_partitions() -> None:
    """Makes the partitions of the months to come."""
    with connection.cursor() as cursor:
        made = partitions.make_partitions(cursor, timezone.now())
    if made:
        log.info("made partitions: %s", ", ".join(made))


@shared_task(base=Poke)
def work_out_figures() -> None:
    """Counts the people behind the figures of large campaigns in which something happened."""
    statistics.refresh_figures(timezone.now())


@shared_task(base=Poke)
def forget_old_answers() -> None:
    """Deletes the stored answers of API calls that are no longer replayed, and old lines of the request log."""
    now = timezone.now()
    idempotency.forget_old(now)
    request_log.forget_old(now)


@shared_task(base=Poke)
def forget_old_minutes() -> None:
    """Deletes the history of push services that is no longer kept."""
    roads.forget_old(timezone.now())


@shared_task(base=Poke)
def reconcile_finished() -> None:
    """Compares the counters of what has just come to its end with the facts; differences are logged as errors."""
    reconciling.reconcile_finished(timezone.now(), is_ending)


@shared_task(base=Poke)
def measure_segments() -> None:
    """Notes how large each segment is today."""
    saved_segments.measure_sizes(timezone.now())
