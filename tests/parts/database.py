"""Databases for tests: one PostgreSQL for the whole run, one migrated template in it, clones of it for everybody.

The consent ledger refuses DELETE and TRUNCATE, as it should, so nothing can be flushed between tests: a test that
commits gets a database of its own, copied from the template in about 50 ms.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from psycopg import sql

from pushplatform.broker_tables import install_pgmq
from pushplatform.demo.postgres import TESTS, EmbeddedPostgres

RUN = "PUSHPLATFORM_TEST_RUN"  # the run's folder, made by the first process and read by those it starts
GIVEN = "PUSHPLATFORM_TEST_SERVER"  # the caller's own server, from its DATABASE_URL

PREFIX = "pushplatform-tests-"
_serial = itertools.count(1)


def begin() -> bool:
    """Chooses the run's folder and server, before Django reads its settings; whether this process is the first."""
    first = RUN not in os.environ
    if first:
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        folder.chmod(0o711)
        os.environ[RUN] = str(folder)
        os.environ[GIVEN] = os.environ.get("DATABASE_URL", "")
    os.environ["DATABASE_URL"] = url_of(_name("none"))
    return first


def run_folder() -> Path:
    return Path(os.environ[RUN])


def url_of(name: str) -> str:
    """The address of the database `name` on the run's server."""
    if given := os.environ[GIVEN]:
        return urlunsplit(urlsplit(given)._replace(path=f"/{name}"))
    return _embedded().url(name)


def start_server() -> None:
    """Starts the embedded server, unless the run has one. It lives as long as the process that calls this first."""
    if os.environ[GIVEN]:
        return
    with _alone("server"):
        mark = run_folder() / "server.started"
        if not mark.exists():
            _started.append(_embedded())
            _started[0].start()
            mark.touch()


def end() -> None:
    """Stops what `start_server` started here and removes the run's folder."""
    if os.environ[GIVEN]:
        with _server() as connection:
            for (name,) in connection.execute(
                "select datname from pg_database where starts_with(datname, %s)", [_name("")]
            ).fetchall():
                connection.execute(sql.SQL("alter database {} is_template false").format(sql.Identifier(name)))
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    for server in _started:
        server.stop()
        server.remove()
    shutil.rmtree(run_folder(), ignore_errors=True)


@contextmanager
def fresh() -> Iterator[str]:
    """A migrated, empty database of one's own as Django's default one and in DATABASE_URL; gives its address."""
    template = _template()
    name = _name(f"{os.getpid()}_{next(_serial)}")
    with _server() as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    before = _use(name)
    try:
        yield url_of(name)
    finally:
        _use(before)
        with _server() as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def existing(name: str) -> Iterator[str]:
    """The database `name` of the run's server, which is there already, as `fresh` gives one; it stays."""
    before = _use(name)
    try:
        yield url_of(name)
    finally:
        _use(before)


def _template() -> str:
    """The name of the migrated database that others are copied from; made by whoever asks first."""
    start_server()
    name = _name("template")
    with _alone("template"):
        mark = run_folder() / "template.made"
        if not mark.exists():
            with _server() as connection:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            before = _use(name)
            call_command("migrate", verbosity=0)
            _use(before)
            install_pgmq(url_of(name))
            with _server() as connection:
                connection.execute(sql.SQL("alter database {} is_template true").format(sql.Identifier(name)))
            mark.touch()
    return name


def _use(name: str) -> str:
    """Points Django and the processes started from now on at the database `name`; gives the name used before."""
    connection = connections["default"]
    before = str(connection.settings_dict["NAME"])
    for one in (connection, *_here.opened):
        one.close()
    connection.settings_dict["NAME"] = name  # shared by the connections of all threads
    os.environ["DATABASE_URL"] = url_of(name)
    apps.get_model("contenttypes", "ContentType").objects.clear_cache()
    return before


class _Opened(threading.local):
    """The connections that this thread has opened.

    There may be two: what runs while an event loop does in the same thread (Playwright's), has one of its own, and the
    other stays open until the loop has ended, to a database that may be gone by then.
    """

    def __init__(self) -> None:
        self.opened = weakref.WeakSet[Any]()


_here = _Opened()


@receiver(connection_created)
def _remember(connection: Any, **_: Any) -> None:
    _here.opened.add(connection)


def _name(what: str) -> str:
    return f"test_{run_folder().name.removeprefix(PREFIX).replace('-', '_').lower()}_{what}"


def _sweep() -> None:
    """Removes the folders of runs that were killed; their servers ended with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _embedded() -> EmbeddedPostgres:
    folder = run_folder() / "postgres"
    return EmbeddedPostgres(folder, run_folder() / "postgres.log", settings=TESTS, durable=False)


_started: list[EmbeddedPostgres] = []


def _server() -> psycopg.Connection:
    return psycopg.connect(os.environ[GIVEN] or url_of("postgres"), autocommit=True)


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """One process of the run at a time."""
    with open(run_folder() / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
