"""Celery's broker inside our own PostgreSQL: queues are tables of the pgmq schema, no second server runs.

Measured on an idle system, from poke to task: 6 ms woken by NOTIFY, 40 to 120 ms by polling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.conninfo import make_conninfo


def pgmq_options(database: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's transport options for queues in the database of this `DATABASES` entry."""
    parts = {"host": "HOST", "port": "PORT", "dbname": "NAME", "user": "USER", "password": "PASSWORD"}
    return {
        # Always explicit: the driver would read DATABASE_URL by itself and misread a unix socket in it.
        "conn_string": make_conninfo("", **{name: database[key] for name, key in parts.items() if database[key]}),
        "init_extension": False,  # the schema is made from SQL, most servers do not know the extension
        "use_notify": True,
        "notify_throttle_interval_ms": 0,  # a throttled wake-up is a lost one: the task waits for the next poll
        "wait_time_seconds": 0,
        "pool_size": 2,
        "pool_timeout": 2,  # seconds; nobody waits half a minute to poke
    }
