"""Several worker hosts over one database and one broker: they share a campaign, and no device is called twice."""

import os
import subprocess
import sys

import pytest

from campaigns.models import Batch
from pushplatform.demo.place import ROOT
from pushplatform.demo.process import Child, wait_until_ready
from tests.bench.processes import tree
from tests.faults.conftest import begin_run, begin_service, certificate, certify  # noqa: F401
from tests.localpush.conftest import eventually

SENDING = len(os.sched_getaffinity(0)) + 1
"""Processes of a worker for campaigns that is not told how many."""

LONG_LEASE = {"PUSH_LEASE_SECONDS": "60"}
"""On a busy machine a process may stand still for longer than the tests' usual lease; another would take its Batch."""


def start_hosts(stack, hosts, words):
    """A worker command for each host, with a name of its own as machines have."""
    for host in hosts:
        child = Child(
            host,
            [sys.executable, "manage.py", "worker", "--name", host, *words],
            log=stack.folder / f"{host}.log",
            env=stack.env,
            cwd=ROOT,
            ready=lambda child: f"{child.name}@" in child.log.read_text() and " ready." in child.log.read_text(),
        )
        stack.children[host] = child
        child.start()
    wait_until_ready([stack.children[host] for host in hosts], 120)


def check_shared(run, devices, words, processes):
    """The push service answers nobody until each process has a Batch: however slowly one begins, there is some left."""
    hosts = ["east", "west"]
    start_hosts(run.stack, hosts, words)
    pools = [tree(run.stack.children[host].pid)[1:] for host in hosts]
    assert [len(pool) for pool in pools] == [processes] * 2
    run.launch()
    held = Batch.objects.filter(message=run.message, state=Batch.State.LEASED).values_list("worker", flat=True)
    eventually(lambda: {int(worker.rpartition(":")[2]) for worker in held.all()} == {*pools[0], *pools[1]})
    notes = run.check(struck=0)
    assert notes["posts"] == devices


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_two_hosts_share_a_campaign_and_call_each_device_once(begin_run, broker):  # noqa: F811
    run = begin_run(2_400, broker=broker, held_from=0, worker=False, env=LONG_LEASE | {"PUSH_BATCH_SIZE": "200"})
    check_shared(run, 2_400, ["--processes", "1"], 1)


@pytest.mark.soak
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_two_hosts_with_all_their_processes_share_a_campaign_and_call_each_device_once(begin_run, broker):  # noqa: F811
    run = begin_run(40_000, broker=broker, held_from=0, worker=False, env=LONG_LEASE | {"PUSH_BATCH_SIZE": "500"})
    check_shared(run, 40_000, [], SENDING)


def test_a_worker_without_processes_is_refused_and_told_why():
    refused = subprocess.run(
        [sys.executable, "manage.py", "worker", "--processes", "0"], cwd=ROOT, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "--processes must be 1 or more" in refused.stderr
