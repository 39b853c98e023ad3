"""Free ports of this machine, below those that outgoing connections take: none is gone before its server listens."""

import itertools
import os
import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port that nothing listens on, and that no process of this run has been given lately."""
    return next(port for port in _mine if is_free(port))


def _place() -> tuple[int, int]:
    """Which of how many processes of the run this is: each has ports of its own."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % processes, processes


def _shuffled() -> Iterator[int]:
    """The single ports of this process, in an order of its own."""
    place, processes = _place()
    ports = list(range(30_000 + place, 32_768, processes))
    random.shuffle(ports)
    return itertools.cycle(ports)


_mine = _shuffled()


def run_of_free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    place, processes = _place()
    each = 15_000 // processes
    while True:
        first = 15_000 + place * each + random.randrange(each - count)
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
