"""Waits for a database that is away or full, so that what has been sent is written down and not sent again."""

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0

READ_ONLY: Final = "25006"
"""SQLSTATE of a write to a standby: after a failover a new connection leads to the server that took over."""


def until_written(write: Callable[[], T], ending: Callable[[], bool], last_seconds: float) -> T:
    """What `write` returns, tried again on new connections while the database is away, full, or takes no connection.

    There is no limit: who goes on would send what cannot be recorded. `write` is one transaction that changes nothing
    when it had been committed after all. Once `ending` is true it has `last_seconds` left; then its error is raised.
    """
    wait, deadline, failed = FIRST_WAIT, None, False
    while True:
        try:
            written = write()
        except (DatabaseError, InterfaceError) as error:
            if deadline is None and ending():
                deadline = monotonic() + last_seconds
            if not may_pass(error) or (deadline is not None and monotonic() > deadline):
                raise
            if not failed:
                log.warning("outcomes cannot be recorded (%s): tried until they are", type(error.__cause__).__name__)
            failed = True
        else:
            if failed:
                log.info("outcomes are recorded again")
            return written
        connection.close()
        sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT)


def may_pass(error: Exception) -> bool:
    """Whether it is the state of the server or of the connection, and not of what is written."""
    of_server = isinstance(error, OperationalError | InterfaceError)
    return of_server or getattr(error.__cause__, "sqlstate", None) == READ_ONLY
