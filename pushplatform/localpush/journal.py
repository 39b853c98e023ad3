"""What is kept between two runs: rows written behind the answers, in batches, by a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

TABLES = ("browsers", "subscriptions", "seen", "waiting", "inbox", "faults", "reports", "counters")
_VERSION = 1
_SECONDS_BETWEEN_WRITES = 0.2
_ROWS_AT_ONCE = 200

_log = logging.getLogger("localpush")

Change = tuple[str, str, str | None]


class StateUnusable(Exception):
    """The state directory cannot be used; the text says why and what to do."""


class Journal:
    """Rows by table and key; a row changed many times between two writes is written once.

    A kill loses what is `unsaved`: the last 0.2 s, under full load the last second or two. `close` loses nothing.
    Without a directory nothing is kept.
    """

    def __init__(self, directory: Path | None) -> None:
        """Raises StateUnusable."""
        self._changes: dict[str, dict[str, Callable[[], str] | None]] = {table: {} for table in TABLES}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal") if directory else None
        self._connection = self._thread.submit(_open, directory).result() if self._thread and directory else None
        self._writing = asyncio.Lock()
        self._in_hand = 0

    def put(self, table: str, key: str, row: Callable[[], str]) -> None:
        """Keep a row; `row` is called when it is written, so it always writes the newest."""
        if self._thread is not None:
            self._changes[table][key] = row

    def drop(self, table: str, key: str, *, put_once: bool = False) -> None:
        """Forget a row; one that is `put_once` and not written yet needs no writing at all."""
        if put_once and self._changes[table].get(key) is not None:
            del self._changes[table][key]
        elif self._thread is not None:
            self._changes[table][key] = None

    def rows(self, table: str) -> list[tuple[str, str]]:
        """Key and value of every row kept by an earlier run, in the order of first writing."""
        if self._thread is None:
            return []
        return self._thread.submit(self._read, table).result()

    @property
    def unsaved(self) -> int:
        """Rows that a kill at this moment would lose."""
        return self._in_hand + sum(map(len, self._changes.values()))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_WRITES)
            await self.flush()

    async def flush(self) -> None:
        """Write what changed so far."""
        if self._thread is None:
            return
        async with self._writing:
            changes = await self._collect()
            if not changes:
                return
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._write, changes)
            except sqlite3.Error as problem:
                _log.error("the state could not be written and will be tried again: %s", problem)
                for table, key, value in changes:
                    self._changes[table].setdefault(key, None if value is None else partial(str, value))
            finally:
                self._in_hand = 0

    async def _collect(self) -> list[Change]:
        """The changes as rows; lets requests in between, as a thousand rows take some 20 ms to spell out."""
        changes: list[Change] = []
        for table, pending in self._changes.items():
            self._changes[table] = {}
            self._in_hand += len(pending)
            for position, (key, row) in enumerate(pending.items()):
                if position % _ROWS_AT_ONCE == 0:
                    await asyncio.sleep(0)
                changes.append((table, key, row() if row is not None else None))
        return changes

    async def close(self) -> None:
        await self.flush()
        if self._thread is not None:
            self._thread.submit(self._finish).result()
            self._thread.shutdown()
            self._thread = None

    def _read(self, table: str) -> list[tuple[str, str]]:
        assert self._connection is not None
        return self._connection.execute(f"SELECT key, value FROM {table} ORDER BY rowid").fetchall()

    def _write(self, changes: Iterable[Change]) -> None:
        assert self._connection is not None
        with self._connection as connection:
            for table, key, value in changes:
                if value is None:
                    connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))
                else:
                    connection.execute(
                        f"INSERT INTO {table} (key, value) VALUES (?, ?)"
                        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                        (key, value),
                    )

    def _finish(self) -> None:
        assert self._connection is not None
        self._connection.close()


def _open(directory: Path) -> sqlite3.Connection:
    """The database, made when missing; readable by its owner alone, for it holds the browsers' private keys."""
    path = directory / "localpush.sqlite3"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=1)
        # One process owns the state: a second one would answer from a memory of its own.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise StateUnusable(f"{path} was written by another version of localpush; choose another --state-dir")
        with connection:
            for table in TABLES:
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (key TEXT NOT NULL UNIQUE, value TEXT NOT NULL)"
                )
            connection.execute(f"PRAGMA user_version = {_VERSION}")
    except OSError as problem:
        raise StateUnusable(f"--state-dir {directory}: {problem.strerror}") from problem
    except sqlite3.OperationalError as problem:
        raise StateUnusable(f"--state-dir {directory}: {problem}; is another localpush running with it?") from problem
    except sqlite3.DatabaseError as problem:
        raise StateUnusable(f"{path} is no localpush state ({problem}); move it away") from problem
    return connection
