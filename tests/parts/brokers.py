"""Real Redis and RabbitMQ servers of the run's own, on free ports of this machine."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kombu import Connection

from pushplatform.demo.process import Child, stop_all, wait_until_ready
from tests.parts.needs import require_program
from tests.parts.ports import free_port, listens


@contextmanager
def redis_server(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of an empty Redis that keeps nothing on disk; `port` 0: a free one."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    server = Child(
        "redis",
        [
            *(require_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder)),
        ],
        log=folder / "redis.log",
        ready=lambda _: listens(port),
    )
    server.start()
    try:
        wait_until_ready([server], 120)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.stop()


@contextmanager
def rabbitmq_server(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of an empty RabbitMQ with its own node name, ports, cookie and port mapper; `port` 0: a free one."""
    program, mapper = require_program("rabbitmq-server"), require_program("epmd")
    inner = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's wrapper would change the account
    folder.mkdir(parents=True, exist_ok=True)
    port, epmd_port = port or free_port(), free_port()
    (folder / "plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text("log.console.level = warning\n")
    env = {
        "PATH": os.environ["PATH"] + ":/usr/sbin:/usr/lib/rabbitmq/bin",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"pushplatform{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # Two busy cores, many test processes: no scheduler threads that spin while they wait.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }
    epmd = Child(
        "epmd",
        [mapper, "-port", str(epmd_port), "-address", "127.0.0.1"],
        log=folder / "epmd.log",
        env=env,
        ready=lambda _: listens(epmd_port),
    )
    url = f"amqp://guest:guest@127.0.0.1:{port}"
    server = Child(
        "rabbitmq",
        [str(inner) if inner.exists() else program],
        log=folder / "rabbitmq.log",
        env=env,
        ready=lambda _: _takes_connections(url, port),
        death_signal=signal.SIGTERM,
    )
    epmd.start()
    try:
        wait_until_ready([epmd], 120)
        server.start()
        wait_until_ready([server], seconds=180)
        yield url
    finally:
        stop_all([server], 10)
        stop_all([epmd], 2)
        shutil.rmtree(folder, ignore_errors=True)


def _takes_connections(url: str, port: int) -> bool:
    if not listens(port):
        return False
    try:
        with Connection(url, connect_timeout=10) as connection:
            connection.connect()
    except OSError:
        return False
    return True


def empty(url: str) -> None:
    """Takes away what earlier tests left in the broker's queues."""
    with Connection(url) as connection:
        channel = connection.default_channel
        for queue in ("campaign", "targeted", "chores"):
            if url.startswith("amqp"):
                channel.queue_delete(queue)
            elif url.startswith("redis"):
                channel.client.delete(queue)
