"""A PostgreSQL server that a test may stop, starve and fill up; nobody else uses it."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from django.core.management import call_command
from django.db import connections

from pushplatform.broker_tables import install_pgmq
from pushplatform.demo import reach
from pushplatform.demo.postgres import TESTS, CannotStart, EmbeddedPostgres
from pushplatform.environment import Environment
from tests.faults.on_small_disk import SMALL_DISK_REFUSED
from tests.parts import database
from tests.parts.needs import require

NAME = "faults"
SCRIPT = Path(__file__).with_name("on_small_disk.py")
FILL = "insert into ballast select repeat('x', 2000) from generate_series(1, %s)"
_serial = itertools.count(1)


class OwnServer(EmbeddedPostgres):
    """`url_of_ours` is its migrated database, which is Django's default one meanwhile."""

    disk: Path
    """Where the database lies when it has a small disk."""

    @property
    def url_of_ours(self) -> str:
        return self.url(NAME)

    def crash(self) -> None:
        """Ends every process of the server at once, as when the machine loses its power."""
        assert self.server is not None
        self.server.kill()
        self.server = None

    def fill_disk(self) -> None:
        """Takes what is left on the small disk, to the last page."""
        with psycopg.connect(self.url_of_ours, autocommit=True) as connection:
            connection.execute("create table ballast (x text storage plain)")
            for rows in (10_000, 1_000, 100, 10, 1):
                with suppress(psycopg.errors.DiskFull):
                    while True:
                        connection.execute(
                            f"insert into ballast select repeat('x', 2000) from generate_series(1, {rows})"
                        )

    def free_disk(self) -> None:
        with psycopg.connect(self.url_of_ours, autocommit=True) as connection:
            connection.execute("drop table ballast")

    def move_to_small_disk(self, megabytes: int) -> None:
        """Starts again with a file system of that size for our database."""
        self.disk = reach.own_folder(self.place / "disk", self.account)
        script = self.place / SCRIPT.name
        shutil.copy(SCRIPT, script)
        script.chmod(0o644)
        programs = self.place / "programs"
        programs.mkdir(mode=0o755)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable  # ours may be out of reach
        words = [python, "-I", "-S", str(script), str(self.disk), str(megabytes)]
        words.append(str(self.binaries / "postgres"))
        (programs / "postgres").write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (programs / "postgres").chmod(0o755)
        self.stop()
        self.__dict__["binaries"] = programs
        try:
            self.start()
        except CannotStart as error:
            require(SMALL_DISK_REFUSED not in str(error), "the kernel lets nobody mount here (user namespaces are off)")
            raise


@contextmanager
def own_server(settings: Mapping[str, str], *, small_disk: int = 0) -> Iterator[OwnServer]:
    """The server with one empty migrated database, on a disk of so many megabytes if given, as Django's default."""
    folder = database.run_folder() / f"own-postgres-{os.getpid()}-{next(_serial)}"
    server = OwnServer(folder, folder.with_suffix(".log"), settings=TESTS | settings, durable=False)
    server.start()
    default = connections["default"]
    before, url = dict(default.settings_dict), os.environ["DATABASE_URL"]
    try:
        if small_disk:
            server.move_to_small_disk(small_disk)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            where = ""
            if small_disk:
                connection.execute(f"create tablespace small location '{server.disk}'")
                where = "tablespace small"
            connection.execute(f"create database {NAME} {where}")
        default.close()
        os.environ["DATABASE_URL"] = server.url_of_ours
        default.settings_dict.update(Environment(os.environ).database("DATABASE_URL", server.url_of_ours, ""))
        call_command("migrate", verbosity=0)
        install_pgmq(server.url_of_ours)
        yield server
    finally:
        default.close()
        default.settings_dict.clear()
        default.settings_dict.update(before)
        os.environ["DATABASE_URL"] = url
        server.stop()
        server.remove()
