"""Celery tasks that may get lost: what they point at stands in the database, and the sweep pokes again."""

import logging

from celery import Task
from django.db import transaction
from kombu.exceptions import KombuError

log = logging.getLogger(__name__)


class Poke(Task):
    """A task that carries one id. `poke` sends it now or says in the log that the broker could not be reached."""

    abstract = True

    def poke(self, *ids: int, queue: str | None = None) -> None:
        """Sends one task for each id, to the task's own queue or to another."""
        for id_ in ids:
            try:
                self.apply_async((id_,), queue=queue)
            except (KombuError, OSError) as error:
                # Not an error for the caller: the row is committed and the sweep looks for it.
                log.warning("broker unreachable (%s): %s waits for the sweep", type(error).__name__, self.name)
                return

    def poke_on_commit(self, *ids: int, queue: str | None = None) -> None:
        transaction.on_commit(lambda: self.poke(*ids, queue=queue))
