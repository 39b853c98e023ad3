"""One campaign to a million devices while a twentieth of all answers is bad and the worker is killed twice."""

import os
import time

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import Message
from tests.bench.processes import resident_mb, tree
from tests.campaigns.world import facts, totals
from tests.faults.own_server import own_server
from tests.faults.running import Running
from tests.parts import database
from tests.parts.many_devices import add_crowd
from tests.parts.ports import free_port
from tests.parts.stack import Stack

DEVICES = int(os.environ.get("SOAK_DEVICES") or 1_000_000)
SHARES = {"429": 0.01, "503": 0.01, "500": 0.01, "410": 0.01, "rst": 0.0095, "hang": 0.0005}
UNRECORDED, SENDING = 500, 2
SERVER = {"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
ENV = {
    "PUSH_UNRECORDED_MAX": str(UNRECORDED),
    "PUSH_ANSWER_TIMEOUT": "1",  # what hangs is to be given up in two seconds
    "PUSH_CONNECT_TIMEOUT": "1",
    "PUSH_LEASE_SECONDS": "15",
    "PUSH_SWEEP_SECONDS": "3",
    "LOG_LEVEL": "WARNING",
}
KILLS = (0.3, 0.6)
PATIENCE = 900.0
"""Seconds without a new outcome, of which a road may rest 300; a machine may be slow as long as it goes on."""
GROWTH, MOST = 40.0, 300.0
"""MB that a sending process may grow after the last kill, and may have."""


def follow(run: Running) -> list[tuple[int, float]]:
    """Kills the worker at its times and lets time pass for retries; (devices done, MB of the largest process)."""
    kills, memory, most, moved = list(KILLS), [], 0, time.monotonic()
    while Message.objects.get(pk=run.message.pk).finished_at is None:
        done = run.outcomes()
        if done > most:
            most, moved = done, time.monotonic()
        assert time.monotonic() < moved + PATIENCE, f"{done} of {DEVICES}, and no more for {PATIENCE} s"
        worker = run.stack.children["worker"]
        if kills and done > kills[0] * DEVICES:
            kills.pop(0)
            memory.clear()
            run.stack.kill("worker")
            run.stack.restart("worker")
        else:
            memory.append((done, max((resident_mb(pid) for pid in tree(worker.pid)[1:]), default=0.0)))
        if done > 0.9 * DEVICES:
            with connection.cursor() as cursor:
                cursor.execute("update retry set not_before = %s where not_before > %s", [timezone.now()] * 2)
        time.sleep(0.5)
    assert not kills
    return memory


def posts_recorded(message: Message) -> int:
    """As many calls as the outcomes say were made."""
    with connection.cursor() as cursor:
        cursor.execute("select sum(attempts) from delivery where message_id = %s", [message.pk])
        return int(cursor.fetchone()[0])


@pytest.mark.soak
def test_a_million_devices_through_faults_and_kills_have_one_outcome_each(
    begin_service, redis_url, django_db_blocker, record_property
):
    service = begin_service(shares=SHARES)
    with django_db_blocker.unblock(), own_server(SERVER) as server:
        crowd = add_crowd(service.base, DEVICES, folder="p", linked=False)
        trusted = {"SSL_CERT_FILE": service.ca_file}
        stack = Stack(database.run_folder() / f"million-{free_port()}", server.url_of_ours, redis_url, ENV | trusted)
        try:
            stack.start(worker=True, beat=True, processes=SENDING)
            run = Running(service, crowd, stack)
            began = time.monotonic()
            run.launch()
            memory = follow(run)
            seconds = time.monotonic() - began
        finally:
            stack.stop()
        run.message.refresh_from_db()
        notes, counted = service.notes(), totals(run.message)
        doubled = notes["posts"] - posts_recorded(run.message)
        settled = [held for done, held in memory if held]
        growth = settled[-1] - settled[len(settled) // 4]
        for name, value in (
            ("seconds", round(seconds, 1)), ("doubled", doubled), ("answered", notes["answered"]),
            ("outcomes", counted), ("memory", max(settled)), ("growth", growth),
        ):  # fmt: skip
            record_property(name, value)
            print(name, value)  # noqa: T201
        assert sum(counted.values()) == run.message.targeted == DEVICES
        assert counted == facts(run.message)
        assert notes["devices"] == DEVICES, "lost"
        allowed = UNRECORDED * SENDING * len(KILLS)
        assert doubled <= allowed
        assert 0 <= notes["answered"]["410"] - counted["gone"] <= allowed
        # An answer that stays away is asked for once more: 1 % of 1 %.
        assert counted.get("failed", 0) < DEVICES / 1000
        run.assert_exact()
        assert growth < GROWTH
        assert max(settled) < MOST
