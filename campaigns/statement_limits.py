"""Queries for somebody who waits: ended by the database after a time, or by the same person's next query."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

SETTINGS: Final = {
    # Hash tables of a million devices fit in it; on disk they take three times as long.
    "work_mem": "128MB",
    # A count reads a large part of its tables: looked up row by row, as the costs of other queries make it, the same
    # takes three times as long.
    "random_page_cost": "4",
    # Somebody waits: worth both cores from some 10 ms of work on.
    "parallel_setup_cost": "10",
    "parallel_tuple_cost": "0.01",
    # Compiling takes longer than it saves.
    "jit": "off",
}
"""What counting needs."""

OF_FEW: Final = SETTINGS | {"random_page_cost": "1.1", "max_parallel_workers_per_gather": "0"}
"""What a sample needs: its devices are looked up one by one."""


class TimedOut(Exception):
    """The query took longer than it was given."""


class Superseded(Exception):
    """A newer query of the same token ended this one."""


@contextmanager
def limited(ms: int | None, token: str = "", settings: Mapping[str, str] = SETTINGS) -> Iterator[None]:
    """Gives the queries inside `ms` milliseconds (None: no limit) and `settings` of the database.

    Inside a transaction only, whose state is undone when it raises TimedOut or Superseded. `token` names whoever waits:
    what still runs under it is ended first.
    """
    wanted = {**settings, "statement_timeout": str(ms or 0), **({"application_name": _name(token)} if token else {})}
    if token:
        end(token)
    begun = time.monotonic()
    try:
        try:
            with transaction.atomic():
                _set(wanted)
                yield
        finally:
            if token and not connection.needs_rollback:
                _leave(token)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        # The database's own words for both are in the server's language: only the time tells them apart.
        if ms is not None and (time.monotonic() - begun) * 1000 >= ms:
            raise TimedOut from None
        raise Superseded from None


def end(token: str) -> int:
    """Ends what runs under this token; how many queries that were."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Who leaves waits for it: a query that is found here is cancelled before its connection goes on to another.
        cursor.execute("select pg_advisory_xact_lock(%s)", [lock_of(token)])
        cursor.execute(
            "select count(pg_cancel_backend(pid)) from pg_stat_activity"
            " where application_name = %s and state = 'active' and pid <> pg_backend_pid() and usename = current_user",
            [_name(token)],
        )
        found = int(cursor.fetchone()[0])
        transaction.set_rollback(True)  # gives the lock back also inside a transaction of the caller's
    return found


def _leave(token: str) -> None:
    """Gives the token's name away, then lets those finish who have read it: a cancellation that is on its way hits this
    statement, none that comes after it in this connection."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('application_name', '', true)")
        cursor.execute("select pg_advisory_xact_lock_shared(%s)", [lock_of(token)])


def _set(wanted: Mapping[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select set_config(name, value, true) from unnest(%s::text[], %s::text[]) x(name, value)",
            [list(wanted), list(wanted.values())],
        )


def lock_of(token: str) -> int:
    """The number of the advisory lock that is held while queries of this token are ended."""
    return int.from_bytes(hashlib.sha256(f"end {token}".encode()).digest()[:8], signed=True)


def _name(token: str) -> str:
    """An application name (63 octets at most) that nobody else's token gives."""
    return f"count-{hashlib.sha256(token.encode()).hexdigest()[:40]}"
