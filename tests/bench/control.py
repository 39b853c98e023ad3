"""Pause, resume and cancel of a campaign at full speed: how long until the last request, and whether what is counted is
what the push service has seen.

BENCH_N devices, 200,000 where nothing is said.
"""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from django.db import connection
from django.utils import timezone

from campaigns import control
from campaigns.management.commands.worker import usual_processes
from campaigns.tasks import poke_message
from tests.bench.campaigning import Launched, launch_to, until
from tests.bench.stage import Stage, stage
from tests.parts.many_devices import add_crowd

ON_STAGE = True
DEVICES = 200_000
PAUSES = 7
QUIET_S = 1.5
"""Without a request for so long nobody sends any more."""


def run() -> dict[str, Any]:
    """Milliseconds from the act to the last request, requests that came after it, and until sending goes on.

    `miscounted`: how far the counts of gone devices were off the requests seen, over all pauses and the cancel.
    """
    devices = int(os.environ.get("BENCH_N") or DEVICES)
    pauses, resumes, after, miscounted = [], [], [], 0
    with stage() as house:
        crowd = add_crowd(house.sink.base, devices, folder="counted")
        house.stack.start(worker=True, targeted=True, beat=True, processes=usual_processes("campaign"))
        launched = launch_to(crowd)
        for number in range(1, PAUSES + 1):
            until(lambda number=number: launched.done() > devices * number / (PAUSES + 2))
            ended, later = _stopped(house, lambda: control.pause(launched.message_id, timezone.now()))
            pauses.append(ended)
            after.append(later)
            off = launched.done() - house.sink.notes()["devices"]
            miscounted += abs(off)
            resumes.append(_resumed(house, launched))
        until(lambda: launched.done() > devices * (PAUSES + 1) / (PAUSES + 2))
        cancelled, later = _stopped(house, lambda: control.cancel(launched.message_id, timezone.now()))
        until(launched.finished_at)
        miscounted += abs(_accepted(launched) - house.sink.notes()["devices"])
    return {
        "devices": devices,
        "pause_p50_ms": round(median(pauses), 1),
        "pause_max_ms": round(max(pauses), 1),
        "requests_after_a_pause_max": max(after),
        "resume_max_ms": round(max(resumes), 1),
        "cancel_ms": round(cancelled, 1),
        "requests_after_the_cancel": later,
        "miscounted": miscounted,
    }


def _stopped(house: Stage, act: Callable[[], None]) -> tuple[float, int]:
    """Milliseconds from an act to the last request that the push service saw, and how many came after it was done."""
    begun = time.time()
    act()
    before = house.sink.notes()["posts"]
    until(lambda: time.time() - max(begun, house.sink.notes()["last_at"]) > QUIET_S)
    notes = house.sink.notes()
    return max(0.0, notes["last_at"] - begun) * 1000, notes["posts"] - before


def _resumed(house: Stage, launched: Launched) -> float:
    """Milliseconds from a resume, as the admin does it, to the next request."""
    posts, begun = house.sink.notes()["posts"], time.time()
    control.resume(launched.message_id, timezone.now())
    poke_message.poke(launched.message_id)
    until(lambda: house.sink.notes()["posts"] > posts, 0.002)
    return (time.time() - begun) * 1000


def _accepted(launched: Launched) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select sum(accepted) from message_total where message_id = %s", [launched.message_id])
        return int(cursor.fetchone()[0])
