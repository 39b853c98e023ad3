"""Celery tasks that may get lost: what they point at stands in the database, and the sweep pokes again."""

import logging
from time import monotonic
from typing import Final

from celery import Task
from django.db import transaction
from kombu.exceptions import KombuError

log = logging.getLogger(__name__)

QUIET_SECONDS: Final = 5.0
"""After a poke that did not get through nobody of this process tries for so long: each try may cost seconds."""

_quiet_until = 0.0


class Poke(Task):
    """A task that carries one id. `poke` sends it now or says in the log that the broker could not be reached."""

    abstract = True

    def poke(self, *ids: int, queue: str | None = None) -> None:
        """Sends one task for each id, to the task's own queue or to another."""
        global _quiet_until
        if monotonic() < _quiet_until:
            return
        for id_ in ids:
            try:
                self.apply_async((id_,), queue=queue)
            except (KombuError, OSError) as error:
                # Not an error for the caller: the row is committed and the sweep looks for it.
                _quiet_until = monotonic() + QUIET_SECONDS
                log.warning("broker unreachable (%s): %s waits for the sweep", type(error).__name__, self.name)
                return
            except Exception:  # a transport that breaks in its own way is no error for the caller either
                _quiet_until = monotonic() + QUIET_SECONDS
                log.exception("%s could not be poked and waits for the sweep", self.name)
                return

    def poke_on_commit(self, *ids: int, queue: str | None = None) -> None:
        transaction.on_commit(lambda: self.poke(*ids, queue=queue))
