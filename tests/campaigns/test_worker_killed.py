"""kill -9 of a real Celery worker in the middle of a campaign, over a real broker."""

import pytest
from django.utils import timezone

from campaigns import launch
from campaigns.models import Delivery, Message
from tests.campaigns.world import World, assert_sums_agree, totals
from tests.localpush.conftest import eventually

UNRECORDED = 300


def send_and_kill(world, stack, devices, kills):
    """Launches a campaign to `devices` devices and kills the worker `kills` times while it sends."""
    posts = world.push.statistics()["posts"]
    message = launch.launch(world.campaign().pk, None, timezone.now())
    for kill in range(kills):
        wanted = devices * (kill + 1) // (kills + 2)
        eventually(lambda wanted=wanted: totals(message).get("accepted", 0) > wanted, 60)
        stack.kill("worker")
        assert totals(message)["accepted"] < devices
        stack.restart("worker")
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
    stack = begin_stack(worker=True, beat=True, processes=1, env={"PUSH_UNRECORDED_MAX": str(UNRECORDED)})
    return World(push_service), stack


def test_a_killed_worker_loses_nothing_and_doubles_no_statistic(working):
    check(*working, devices=3_000, kills=1)


@pytest.mark.soak
def test_a_worker_killed_three_times_in_a_campaign_of_20_000_loses_nothing(working):
    check(*working, devices=20_000, kills=3)
