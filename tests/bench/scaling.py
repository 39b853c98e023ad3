"""Worker hosts of one process each, one, two and four of them, over one PostgreSQL and one Redis: the same campaign.

Every host has a worker of its own, as machines have; here all share this machine's cores with the database, the broker
and the sink, so the rate stops growing where the cores are busy. `cores_busy` tells how near that is.
"""

import os
import time
from typing import Any

from pushplatform.demo.process import wait_until_ready
from tests.bench.campaigning import launch_to
from tests.bench.processes import cpu_seconds, tree
from tests.bench.stage import Stage, stage
from tests.parts.many_devices import Crowd, add_crowd

ON_STAGE = True
HOSTS = (1, 2, 4)
DEVICES = 200_000
PATIENCE_S = 900.0


def run() -> dict[str, Any]:
    """By number of hosts: messages per second, CPU µs per message of the workers, cores busy; POSTs too many."""
    devices = int(os.environ.get("BENCH_N") or DEVICES)
    result: dict[str, Any] = {"devices": devices}
    with stage() as house:
        crowd = add_crowd(house.sink.base, devices, folder="counted")
        house.stack.start(beat=True)
        for hosts in HOSTS:
            result |= {f"{name}_{hosts}": value for name, value in _campaign(house, crowd, hosts).items()}
    rates = {hosts: result[f"msg_s_{hosts}"] for hosts in HOSTS}
    result["ratios"] = {f"{hosts}_vs_1": round(rates[hosts] / rates[1], 2) for hosts in HOSTS[1:]}
    return result


def _campaign(house: Stage, crowd: Crowd, hosts: int) -> dict[str, float]:
    """Starts so many hosts, launches a campaign, waits for its end and stops them."""
    house.sink.forget()
    names = [f"host{number}" for number in range(1, hosts + 1)]
    for name in names:
        house.stack.children[name] = house.stack.programs.worker(name, "campaign,chores", 1)
        house.stack.children[name].start()
    wait_until_ready([house.stack.children[name] for name in names])
    pids = [pid for name in names for pid in tree(house.stack.children[name].pid)]
    workers, everything = cpu_seconds(pids), sum(house.cpu().values())
    launched, deadline = launch_to(crowd), time.monotonic() + PATIENCE_S
    while (ended := launched.finished_at()) is None:
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"only {launched.done()} of {crowd.size} devices have an outcome after {PATIENCE_S:.0f} s"
            )
        time.sleep(0.5)
    seconds = ended - launched.at
    workers, everything = cpu_seconds(pids) - workers, sum(house.cpu().values()) - everything
    notes = house.sink.notes()
    for name in names:
        house.stack.kill(name)
    if notes["devices"] != crowd.size:
        raise RuntimeError(f"only {notes['devices']} of {crowd.size} devices were called")
    return {
        "msg_s": round(crowd.size / seconds, 1),
        "worker_cpu_us": round(workers / crowd.size * 1e6, 1),
        "cores_busy": round(everything / seconds, 2),
        "doubled_posts": notes["doubled"],
    }
