"""Chooses the ports of the demo: the ones of its first start as long as they are free, else the next free ones."""

from __future__ import annotations

import errno
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pushplatform.demo.state import Unusable, write_private

FIRST = 8000
NAMES = ("platform", "shop", "push")
TRIES = 200

_held: list[socket.socket] = []


@dataclass(frozen=True, slots=True)
class Ports:
    platform: int
    shop: int
    push: int


def first_port(text: str | None) -> int:
    """The port DEMO_PORT names; raises Unusable when it names none."""
    if not text:
        return FIRST
    if not text.isdigit() or not 1 <= int(text) <= 65_000:
        raise Unusable(f"DEMO_PORT: {text!r} is not a port. Give a whole number from 1 to 65000, such as {FIRST}.")
    return int(text)


def choose(first: int, kept: Path, say: Callable[[str], None]) -> Ports:
    """Three free ports, said aloud where they are not the wanted ones.

    The wanted ones are kept in the file `kept`: subscriptions and cookies belong to an address, so a later start comes
    back to it even after one that had to move aside. Another `first` starts afresh.
    """
    wanted = {name: first + offset for offset, name in enumerate(NAMES)}
    remembered = json.loads(kept.read_text()) if kept.exists() else None
    if remembered and remembered["first"] == first:
        wanted = {name: remembered[name] for name in NAMES}
    for name in NAMES:
        others = {wanted[other] for other in NAMES if other != name}  # who moves aside drives nobody else away
        port = _next_free(wanted[name], others)
        if port != wanted[name]:
            say(f"Port {wanted[name]} is busy: {_TITLES[name]} takes {port} instead.")
        wanted[name] = port
    ports = Ports(**wanted)
    if not remembered or remembered["first"] != first:
        write_private(kept, {"first": first, **asdict(ports)})
    return ports


_TITLES = {"platform": "the platform", "shop": "the shop", "push": "the push service"}


def _next_free(wanted: int, taken: set[int]) -> int:
    for port in range(wanted, min(wanted + TRIES, 65_536)):
        if port not in taken and _is_free(port) and _hold(port):
            return port
    raise Unusable(f"No port from {wanted} to {wanted + TRIES} is free. Set DEMO_PORT to another first port.")


def _is_free(port: int) -> bool:
    """Whether we could listen here, and nobody else would be found first under the name localhost."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                # As the servers do: what an ended connection left behind is no listener.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except PermissionError:
            raise Unusable(f"Port {port} is only for root. Set DEMO_PORT to 1024 or more.") from None
        except OSError as error:
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                return False
    return True


def _hold(port: int) -> bool:
    """Keeps other demos that start at this moment from choosing the same; ends with this process."""
    if sys.platform != "linux":
        return True
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0pushplatform-demo-port-{port}")
    except OSError:
        mark.close()
        return False
    _held.append(mark)
    return True
