"""The sweep finds whatever a lost task, a dead worker or the clock has left lying."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from campaigns import choosing, launch, leases, rolling_up, sweep, tasks
from campaigns.models import Batch, Campaign, Lane, Message, Retry, ServiceState
from pushplatform.celery import app
from subscribers.models import Device, DeviceStats
from tests.campaigns.world import assert_sums_agree, batch_ids, send, totals


@pytest.fixture
def pokes(monkeypatch):
    """(task, id, queue) of every poke, instead of a broker."""
    sent = []

    def note(task, args=(), queue=None, **_):
        sent.append((task.name.rsplit(".", 1)[1], *args, queue))

    monkeypatch.setattr("celery.app.task.Task.apply_async", note)
    return sent


def due_ids(message):
    return [batch_id for batch_id, _ in sweep.due_of_message(message.pk).batches]


def test_ready_batches_and_those_whose_worker_died_are_due(world):
    world.devices(2)
    message = world.launched()
    ids = batch_ids(message)
    assert due_ids(message) == ids
    leases.claim(ids[0])
    assert due_ids(message) == []
    Batch.objects.filter(pk=ids[0]).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert due_ids(message) == ids
    ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, paused_until=timezone.now() + timedelta(hours=1), reason="throttled"
    )
    assert due_ids(message) == []


def test_each_lane_is_poked_in_its_own_queue(world, pokes):
    devices = world.devices(2)
    campaign, targeted = world.launched(), world.targeted(devices, [{}, {}])
    tasks.sweep()
    assert ("send_batch", batch_ids(campaign)[0], "campaign") in pokes
    assert ("send_batch", batch_ids(targeted)[0], "targeted") in pokes
    pokes.clear()
    tasks.send_batch.poke(*batch_ids(targeted), *batch_ids(campaign))
    assert sorted(pokes) == sorted(
        [("send_batch", batch_ids(targeted)[0], "targeted"), ("send_batch", batch_ids(campaign)[0], "campaign")]
    )


def test_a_sweep_pokes_a_bounded_number(world, settings, monkeypatch):
    settings.PUSH_BATCH_SIZE = 1
    monkeypatch.setattr(choosing, "MOST_POKES", 3)
    world.devices(6)
    message = world.launched()
    assert due_ids(message) == batch_ids(message)[:3]


def test_a_message_that_was_freezing_when_its_worker_died_is_poked_on(world, pokes):
    devices = world.devices(2)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    tasks.sweep()
    assert ("freeze_message", message.pk, None) in pokes
    pokes.clear()
    tasks.freeze_message(message.pk)
    assert pokes == [("send_batch", batch_ids(message)[0], "campaign"), ("freeze_message", message.pk, None)]
    assert Batch.objects.get(message=message).device_ids == [one.pk for one in devices]


def test_a_scheduled_campaign_is_launched_at_its_time_and_not_before(world):
    world.devices(1)
    now = timezone.now()
    campaign = world.campaign(send_at=now + timedelta(hours=1))
    launch.launch(campaign.pk, None, now)
    sweep.begin_scheduled(now + timedelta(minutes=59))
    assert not Message.objects.filter(campaign=campaign).exists()
    sweep.begin_scheduled(now + timedelta(minutes=61))
    message = Message.objects.get(campaign=campaign)
    assert message.send_at == now + timedelta(minutes=61)
    assert message.campaign.status == Campaign.Status.SENDING


def test_a_scheduled_campaign_that_nobody_would_get_becomes_a_draft_that_says_why(world):
    world.devices(1)
    now = timezone.now()
    campaign = world.campaign(send_at=now + timedelta(hours=1))
    launch.launch(campaign.pk, None, now)
    Device.objects.filter(site=world.site).update(allowed=0)
    sweep.begin_scheduled(now + timedelta(hours=2))
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
    assert [one["code"] for one in campaign.audience["refused"]] == ["empty_audience"]


def test_a_scheduled_message_begins_at_its_time(world, transport):
    devices = world.devices(1)
    start = timezone.now() + timedelta(milliseconds=300)
    message = world.targeted(devices, [{}], status=Message.Status.SCHEDULED, send_at=start)
    assert send(message, transport).status == Message.Status.SCHEDULED
    while timezone.now() < start:
        threading.Event().wait(0.05)
    sweep.begin_scheduled(timezone.now())
    assert send(message, transport).status == Message.Status.FINISHED


def test_due_retries_become_batches_that_the_same_sweep_pokes(world, transport, pokes):
    world.devices(1)
    world.fault(500, 0, count=1)
    message = send(world.launched(), transport)
    Retry.objects.filter(message_id=message.pk).update(not_before=timezone.now())
    tasks.sweep()
    assert ("send_batch", batch_ids(message)[1], "campaign") in pokes


def test_a_cancelled_message_whose_worker_died_comes_to_its_end(world):
    world.devices(3)
    message = world.launched()
    leases.claim(batch_ids(message)[0])
    Message.objects.filter(pk=message.pk).update(status=Message.Status.CANCELLED)
    Batch.objects.filter(message=message).update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep.sweep(timezone.now())
    assert totals(message) == {"cancelled": 3}
    assert_sums_agree(message)
    message.refresh_from_db()
    assert message.finished_at is not None


def test_sweeps_at_the_same_time_do_no_harm(world, transport):
    world.devices(30)
    answer = world.push.call("POST", "/faults", {"kind": 500, "count": 30})
    assert answer.status_code == 201
    message = send(world.launched(), transport)
    ServiceState.objects.filter(vapid_key_id=world.key.pk).delete()  # as if the road had rested
    Retry.objects.filter(message_id=message.pk).update(not_before=timezone.now())
    campaign = world.campaign(send_at=timezone.now() + timedelta(minutes=5))
    launch.launch(campaign.pk, None, timezone.now())
    barrier, failures = threading.Barrier(4), []

    def run():
        try:
            barrier.wait()
            sweep.sweep(timezone.now() + timedelta(minutes=6))
        except Exception as error:
            failures.append(error)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Message.objects.filter(campaign=campaign).count() == 1
    send(message, transport)
    assert totals(message) == {"accepted": 30}
    assert_sums_agree(message)


def test_the_secret_of_pseudonyms_is_deleted_when_the_message_has_expired(world):
    world.devices(1)
    message = world.launched(options={"ttl": 60})
    sweep.forget_secrets(timezone.now())
    message.refresh_from_db()
    assert message.ref_secret is not None
    sweep.forget_secrets(timezone.now() + timedelta(seconds=61))
    message.refresh_from_db()
    assert message.ref_secret is None


def test_finished_batches_are_rolled_up_into_the_devices_once(world, transport):
    devices = world.devices(3)
    world.fault(500, 2, count=1)
    first = send(world.launched(), transport)
    Retry.objects.filter(message_id=first.pk).update(not_before=timezone.now())
    sweep.sweep(timezone.now())
    send(first, transport)
    send(world.launched(), transport)
    while rolling_up.roll_up():
        pass
    stats = {one.device_id: one for one in DeviceStats.objects.filter(device_id__in=[one.pk for one in devices])}
    assert [stats[one.pk].sent for one in devices] == [2, 2, 2]
    assert all(one.recent_sent == sorted(one.recent_sent, reverse=True) for one in stats.values())
    assert rolling_up.roll_up() == 0


def test_only_the_newest_ten_times_are_kept_and_a_late_batch_is_put_in_its_place(world, transport):
    [device] = world.devices(1)
    for hour in (5, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12):
        send(world.launched(), transport, clock=lambda hour=hour: timezone.now() + timedelta(hours=hour))
        rolling_up.roll_up()
    stats = DeviceStats.objects.get(device_id=device.pk)
    assert (stats.sent, len(stats.recent_sent)) == (12, 10)
    hours = [round((one - timezone.now().timestamp()) / 3600) for one in stats.recent_sent]
    assert hours == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert abs(stats.last_sent_at.timestamp() - stats.recent_sent[0]) <= 1


def test_an_erased_device_gets_no_statistics_again(world, transport):
    [device] = world.devices(1)
    send(world.launched(), transport)
    Device.objects.filter(pk=device.pk).update(status=Device.Status.ERASED)
    while rolling_up.roll_up():
        pass
    assert not DeviceStats.objects.filter(device_id=device.pk).exists()


def test_beat_sends_what_is_to_be_looked_at_and_lets_it_expire(settings):
    app.finalize()
    entries = {entry["task"]: entry for entry in app.conf.beat_schedule.values()}
    assert entries["campaigns.tasks.sweep"]["schedule"] == timedelta(seconds=settings.PUSH_SWEEP_SECONDS)
    for name in ("sweep", "roll_up", "make_partitions", "reconcile_finished"):
        entry = entries[f"campaigns.tasks.{name}"]
        assert entry["options"]["queue"] == "chores"
        assert entry["options"]["expires"] > 0
        assert f"campaigns.tasks.{name}" in app.tasks
    assert Lane.TARGETED in tasks.QUEUES
