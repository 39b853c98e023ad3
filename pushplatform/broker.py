"""How Celery talks to its broker, so that nobody who pokes waits long for one that is away.

With `pgmq://` it is inside our own PostgreSQL: queues are tables of the pgmq schema, no second server runs. Measured on
an idle system, from poke to task: 6 ms woken by NOTIFY, 40 to 120 ms by polling.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from psycopg.conninfo import make_conninfo

PUBLISH_SECONDS = 2
"""So long the broker may take to answer: whoever pokes has a person or a CRM waiting."""


_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", 15),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),  # milliseconds
    )
    if hasattr(socket, name)
}
"""A machine that vanished without a word is given up after half a minute."""


def transport_options(url: str, database: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's transport options for the broker at `url`; `database`: a `DATABASES` entry, for `pgmq://`."""
    if url.startswith("pgmq"):
        return pgmq_options(database)
    if url.startswith("redis"):
        return {
            "socket_timeout": PUBLISH_SECONDS,  # else a publish waits for ever on a server that does not answer
            "socket_connect_timeout": PUBLISH_SECONDS,
            "socket_keepalive": True,
            "socket_keepalive_options": _KEEPALIVE,
            "max_retries": 0,
        }
    if url.startswith("amqp"):
        return {"write_timeout": PUBLISH_SECONDS, "max_retries": 0}
    return {}


def consumer_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a worker's own connection: it waits for its broker, however slow that is.

    To kombu a message whose acknowledgement ran into a time limit stays unacknowledged, and takes up the worker's only
    place for good: the worker would never ask for another.
    """
    return {name: value for name, value in options.items() if name != "socket_timeout"}


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
