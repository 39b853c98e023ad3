"""Worker processes that are killed, frozen or asked to end in the middle of a campaign, over a real broker."""

import os
import signal

import pytest

from campaigns.models import Batch
from tests.bench.processes import tree
from tests.localpush.conftest import eventually


def pool_of(stack, name="worker"):
    """The processes that send."""
    worker = stack.children[name].pid
    return [pid for pid in tree(worker) if pid != worker]


@pytest.mark.soak
def test_a_worker_frozen_past_its_lease_finds_its_batch_taken_and_counts_nothing_twice(begin_run):
    run = begin_run(6_000, delay_ms=100)
    # A second worker of its own, as on another machine.
    other = run.stack.programs.worker("other", "campaign,chores", 1)
    run.stack.children["other"] = other
    run.launch()
    run.sent(0.2)
    frozen = [run.stack.children["worker"].pid, *pool_of(run.stack)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    run.service.release()  # the other sends what is left, and then what is overdue
    other.start()
    taken = Batch.objects.filter(message=run.message, lease__gt=1)
    eventually(lambda: taken.exists())
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    run.check(struck=1)


def test_a_pool_process_that_runs_out_of_memory_is_replaced_and_its_batch_resumed(begin_run):
    run = begin_run(3_000, delay_ms=100)
    run.launch()
    run.sent(0.2)
    [sending] = pool_of(run.stack)
    os.kill(sending, signal.SIGKILL)  # what the kernel does to the largest process
    run.check(struck=1)
    log = run.stack.log("worker")
    assert "signal 9 (SIGKILL)" in log
    assert run.stack.children["worker"].running


@pytest.mark.soak
@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "pgmq"])
def test_a_plain_celery_worker_that_is_asked_to_end_hands_its_batch_back(begin_run, broker):
    run = begin_run(6_000, delay_ms=100, worker=False, broker=broker)
    plain = run.stack.programs.worker("plain", "campaign,chores", 1)
    words = ["celery", "--app", "pushplatform", "worker", "--queues", "campaign,chores", "--concurrency", "1"]
    plain.command[plain.command.index("-m") + 1 :] = words
    plain.ready = lambda child: "ready." in run.stack.log("plain")
    run.stack.children["plain"] = plain
    plain.start()
    run.launch()
    run.sent(0.2)
    plain.signal(signal.SIGTERM)
    run.service.release()  # it waits for answers, but not for long
    assert plain.wait(60), run.stack.log("plain")[-3000:]
    assert plain.exit_code == 0
    assert not Batch.objects.filter(message=run.message, state=Batch.State.LEASED).exists()
    plain.start()
    assert run.check(struck=0)["doubled"] == 0
