"""P2, P3, P10: one personalised campaign to a million devices (or BENCH_N), from the launch to the last outcome.

PostgreSQL, broker, workers, beat and the push service share the machine's cores. The rate of the wire alone, on one
core, is measured in the same run, before and after.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

from campaigns.management.commands.worker import usual_processes
from pushplatform.webpush.keys import KeyPair, b64url
from tests.bench.campaigning import Launched, launch_to
from tests.bench.processes import resident_mb
from tests.bench.sink import Sink
from tests.bench.stage import Stage, devices_wanted, stage
from tests.bench.wire import Ours, ecdh_cpu_us, measured
from tests.parts.many_devices import add_crowd

ON_STAGE = True
PATIENCE_S = 1200.0
LOOK_EVERY_S = 0.5
WIRE_MESSAGES = 3000
WIRE_ROUNDS = 3


def run() -> dict[str, Any]:
    """Seconds, rates, CPU µs per message by kind of process and the memory of the processes that send."""
    devices, cores = devices_wanted(), os.cpu_count() or 1
    with stage() as house:
        wire = _Wire(house.sink)
        wire.measure()
        crowd = add_crowd(house.sink.base, devices, folder="counted")
        house.stack.start(worker=True, targeted=True, beat=True, processes=usual_processes("campaign"))
        before = house.cpu()
        launched = launch_to(crowd)
        memory = _follow(house, launched, devices)
        used = {kind: after - before[kind] for kind, after in house.cpu().items()}
        notes = house.sink.notes()
        seconds = (launched.finished_at() or 0.0) - launched.at
        house.stack.stop()
        wire.measure()
    alone = wire.alone()
    if notes["devices"] != devices:
        raise RuntimeError(f"only {notes['devices']} of {devices} devices were called")
    rate = devices / seconds
    return {
        "devices": devices,
        "seconds": round(seconds, 2),
        "msg_s": round(rate, 1),
        "first_push_s": round(notes["first_at"] - launched.at, 3),
        "cpu_us_per_msg": round(sum(used.values()) / devices * 1e6, 1),
        **{f"cpu_us_per_msg_{kind}": round(spent / devices * 1e6, 1) for kind, spent in sorted(used.items())},
        "worker_rss_max_mb": round(max(memory.values()), 1),
        "worker_rss_growth_mb": round(_second_half(memory, devices), 1),
        "wire_msg_s": round(alone.wire_msg_s, 1),
        "wire_cpu_us": round(alone.wire_cpu_us, 1),
        "floor_cpu_us": round(alone.floor_cpu_us, 1),
        "ratios": {
            "vs_wire": round(rate / (alone.wire_msg_s * cores), 3),
            "vs_floor": round(rate / (cores * 1e6 / alone.floor_cpu_us), 3),
            # The same of CPU time, which holds still when others use the machine too.
            "vs_wire_cpu": round(alone.wire_cpu_us / sum(used.values()) * devices / 1e6, 3),
        },
    }


def _follow(house: Stage, launched: Launched, devices: int) -> dict[int, float]:
    """Waits until the campaign is done; memory of the largest sending process, by devices done."""
    memory, deadline = {}, time.monotonic() + PATIENCE_S
    while launched.finished_at() is None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {launched.done()} of {devices} devices have an outcome after {PATIENCE_S:.0f} s")
        memory[launched.done()] = max(resident_mb(pid) for pid in house.pool())
        time.sleep(LOOK_EVERY_S)
    memory[devices] = max(resident_mb(pid) for pid in house.pool())
    return memory


def _second_half(memory: dict[int, float], devices: int) -> float:
    """MB that were added after half of the devices."""
    half = [held for done, held in memory.items() if done >= devices / 2]
    return half[-1] - half[0]


class Alone(NamedTuple):
    """One core: the wire's messages per second and CPU µs, and CPU µs of a bare ECDH on P-256, its physical floor."""

    wire_msg_s: float
    wire_cpu_us: float
    floor_cpu_us: float


class _Wire:
    """The wire alone, measured before the campaign and after it: others may use the machine meanwhile."""

    def __init__(self, target: Sink) -> None:
        self._sender = Ours(target)
        self._subscriptions = [
            (f"{target.base}/wpush/v2/{b64url(os.urandom(90))}", KeyPair.generate().public_key, os.urandom(16))
            for _ in range(WIRE_MESSAGES)
        ]
        self._rounds: list[tuple[float, float, float]] = []

    def measure(self) -> None:
        self._sender.send(self._subscriptions[:500])
        with _pinned():
            for _ in range(WIRE_ROUNDS):
                self._rounds.append((*measured(self._sender.send, self._subscriptions), ecdh_cpu_us()))

    def alone(self) -> Alone:
        return Alone(*(median(values) for values in zip(*self._rounds, strict=True)))


@contextmanager
def _pinned() -> Iterator[None]:
    """This process on one core only, the last that it may use."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
