"""Free ports of this machine, below those that outgoing connections take: none is gone before its server listens."""

import itertools
import os
import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port that nothing listens on, and that no process of this run has been given lately."""
    return next(port for port in _mine if is_free(port))


def _shuffled() -> Iterator[int]:
    """The ports of this process, in an order of its own: each process of a run has others."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(30_000 + place % processes, 32_768, processes))
    random.shuffle(ports)
    return itertools.cycle(ports)


_mine = _shuffled()


def run_of_free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        first = random.randrange(15_000, 30_000)
        if all(is_free(port) for port in range(first, first + count)):
            return first


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether something takes connections on this machine's `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
