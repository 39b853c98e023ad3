"""A push service that says "too many", is in trouble or hangs: nobody is lost, little asked in vain, others go on."""

import os
from datetime import UTC, timedelta

import pytest
from django.utils import timezone

from campaigns import choosing, pacing, retries, road_history, roads, sending
from campaigns.answer_tally import SLOTS, Run
from campaigns.models import Batch, Delivery, Message, Retry, ServiceMinute, ServiceState
from campaigns.pacing import Road
from campaigns.road_history import MINUTE, SPANS, RoadKey
from tests.campaigns.pace import STEP, fault, fault_of_key, pass_time, posts, state, step, sums
from tests.campaigns.world import assert_sums_agree, batch_ids, send, totals
from tests.campaigns.world import retries as waiting

pytestmark = pytest.mark.usefixtures("sweeps")


def test_under_a_throttle_like_chromes_nobody_is_lost_and_little_is_asked_in_vain(world, transport, small):
    world.devices(500, mode="count")
    message = world.launched()
    begun, steps = posts(world), 0
    while message.finished_at is None:
        if steps % 6 == 0:  # the next minute
            world.push.call("DELETE", "/faults")
            fault(world, 429, above=100, window_ms=3_600_000, retry_after=60)
        step([message], transport)
        steps += 1
        assert steps < 150
    assert totals(message) == {"accepted": 500}
    assert_sums_agree(message)
    in_vain = posts(world) - begun - 500
    assert in_vain == sums(world, "throttled")
    # At first what was in flight (32) and the evidence; then a window of 8 each time it asks for too much.
    assert 8 <= in_vain <= 100
    # At least half of what the service would have taken at best (5 minutes and the last).
    assert steps <= 2 * 6 * 5


def test_the_throttle_of_one_site_leaves_the_others_alone(world, other, transport, small):
    world.devices(200, mode="count")
    other.devices(120, mode="count")
    fault_of_key(world, 429, 60, retry_after=30)
    throttled, free = world.launched(), other.launched()
    step([throttled, free], transport)
    assert totals(free) == {"accepted": 120}
    assert free.status == Message.Status.FINISHED
    assert not ServiceState.objects.filter(vapid_key_id=other.key.pk).exists()
    found = state(world)
    assert found.reason == "throttled"
    assert 15 < (found.paused_until - timezone.now()).total_seconds() < 31
    assert throttled.status == Message.Status.SENDING


def test_what_is_throttled_is_given_back_and_not_asked_again_before_its_time(world, transport, small):
    world.devices(200, mode="count")
    fault(world, 429, retry_after=3600)
    message = world.launched()
    begun = posts(world)
    for _ in range(5):
        step([message], transport)
    assert posts(world) - begun <= 32 + 8
    assert waiting(message) == posts(world) - begun
    assert totals(message) == {}
    assert set(Retry.objects.filter(message_id=message.pk).values_list("attempt", "throttled")) == {(1, 1)}
    assert not Batch.objects.filter(message=message, state=Batch.State.LEASED).exists()


def test_a_throttled_road_goes_on_at_half_of_what_it_took(world, transport, small):
    world.devices(8)
    fault_of_key(world, 429, 8, retry_after=10)
    begun = timezone.now() - timedelta(seconds=100)
    ServiceMinute.objects.create(
        service=6, vapid_key_id=world.key.pk, minute=timezone.now().replace(second=0, microsecond=0),
        slot=(os.getpid() + 1) % SLOTS, first_at=begun, accepted=12_000, latency=[],
    )  # fmt: skip
    send(world.launched(), transport)
    found = state(world)
    took = 12_000 / ((found.throttled_at - begun).total_seconds() + 10)  # its rest is part of that time
    assert found.limit_rate == pytest.approx(took, rel=0.2)
    assert found.rate == pytest.approx(found.limit_rate / 2)


