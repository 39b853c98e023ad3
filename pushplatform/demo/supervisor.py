"""Starts the demo's processes in the order they need each other, keeps them running, and stops them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO
from urllib.parse import urlsplit

from pushplatform.demo.panel import facts, panel
from pushplatform.demo.ports import Ports, choose, first_port
from pushplatform.demo.postgres import EmbeddedPostgres
from pushplatform.demo.preparation import Preparation
from pushplatform.demo.process import Child, Died, stop_all, wait_until_ready
from pushplatform.demo.programs import Programs, broker_open
from pushplatform.demo.state import Secrets, State, write_private

PATIENCE_S = 180.0  # for a machine that is busy with something else
STOP_S = 2.5  # for everything but the database, which gets a second more: five are promised
STOP_DATABASE_S = 1.0
RESTARTS = 5  # of one process …
RESTARTS_WITHIN_S = 60.0  # … before we give up
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Somebody asked for the end."""


class Supervisor:
    """One demo in the folder of `state`, configured by `given` (the environment of the command)."""

    def __init__(self, state: State, given: Mapping[str, str], out: TextIO):
        self.state = state
        self.given = given
        self.out = out
        self.begun = time.monotonic()
        self.asked_to_stop = False
        self.children: list[Child] = []
        self.postgres: EmbeddedPostgres | None = None
        self.restarts: defaultdict[str, deque[float]] = defaultdict(deque)

    def run(self) -> None:
        """Starts everything, shows the panel, and keeps watch until a signal comes.

        Raises Died, CannotStart or Unusable when something does not work; whatever was started is stopped then too.
        """
        with self.state.alone(), self._signals():
            self.state.panel_file.unlink(missing_ok=True)  # who waits for it must not read the last start's
            try:
                self._start()
                while True:
                    self._check()
                    self._look_after()
                    time.sleep(0.1)
            except Stopped:
                self.say("stopping")
            finally:
                self._stop()

    def _start(self) -> None:
        for log in self.state.logs.glob("*.log"):
            log.unlink()
        ports = choose(first_port(self.given.get("DEMO_PORT")), self.state.ports_file, self.say)
        secrets = self.state.secrets()
        programs = Programs(self._environment(ports, secrets), self.state.logs, self.state.run)
        passwords = {"admin": secrets.admin, "marketer": secrets.marketer}
        where = (ports.platform, ports.shop, ports.push)
        kept = self.state.foundation_file(self.given.get("DATABASE_URL"))
        preparation = Preparation(programs, kept, where, passwords, self.say)
        self.children.append(preparation.child)
        web = self._begin(
            programs.web(ports.platform, broker=False)
        )  # loads its code meanwhile; it is what people look at first
        self._start_database()

        def meanwhile() -> None:
            self._check()
            preparation.check()

        self._wait(lambda: preparation.laid, meanwhile)
        wait_until_ready([web], PATIENCE_S, meanwhile)
        self.say(f"the first page answers: http://localhost:{ports.platform}/admin/")
        foundation = json.loads(kept.read_text())
        others = [self._begin(child) for child in self._others(programs, ports, foundation)]
        wait_until_ready(others, PATIENCE_S, meanwhile)
        self.say("workers, beat, push service and shop run")
        self._wait(lambda: preparation.done and broker_open(ports.platform), meanwhile)
        self.children.remove(preparation.child)
        self._show(facts(ports, secrets, foundation))

    def _others(self, programs: Programs, ports: Ports, foundation: Mapping[str, str]) -> list[Child]:
        platform = f"http://localhost:{ports.platform}"
        # Two at least: a campaign being frozen must not hold up the sending of what is frozen already.
        processes = max(2, min(4, (os.cpu_count() or 2) - 1))
        return [
            programs.localpush(ports.push, self.state.localpush),
            programs.worker("worker", "campaign,chores", processes),
            programs.worker("targeted", "targeted", 1),
            programs.beat(),
            programs.shop(ports.shop, platform, foundation["site_id"], foundation["identity_secret"]),
        ]

    def _start_database(self) -> None:
        if given := self.given.get("DATABASE_URL"):
            self.say(f"database: {_shown(given)} (DATABASE_URL)")
            return
        assert self.postgres is not None
        self.postgres.start()
        self.say(f"PostgreSQL 18 runs, its data are in {self.postgres.data}")

    def _environment(self, ports: Ports, secrets: Secrets) -> dict[str, str]:
        """What the platform's processes are told; DATABASE_URL and CELERY_BROKER_URL are the caller's when given."""
        if not self.given.get("DATABASE_URL"):
            self.postgres = EmbeddedPostgres(self.state.postgres, self.state.logs / "postgres.log")
        if broker := self.given.get("CELERY_BROKER_URL"):
            self.say(f"broker: {_shown(broker)} (CELERY_BROKER_URL)")
        return {
            **self.given,
            "DJANGO_SETTINGS_MODULE": "pushplatform.settings",
            "ENVIRONMENT": "demo",
            "SECRET_KEYS": secrets.secret_key,
            "BASE_URL": f"http://localhost:{ports.platform}",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "PUSH_ALLOW_LOOPBACK": "true",
            "DATABASE_URL": self.given.get("DATABASE_URL") or (self.postgres.url() if self.postgres else ""),
            "CELERY_BROKER_URL": self.given.get("CELERY_BROKER_URL") or "pgmq://localhost",
        }

    def _show(self, content: dict[str, Any]) -> None:
        write_private(self.state.panel_file, content)
        print(panel(content, str(self.state.panel_file), time.monotonic() - self.begun), file=self.out, flush=True)

    def _begin(self, child: Child) -> Child:
        self.children.append(child)
        child.start()
        return child

    def _wait(self, done: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
        while not done():
            meanwhile()
            time.sleep(0.02)
        meanwhile()

    def _check(self) -> None:
        if self.asked_to_stop:
            raise Stopped

    def _look_after(self) -> None:
        """Starts again what has ended. Raises Died when that happens too often."""
        if self.postgres is not None and self.postgres.server is not None and not self.postgres.server.running:
            self._may_restart(self.postgres.server)
            self.postgres.start()
        for child in self.children:
            if not child.running:
                self._may_restart(child)
                child.start()

    def _may_restart(self, child: Child) -> None:
        now = time.monotonic()
        recent = self.restarts[child.name]
        recent.append(now)
        while recent[0] < now - RESTARTS_WITHIN_S:
            recent.popleft()
        if len(recent) > RESTARTS:
            raise Died(f"{child.name} ended {len(recent)} times within a minute. " + child.obituary())
        self.say(f"{child.name} ended and is started again: {child.obituary(lines=3)}")

    def _stop(self) -> None:
        stop_all(self.children, STOP_S)
        if self.postgres is not None:
            self.postgres.stop(STOP_DATABASE_S)

    def say(self, line: str) -> None:
        """One line of progress with the seconds since the start."""
        print(f"{time.monotonic() - self.begun:6.1f} s  {line}", file=self.out, flush=True)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal asks for the end, a second one kills."""

        def note(number: int, _: object) -> None:
            if self.asked_to_stop:
                for child in self.children:
                    child.signal(signal.SIGKILL)
            self.asked_to_stop = True

        before = {number: signal.signal(number, note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _shown(url: str) -> str:
    """An address without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
