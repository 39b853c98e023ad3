"""Throttles and hanging push services with real workers, a real broker and real time."""

import pytest

from campaigns import sweep, tasks
from campaigns.models import Message, ServiceMinute, ServiceState
from tests.campaigns.world import World, assert_sums_agree, totals
from tests.localpush.conftest import LocalPushProcess, eventually


def launched(world):
    """A campaign frozen here, in whose place the one worker's process might be waiting."""
    message = world.launched()
    tasks.poke_due(sweep.due_of_message(message.pk))
    return message


def finished(message, seconds):
    return eventually(lambda: Message.objects.get(pk=message.pk).finished_at, seconds)


def test_a_worker_that_a_hanging_service_holds_up_sends_to_the_others(begin_stack, push_service):
    settings = {"PUSH_CONNECT_TIMEOUT": "2", "PUSH_ANSWER_TIMEOUT": "120", "PUSH_BATCH_SIZE": "200"}
    begin_stack(worker=True, beat=True, processes=1, env=settings)
    dead, alive = World(LocalPushProcess()), World(push_service)
    try:
        dead.devices(600, mode="count")
        alive.devices(400, mode="count")
        assert dead.push.call("POST", "/faults", {"kind": "hang"}).status_code == 201
        stuck = launched(dead)
        eventually(lambda: dead.push.statistics()["posts"] > 0)
        free = launched(alive)
        finished(free, 100)
        assert totals(free) == {"accepted": 400}
        roads = ServiceState.objects.filter(vapid_key_id=dead.key.pk, reason="unreachable")
        assert not roads.exists()  # the worker had not given up waiting
        assert totals(stuck) == {}
        assert dead.push.statistics()["posts"] <= 100
        dead.push.kill()
        eventually(roads.first)
        assert totals(stuck) == {}
        assert_sums_agree(free)
    finally:
        dead.push.stop()


@pytest.mark.soak
def test_two_workers_under_a_throttle_lose_nobody_and_another_site_is_not_slowed(begin_stack, push_service):
    begin_stack(worker=True, beat=True, processes=2, env={"PUSH_UNRECORDED_MAX": "100", "PUSH_BATCH_SIZE": "100"})
    slow, fast = World(push_service), World(push_service)
    slow.devices(1_500, mode="count")
    fault = {"kind": "429", "above": 300, "window_ms": 10_000, "retry_after": 5}
    assert push_service.call("POST", "/faults", fault).status_code == 201
    try:
        message = launched(slow)
        fast.devices(300, mode="count")
        other = launched(fast)
        finished(other, 60)
        assert totals(other) == {"accepted": 300}
        finished(message, 400)
    finally:
        push_service.call("DELETE", "/faults")
    assert totals(message) == {"accepted": 1_500}
    assert_sums_agree(message)
    minutes = ServiceMinute.objects.filter(vapid_key_id=slow.key.pk)
    in_vain = sum(minutes.values_list("throttled", flat=True))
    assert 0 < in_vain < 300