def test_a_rest_is_written_into_the_minutes_it_covers_when_it_begins(world, transport, small):
    world.devices(60, mode="count")
    fault(world, 429, retry_after=150)
    before = sums(world, "rested")
    send(world.launched(), transport)
    found = state(world)
    begun = found.throttled_at
    minutes = ServiceMinute.objects.filter(vapid_key_id=world.key.pk, slot=SLOTS, minute__gte=begun - MINUTE)
    assert 3 <= minutes.count() <= 4
    assert max(one.rested for one in minutes) == 60
    assert sum(one.rested for one in minutes) == pytest.approx((found.paused_until - begun).total_seconds())
    assert sums(world, "rested") - before == pytest.approx(sum(one.rested for one in minutes))
    road = RoadKey(found.service, found.vapid_key_id)
    _, series = road_history.series([road], SPANS["hour"], begun + MINUTE)
    assert series[road][-1].rested == 60
    assert road_history.figures([road], begun + MINUTE, begun + 2 * MINUTE) == {}


def test_a_rate_that_a_rest_for_another_reason_comes_upon_keeps_its_own_reason():
    now = timezone.now()
    road = Road(now)
    pacing.slow_down(road, Run(list(range(8)), throttled=8), accepted=600, seconds=60)
    for later, run in ((20, Run(list(range(8)), silent=8)), (80, None)):
        road.now = now + timedelta(seconds=later)
        if run:
            pacing.recover(road)
            pacing.slow_down(road, run, accepted=0, seconds=60)
            assert (road.reason, road.throttled_at) == ("unreachable", now)
        pacing.recover(road)
    assert road.rate is not None
    assert (road.reason, road.throttled_at) == ("throttled", now)


def test_throttled_attempts_do_not_count_and_end_in_accepted(world, transport):
    world.devices(1)
    world.fault(429, 0, count=12)
    message = send(world.launched(options={"ttl": 2_000_000}), transport)
    for attempt in range(2, 14):
        assert totals(message) == {}, attempt
        pass_time(20_000)
        retries.move_due(timezone.now())
        send(message, transport)
    assert totals(message) == {"accepted": 1}
    assert Delivery.objects.get(message_id=message.pk).attempts == 13
    assert_sums_agree(message)


def test_what_stays_throttled_until_it_is_too_late_is_expired_and_not_failed(world, transport):
    world.devices(3)
    fault(world, 429, retry_after=400)
    message = send(world.launched(options={"ttl": 300}), transport)
    assert totals(message) == {"expired": 3}


def test_a_few_devices_that_are_throttled_alone_do_not_slow_the_road(world, transport):
    world.devices(26, mode="count")
    for first in range(3):  # 15 devices in all, and always good answers between
        world.push.call("DELETE", "/faults")
        for place in range(first, 20 + first, 4):
            world.fault(429, place, retry_after=60)
        message = send(world.launched(), transport)
        assert totals(message) == {"accepted": 21}
    assert not ServiceState.objects.filter(vapid_key_id=world.key.pk, rate__isnull=False).exists()


def test_one_device_that_always_fails_says_nothing_of_the_road(world, transport):
    world.devices(1)
    world.fault(500, 0)
    message = send(world.launched(options={"ttl": 2_000_000}), transport)
    for _ in range(7):
        pass_time(20_000)
        retries.move_due(timezone.now())
        send(message, transport)
    found = state(world)
    assert (found.paused_until, found.rate, len(found.troubled_devices)) == (None, None, 1)


def test_many_small_messages_show_together_that_the_road_is_throttled(world, transport):
    devices = world.devices(10)
    fault(world, 429, retry_after=60)
    begun = posts(world)
    for device in devices:
        send(world.targeted([device], [{}]), transport)
    assert posts(world) - begun == 8
    assert state(world).reason == "throttled"


def test_a_503_with_retry_after_as_a_date_is_obeyed(world, transport, small):
    world.devices(60, mode="count")
    fault(world, 503, retry_after=120, retry_after_as="date")
    message = send(world.launched(), transport)
    found = state(world)
    assert found.reason == "unavailable"
    assert 105 < (found.paused_until - found.throttled_at).total_seconds() <= 121
    assert set(Retry.objects.filter(message_id=message.pk).values_list("throttled", flat=True)) == {1}  # put off only
    pass_time(STEP)
    world.push.call("DELETE", "/faults")
    begun = posts(world)
    step([message], transport)
    assert posts(world) == begun
    pass_time(200)
    for _ in range(30):
        step([message], transport)
    assert totals(message) == {"accepted": 60}
    assert_sums_agree(message)


