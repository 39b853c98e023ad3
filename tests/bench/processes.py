"""What processes have used: CPU seconds and memory, read from /proc (Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children[int(_fields(int(entry.name))[1])].append(int(entry.name))
    found = [pid]
    for one in found:
        found += children[one]
    return found


def children_named(name: str) -> list[int]:
    """Our own children that run the program `name`."""
    found = []
    for pid in tree(os.getpid()):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Used by these processes so far, and by those of their children that have ended."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            ticks += sum(int(value) for value in _fields(pid)[11:15])
    return ticks / _TICKS


def resident_mb(pid: int) -> float:
    """Memory that a process holds, shared pages included; 0 when it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from the state on: 0 state, 1 parent, 11 to 14 user, system and waited-for children's ticks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
