"""Celery tasks of this room."""

import logging

from celery import shared_task

from pushplatform.poke import Poke
from subscribers import journal
from subscribers.segments import indexing

log = logging.getLogger(__name__)


@shared_task(base=Poke)
def flush_journal() -> None:
    """Writes what waits for the privacy journal's file, where that could not be done at once."""
    journal.flush()


@shared_task(base=Poke)
def index_attributes() -> None:
    """Makes and drops the indexes of filterable attributes."""
    made, dropped = indexing.bring_up_to_date()
    if made or dropped:
        log.info("indexes of attributes: made %s, dropped %s", ", ".join(made) or "none", ", ".join(dropped) or "none")