def test_targeted_messages_go_ahead_of_campaigns_on_a_throttled_road(world, transport, small):
    devices = world.devices(200, mode="count")
    ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, rate=1.0, limit_rate=2.0, tokens=12, tokens_at=timezone.now(),
        reason="throttled", send_window=8,
    )  # fmt: skip
    campaign = world.launched()
    sending.send_batch(batch_ids(campaign)[0], transport)
    assert 10 <= totals(campaign)["accepted"] <= 12  # all there is
    targeted = send(world.targeted(devices[:5], [{}] * 5), transport)
    assert totals(targeted) == {"accepted": 5}
    before = totals(campaign)
    send(campaign, transport)
    assert totals(campaign) == before
    # What they took is missing to the campaign now.
    pass_time(5)
    due = choosing.due_batches(2, timezone.now(), choosing.Allowances(), campaign.pk)
    assert due == []


def test_a_throttled_road_is_open_again_after_minutes_of_clean_sending(world, transport, settings):
    settings.PUSH_BATCH_SIZE = 10
    world.devices(300, mode="count")
    ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, rate=0.5, limit_rate=1.0, tokens=0, tokens_at=timezone.now(),
        reason="throttled", send_window=8,
    )  # fmt: skip
    message = world.launched()
    pace = []
    for _ in range(60):
        before = totals(message).get("accepted", 0)
        step([message], transport)
        pace.append(totals(message).get("accepted", 0) - before)
        if message.finished_at:
            break
    assert 0 < sum(pace[1:4]) <= 25  # half of what it once took
    assert 8 <= max(pace[10:14]) <= 12  # that after two minutes
    assert max(pace) >= 15  # and then more
    assert totals(message) == {"accepted": 300}
    # A handful every half a minute is enough to see that nothing is refused any more.
    for _ in range(18):
        pass_time(25)
        send(world.targeted([world.devices(1)[0]], [{}]), transport)
    found = state(world)
    assert (found.rate, found.send_window, found.reason) == (None, None, "")


def test_a_connection_that_breaks_with_all_that_was_on_it_costs_a_second(world, transport, small):
    world.devices(60, mode="count")
    fault(world, "reset", count=20)
    message = world.launched()
    send(message, transport)
    found = state(world)
    assert found.reason == "unreachable"
    assert (found.paused_until - found.throttled_at).total_seconds() == 1
    for _ in range(6):
        step([message], transport)
    assert totals(message) == {"accepted": 60}
    assert state(world).reason == ""


def test_the_history_tells_what_a_road_answered_and_how_fast(world, transport):
    world.devices(12)
    for kind, place in ((429, 0), (503, 1), (410, 2), (401, 3), (413, 4), ("reset", 5)):
        world.fault(kind, place)
    world.fault("slow", 6, delay_ms=300)
    send(world.launched(), transport)
    [minute] = ServiceMinute.objects.filter(vapid_key_id=world.key.pk)
    kinds = ("accepted", "gone", "throttled", "unavailable", "refused", "rejected", "no_answer", "unsent")
    assert [getattr(minute, kind) for kind in kinds] == [6, 1, 1, 1, 1, 1, 1, 0]
    assert sum(minute.latency) == 11
    assert road_history.quantile(minute.latency, 1.0) > 0.2  # the slow one, as near as buckets tell it
    assert minute.minute == minute.first_at.astimezone(UTC).replace(second=0, microsecond=0)
    assert (minute.window, minute.rate) == (None, None)


def test_minutes_are_kept_for_two_weeks(world, transport):
    world.devices(1)
    send(world.launched(), transport)
    minutes = ServiceMinute.objects.filter(vapid_key_id=world.key.pk)
    roads.forget_old(timezone.now() + timedelta(days=13))
    assert minutes.exists()
    roads.forget_old(timezone.now() + timedelta(days=15))
    assert not minutes.exists()
