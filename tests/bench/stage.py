"""The whole platform for benchmarks: PostgreSQL that really writes to its disk, Redis, workers, beat, web, the sink.

All of them share the machine, as in production on one machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import django

from pushplatform.demo.postgres import COMMON, EmbeddedPostgres
from tests.bench.processes import children_named, cpu_seconds, tree
from tests.bench.sink import Sink, sink
from tests.parts import brokers, database, surroundings
from tests.parts.stack import Stack

# A quarter of the memory of a small server, as PostgreSQL's manual advises: the tables that segments read fit in it.
POSTGRES = COMMON | {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
DEFAULTS = {"PUSH_LEASE_SECONDS": "60", "PUSH_SWEEP_SECONDS": "10", "LOG_LEVEL": "WARNING"}
"""What tests set otherwise."""

DEVICES = 1_000_000
_PROGRAMS = {"postgres": "postgres", "broker": "redis-server", "sink": "node"}


def devices_wanted() -> int:
    """BENCH_N of the environment, else a million."""
    return int(os.environ.get("BENCH_N") or DEVICES)


@contextmanager
def prepared() -> Iterator[None]:
    """Django over a PostgreSQL of its own, as a benchmark needs it before it is imported: one that says ON_STAGE.

    BENCH_DATABASE of the environment is taken instead: the address of a database that was seeded before.
    """
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="pushplatform-bench-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "postgres", folder / "postgres.log", settings=POSTGRES)
    try:
        if not (given := os.environ.get("BENCH_DATABASE")):
            server.start()
        os.environ["DATABASE_URL"] = given or server.url()
        surroundings.prepare()
        django.setup()
        yield
        database.end()
    finally:
        server.stop()
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Stage:
    """`sink` is the push service of all devices; `stack` has the platform's processes."""

    sink: Sink
    stack: Stack

    def cpu(self) -> dict[str, float]:
        """CPU seconds used so far by kind of process."""
        used = {kind: cpu_seconds(children_named(name)) for kind, name in _PROGRAMS.items()}
        for name, child in self.stack.children.items():
            used["workers" if name == "worker" else name] = cpu_seconds(tree(child.pid))
        return used

    def pool(self) -> list[int]:
        """The processes that send campaigns."""
        worker = self.stack.children["worker"].pid
        return [pid for pid in tree(worker) if pid != worker]


@contextmanager
def stage(**env: str) -> Iterator[Stage]:
    """A migrated empty platform with its broker and the sink; the rest runs after `stack.start`."""
    with ExitStack() as ends:
        url = ends.enter_context(database.fresh())
        redis = ends.enter_context(brokers.redis_server(database.run_folder() / "redis"))
        os.environ["CELERY_BROKER_URL"] = redis  # where Celery looks first
        target = ends.enter_context(sink())
        trusted = {"SSL_CERT_FILE": target.ca_file}
        stack = Stack(database.run_folder() / "stack", url, redis, DEFAULTS | trusted | env)
        ends.callback(stack.stop)
        yield Stage(target, stack)
