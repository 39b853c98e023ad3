"""Pause, resume and cancel, at rest and in the middle of sending: the counts say exactly what had gone."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from campaigns import control, finishing, freezing, launch, leases, loading, sending, tasks
from campaigns.models import Batch, Campaign, Message, Retry
from campaigns.recording import Entry, record
from campaigns.worker_process import make_transport
from pushplatform.webpush.outcome import Outcome
from subscribers.models import Attribute
from subscribers.upserting import upsert
from tests.campaigns.world import World, assert_sums_agree, batch_ids, facts, retries, send, sent_meanwhile, totals
from tests.localpush.conftest import eventually


def accepted(targets, job):
    return [Entry(target, Outcome.ACCEPTED, None, 201, job.lease.service) for target in targets]


def test_a_paused_message_stands_still_and_goes_on_when_resumed(world, transport):
    world.devices(5)
    message = world.launched()
    control.pause(message.pk, timezone.now())
    assert send(message, transport).status == Message.Status.PAUSED
    assert totals(message) == {}
    assert message.campaign.status == Campaign.Status.PAUSED
    assert control.resume_campaign(message.campaign_id, timezone.now()) == [message.pk]
    assert send(message, transport).status == Message.Status.FINISHED
    assert totals(message) == {"accepted": 5}
    assert_sums_agree(message)


def test_a_message_paused_while_it_freezes_goes_on_freezing(world, monkeypatch):
    monkeypatch.setattr(freezing, "STEP", 2)
    devices = world.devices(6)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Message.objects.filter(pk=message.pk).update(freeze_cursor=devices[0].pk - 1)
    steps = freezing.freeze(message.pk)
    next(steps)
    control.pause(message.pk, timezone.now())
    assert list(steps) == []
    control.resume(message.pk, timezone.now())
    list(freezing.freeze(message.pk))
    message.refresh_from_db()
    assert (message.status, message.targeted) == (Message.Status.SENDING, 6)


def test_a_message_paused_while_it_freezes_is_not_over_when_all_that_was_frozen_is_sent(world, transport, monkeypatch):
    monkeypatch.setattr(freezing, "STEP", 2)
    devices = world.devices(6)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Message.objects.filter(pk=message.pk).update(freeze_cursor=devices[0].pk - 1)
    next(freezing.freeze(message.pk))
    send(message, transport)
    control.pause(message.pk, timezone.now())
    assert finishing.finish_if_complete(message.pk, timezone.now()) is False
    message.refresh_from_db()
    assert (message.targeted, message.finished_at) == (2, None)


def test_cancelling_counts_what_was_not_sent(world, transport, settings):
    settings.PUSH_BATCH_SIZE = 4
    world.devices(10)
    message = world.launched()
    sending.send_batch(batch_ids(message)[0], transport)
    control.cancel_campaign(message.campaign_id, timezone.now())
    message.refresh_from_db()
    assert totals(message) == {"accepted": 4, "cancelled": 6}
    assert (message.status, message.campaign.status) == (Message.Status.CANCELLED, Campaign.Status.CANCELLED)
    assert message.finished_at is not None
    send(message, transport)
    assert totals(message) == {"accepted": 4, "cancelled": 6}
    assert_sums_agree(message)


@pytest.mark.parametrize("act", [control.pause, control.cancel])
def test_a_worker_in_the_middle_of_a_batch_stops_when_it_has_recorded_what_is_under_way(world, settings, act):
    settings.PUSH_UNRECORDED_MAX = 4
    world.devices(400, mode="count")
    message = world.launched()
    [batch_id] = batch_ids(message)
    answer = world.push.call("POST", "/faults", {"kind": "slow", "delay_ms": 100})
    assert answer.status_code == 201

    worker = sent_meanwhile(message, batch_id)
    act(message.pk, timezone.now())
    before = world.push.statistics()["posts"]
    worker.join()
    # What was on its way there, and what took its place while the outcomes before were being recorded.
    assert world.push.statistics()["posts"] - before <= 2 * settings.PUSH_UNRECORDED_MAX
    assert 0 < totals(message)["accepted"] < 400
    assert_sums_agree(message)
    if act is control.cancel:
        assert totals(message)["accepted"] + totals(message)["cancelled"] == 400
        assert message.finished_at is not None
    else:
        assert Batch.objects.get(pk=batch_id).state == Batch.State.READY


def test_cancelling_counts_retries_once(world, transport):
    world.devices(5)
    for place in (1, 3):
        world.fault(500, place)
    message = send(world.launched(), transport)
    assert retries(message) == 2
    control.cancel(message.pk, timezone.now())
    assert totals(message) == {"accepted": 3, "cancelled": 2}
    assert retries(message) == 0
    assert_sums_agree(message)


def test_a_batch_that_somebody_holds_is_closed_when_its_lease_is_over(world):
    world.devices(6)
    message = world.launched()
    [batch_id] = batch_ids(message)
    job = loading.load_job(leases.claim(batch_id))
    targets = list(loading.load_targets(job))
    waiting = Entry(targets[5], Outcome.RETRY, "gave_up", 503, 6, timezone.now())
    record(job, [*accepted(targets[:2], job), waiting], timezone.now())
    control.cancel(message.pk, timezone.now())
    message.refresh_from_db()
    assert (totals(message), message.finished_at) == ({"accepted": 2}, None)
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    control.close_if_cancelled(message.pk, timezone.now())
    message.refresh_from_db()
    assert totals(message) == {"accepted": 2, "cancelled": 4}
    assert message.finished_at is not None
    assert_sums_agree(message)


def test_a_device_in_two_batches_is_cancelled_once(world):
    devices = world.devices(3)
    message = world.launched()
    [batch_id] = batch_ids(message)
    leases.claim(batch_id)  # by a worker that has died after its retry became a batch of its own
    Batch.objects.create(
        message=message, service=6, vapid_key_id=world.key.pk, lane=2, device_ids=[devices[1].pk], contact_ids=[0],
        n=1, attempt=2, expires_at=message.expires_at,
    )  # fmt: skip
    control.cancel(message.pk, timezone.now())
    assert totals(message) == {"cancelled": 1}
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    control.close_if_cancelled(message.pk, timezone.now())
    assert totals(message) == {"cancelled": 3}
    assert_sums_agree(message)


def test_what_a_sleeping_worker_had_sent_is_taken_back_from_the_cancelled(world):
    world.devices(5)
    message = world.launched()
    [batch_id] = batch_ids(message)
    sleeper = loading.load_job(leases.claim(batch_id))
    targets = list(loading.load_targets(sleeper))
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    control.cancel(message.pk, timezone.now())
    assert totals(message) == {"cancelled": 5}
    record(sleeper, accepted(targets[:2], sleeper), timezone.now())
    assert totals(message) == {"accepted": 2, "cancelled": 3}
    assert_sums_agree(message)


def test_cancelling_while_the_audience_freezes_ends_with_what_was_frozen(world, monkeypatch):
    monkeypatch.setattr(freezing, "STEP", 2)
    devices = world.devices(6)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Message.objects.filter(pk=message.pk).update(freeze_cursor=devices[0].pk - 1)
    steps = freezing.freeze(message.pk)
    next(steps)
    control.cancel(message.pk, timezone.now())
    assert list(steps) == []
    message.refresh_from_db()
    assert (message.targeted, totals(message)) == (2, {"cancelled": 2})
    assert message.finished_at is not None


def test_a_scheduled_campaign_and_a_scheduled_message_can_be_cancelled(world):
    devices = world.devices(2)
    now = timezone.now()
    campaign = world.campaign(send_at=now + timedelta(hours=1))
    launch.launch(campaign.pk, None, now)
    control.cancel_campaign(campaign.pk, now)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.CANCELLED
    message = world.targeted(
        devices, [{}, {}], status=Message.Status.SCHEDULED, send_at=now + timedelta(hours=1),
        expires_at=now + timedelta(hours=2),
    )  # fmt: skip
    control.cancel(message.pk, now)
    assert totals(message) == {"cancelled": 2}
    assert_sums_agree(message)


def test_what_is_over_can_be_neither_paused_nor_resumed_nor_cancelled(world, transport):
    world.devices(1)
    message = send(world.launched(), transport)
    now = timezone.now()
    for act in (control.pause, control.resume, control.cancel):
        with pytest.raises(control.NotPossible):
            act(message.pk, now)
    for act in (control.pause_campaign, control.resume_campaign, control.cancel_campaign):
        with pytest.raises(control.NotPossible, match="sent"):
            act(message.campaign_id, now)
    message.refresh_from_db()
    assert message.status == Message.Status.FINISHED
    assert facts(message) == {"accepted": 1}
    assert not Retry.objects.filter(message_id=message.pk).exists()


def test_a_segment_that_breaks_while_it_freezes_pauses_the_message_and_says_why(world, transport):
    contact = upsert(world.site, "CRM-1", attributes={"plan": "pro"})
    world.devices(3)
    definition = {"any": [{"all": []}, {"field": "contact.attributes.plan", "op": "eq", "value": "pro"}]}
    message = launch.launch(world.campaign([world.segment(definition)]).pk, None, timezone.now())
    contact.delete()
    Attribute.objects.filter(site=world.site, key="plan").delete()
    assert freezing.freeze_some(message.pk, timezone.now()) == ([], False)
    message.refresh_from_db()
    assert message.status == Message.Status.PAUSED
    assert message.campaign.status == Campaign.Status.PAUSED
    assert "plan" in message.audience["stopped"]
    upsert(world.site, "CRM-1", attributes={"plan": "pro"})
    control.resume(message.pk, timezone.now())
    while freezing.freeze_some(message.pk, timezone.now())[1]:
        pass
    assert send(message, transport).status == Message.Status.FINISHED
    assert totals(message) == {"accepted": 3}


@pytest.mark.parametrize("act", [control.pause, control.cancel])
def test_at_full_speed_it_takes_effect_in_the_middle_and_the_counts_say_how_many_had_gone(
    begin_stack, push_service, act
):
    begin_stack(worker=True, beat=True, processes=2, env={"PUSH_LEASE_SECONDS": "60"})
    world = World(push_service)
    world.devices(3_000, mode="count")
    # However late the test's process is, the second half is not over by then.
    slow = {"kind": "slow", "delay_ms": 1500, "above": 1_500, "window_ms": 3_600_000}
    assert push_service.call("POST", "/faults", slow).status_code == 201
    begun = push_service.statistics()["posts"]
    message = launch.launch(world.campaign().pk, None, timezone.now())
    tasks.freeze_message.poke(message.pk)
    eventually(lambda: totals(message).get("accepted", 0) > 300)
    act(message.pk, timezone.now())
    push_service.call("DELETE", "/faults")
    eventually(lambda: not Batch.objects.filter(message=message, state=Batch.State.LEASED).exists())
    gone = push_service.statistics()["posts"] - begun
    assert totals(message)["accepted"] == gone < 3_000
    if act is control.pause:
        control.resume(message.pk, timezone.now())
        eventually(lambda: Message.objects.get(pk=message.pk).finished_at)
        assert push_service.statistics()["posts"] - begun == 3_000
    else:
        eventually(lambda: Message.objects.get(pk=message.pk).finished_at)
        assert totals(message) == {"accepted": gone, "cancelled": 3_000 - gone}
    assert_sums_agree(message)


@pytest.mark.usefixtures("sweeps")  # nothing else is due: a process that only waits would work at it meanwhile
@pytest.mark.parametrize("act", [control.pause, control.cancel])
def test_what_waits_behind_a_slow_push_service_is_not_sent_any_more(world, act):
    world.devices(200, mode="count")
    message = world.launched()
    assert world.push.call("POST", "/faults", {"kind": "slow", "delay_ms": 1500}).status_code == 201
    begun = world.push.statistics()["posts"]

    def work():
        transport = make_transport()
        try:
            sending.send_batch(batch_ids(message)[0], transport)
        finally:
            transport.close()
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    eventually(lambda: world.push.statistics()["posts"] > begun)
    act(message.pk, timezone.now())
    said = world.push.statistics()["posts"] - begun
    worker.join()
    gone = world.push.statistics()["posts"] - begun
    assert totals(message)["accepted"] == gone < 200
    assert gone - said <= 64  # a connection each, and what took their places
    if act is control.cancel:
        assert totals(message)["cancelled"] == 200 - gone
    else:
        assert Batch.objects.get(message=message).state == Batch.State.READY
    assert_sums_agree(message)
