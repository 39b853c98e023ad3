"""Celery tasks of this room."""

from celery import shared_task

from pushplatform.poke import Poke
from subscribers import journal


@shared_task(base=Poke)
def flush_journal() -> None:
    """Writes what waits for the privacy journal's file, where that could not be done at once."""
    journal.flush()
