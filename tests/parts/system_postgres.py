"""The PostgreSQL server that the system's packages bring (Debian 12: version 15), as somebody's own server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from pushplatform.demo import reach
from pushplatform.demo.process import Child, wait_until_ready
from tests.parts.needs import require
from tests.parts.ports import free_port


@contextmanager
def system_postgres(folder: Path) -> Iterator[str]:
    """The address of an empty server of the oldest installed version, on a TCP port, without a database's name."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    require(found, "postgresql is not installed (apt-get install postgresql)")
    account, port, data = reach.unprivileged(folder / "data"), free_port(), folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    reach.own_folder(data, account)
    demote = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"] if account else []
    initdb = [str(found[0] / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-N"]
    subprocess.run([*demote, *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/")
    options = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(data),
        "fsync": "off",
        "max_connections": "200",
    }
    server = Child(
        "system PostgreSQL",
        [str(found[0] / "postgres"), "-D", str(data), *(w for k, v in options.items() for w in ("-c", f"{k}={v}"))],
        log=folder / "postgres.log",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        account=account,
        cwd=Path("/"),
        death_signal=signal.SIGINT,
        stop_signal=signal.SIGINT,
        ready=lambda _: _answers(port),
    )
    server.start()
    try:
        wait_until_ready([server], 120)
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    """It listens for a while before it lets anybody in."""
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
