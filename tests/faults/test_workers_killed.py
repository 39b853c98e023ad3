"""kill -9 and SIGTERM of a real Celery worker in the middle of a campaign, over a real broker."""

import os
import signal

import pytest
from django.utils import timezone

from campaigns import launch
from campaigns.models import Batch, Delivery, Message, Retry
from tests.campaigns.world import World, assert_sums_agree, totals
from tests.localpush.conftest import eventually

UNRECORDED = 300


def send_and_kill(world, stack, devices, kills):
    """Launches a campaign to `devices` devices and kills the worker `kills` times while it sends."""
    posts = world.push.statistics()["posts"]
    # However late it is killed, the last fifth is not over by then.
    slow = {"kind": "slow", "delay_ms": 2000, "above": devices * 4 // 5, "window_ms": 3_600_000}
    assert world.push.call("POST", "/faults", slow).status_code == 201
    message = launch.launch(world.campaign().pk, None, timezone.now())
    for kill in range(kills):
        wanted = devices * (kill + 1) // (kills + 2)
        eventually(lambda wanted=wanted: totals(message).get("accepted", 0) > wanted)
        stack.kill("worker")
        assert totals(message)["accepted"] < devices
        stack.restart("worker")
    world.push.call("DELETE", "/faults")
    eventually(lambda: Message.objects.get(pk=message.pk).finished_at, 120)
    return message, world.push.statistics()["posts"] - posts


def check(world, stack, devices, kills):
    world.devices(devices, mode="count")
    message, posts = send_and_kill(world, stack, devices, kills)
    assert totals(message) == {"accepted": devices}
    assert Delivery.objects.filter(message_id=message.pk).count() == devices
    assert 0 <= posts - devices <= UNRECORDED * kills
    assert_sums_agree(message)


@pytest.fixture
def working(begin_stack, push_service):
    stack = begin_stack(
        worker=True, beat=True, processes=1, env={"PUSH_UNRECORDED_MAX": str(UNRECORDED), "PUSH_ANSWER_TIMEOUT": "120"}
    )
    return World(push_service), stack


def test_a_killed_worker_loses_nothing_and_doubles_no_statistic(working):
    check(*working, devices=3_000, kills=1)


@pytest.mark.soak
def test_a_worker_killed_three_times_in_a_campaign_of_20_000_loses_nothing(working):
    check(*working, devices=20_000, kills=3)


@pytest.mark.parametrize(
    "to_all",
    [pytest.param(False, id="the worker"), pytest.param(True, id="its whole group", marks=pytest.mark.soak)],
)
def test_a_worker_that_is_asked_to_end_records_what_it_has_and_ends_in_time(working, to_all):
    world, stack = working
    world.devices(40)
    for place in range(30):
        world.fault("hang", place)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    eventually(lambda: totals(message).get("accepted") == 10)
    worker = stack.children["worker"]
    (os.killpg if to_all else os.kill)(worker.pid, signal.SIGTERM)
    # It does not wait for the requests under way, which would end by themselves after 125 s.
    assert worker.wait(90), stack.log("worker")[-2000:]
    # Those without an answer may have arrived: they are tried once more, like any such.
    assert Retry.objects.filter(message_id=message.pk).count() == 30
    assert not Batch.objects.filter(message=message, state=Batch.State.LEASED).exists()
    world.push.call("DELETE", "/faults")
    Retry.objects.filter(message_id=message.pk).update(not_before=timezone.now())
    stack.restart("worker")
    eventually(lambda: Message.objects.get(pk=message.pk).finished_at)
    assert totals(message) == {"accepted": 40}
    assert_sums_agree(message)
