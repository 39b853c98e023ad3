"""P12: kill -9 in the middle of a campaign, with the leases and sweeps of production: what is lost, doubled, and when
the Batches of the killed process are taken up again.

At a third of the campaign one process of the pool is killed, which the worker replaces; at two thirds the worker with
its whole pool, which is started again as a service manager would.
"""

import os
import signal
import time
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.models import Batch
from tests.bench.campaigning import Launched, launch_to, until
from tests.bench.stage import DEFAULTS, Stage, devices_wanted, stage
from tests.parts.many_devices import add_crowd

ON_STAGE = True


def run() -> dict[str, Any]:
    """`killed`: processes that were sending; `resume_s`: the longest until a Batch of theirs was at work again."""
    devices, cores = devices_wanted(), os.cpu_count() or 1
    with stage() as house:
        crowd = add_crowd(house.sink.base, devices, folder="counted")
        house.stack.start(worker=True, targeted=True, beat=True, processes=cores)
        launched = launch_to(crowd)
        until(lambda: launched.done() > devices / 3)
        held, killed = _kill_one(house), 1
        first = time.time()
        until(lambda: launched.done() > devices * 2 / 3)
        held_later = _held_by(house.pool())
        killed += len(held_later)
        house.stack.kill("worker")
        second = time.time()
        house.stack.restart("worker")
        resumed = [_resumed(held) - first, _resumed(held_later) - second]
        until(launched.finished_at)
        notes = house.sink.notes()
        outcomes, counted = _outcomes(launched), launched.done()
    lease, sweep = int(DEFAULTS["PUSH_LEASE_SECONDS"]), int(DEFAULTS["PUSH_SWEEP_SECONDS"])
    return {
        "devices": devices,
        "lost": devices - min(notes["devices"], outcomes),
        "doubled_posts": notes["doubled"],
        "doubled_statistics": counted - outcomes,
        "killed": killed,
        "resume_s": round(max(resumed), 1),
        "lease_s": lease,
        "sweep_s": sweep,
        "ratios": {
            "doubled_posts_vs_allowed": round(notes["doubled"] / (settings.PUSH_UNRECORDED_MAX * killed), 3),
            "resume_vs_allowed": round(max(resumed) / (lease + sweep), 2),
        },
    }


def _kill_one(house: Stage) -> dict[int, int]:
    """Kills a process of the pool that holds a Batch; those Batches, by id, with their leases."""
    while True:
        for pid in house.pool():
            if held := _held_by([pid]):
                os.kill(pid, signal.SIGKILL)
                return held
        time.sleep(0.01)


def _held_by(pids: list[int]) -> dict[int, int]:
    """The Batches that these processes hold, with the number of the lease."""
    leased = Batch.objects.filter(state=Batch.State.LEASED).values_list("pk", "lease", "worker")
    return {pk: lease for pk, lease, worker in leased if int(worker.rpartition(":")[2]) in pids}


def _resumed(held: dict[int, int]) -> float:
    """When the last of these Batches was leased again or done, Unix seconds."""
    waiting = dict(held)

    def all_taken() -> bool:
        now = Batch.objects.in_bulk(list(waiting))
        for pk, batch in now.items():
            if batch.lease > held[pk] or batch.state == Batch.State.DONE:
                del waiting[pk]
        return not waiting

    until(all_taken)
    return time.time()


def _outcomes(launched: Launched) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from delivery where message_id = %s", [launched.message_id])
        return int(cursor.fetchone()[0])
