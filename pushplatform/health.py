"""Opens the web process's broker connection at its start, and answers GET /health for whoever watches over it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from django.db import DatabaseError, connection
from kombu.exceptions import KombuError
from psycopg import Error as PostgresError

from pushplatform.celery import app

PATH = "/health"
QUEUES = ("campaign", "targeted", "chores")
AGAIN_S = 0.25  # doubled each time …
AGAIN_MOST_S = 10.0  # … up to this
DATABASE_S = 2.0  # later than this is no answer
log = logging.getLogger(__name__)


class Health:
    """`broker` tells whether the connection that pokes go through was opened."""

    def __init__(self) -> None:
        self.broker = False
        self._asking: asyncio.Future[bool] | None = None

    async def open_broker(self) -> None:
        """Opens it now, so that the first poke need not wait for that; tries again until it succeeds."""
        wait = AGAIN_S
        while not self.broker:
            try:
                await asyncio.to_thread(_open)
                self.broker = True
            except (KombuError, PostgresError, OSError) as error:
                log.warning("broker unreachable (%s): tried again in %.1f s", type(error).__name__, wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, AGAIN_MOST_S)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """200 while the database answers, else 503. Without a broker sending is slower and goes on: still 200."""
        database = await self._database()
        body = json.dumps({"database": database, "broker": self.broker}).encode()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200 if database else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _database(self) -> bool:
        """Whether it answers soon; one question at a time, however many ask here."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(_database_answers))
        await asyncio.wait([self._asking], timeout=DATABASE_S)
        return self._asking.done() and self._asking.result()


def _open() -> None:
    with app.producer_or_acquire() as producer:
        for name in QUEUES:
            producer.maybe_declare(app.amqp.queues[name])


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        return False
    finally:
        connection.close()
    return True
