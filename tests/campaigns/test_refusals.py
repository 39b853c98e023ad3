"""A key that a push service refuses from everybody is paused there; nobody is deleted, and little is lost."""

import pytest
from django.utils import timezone

from campaigns import flights, refusals, rolling_up
from campaigns.models import Batch, Message, Retry, ServiceState
from campaigns.refusals import EVIDENCE
from subscribers.models import Device, DeviceStats
from tests.campaigns.test_answers import later, send_what_is_due
from tests.campaigns.world import assert_sums_agree, batch_ids, facts, retries, send, totals


@pytest.fixture(autouse=True)
def recorded_together(monkeypatch):
    """However slowly they come, the answers to a Batch are judged together: what was recorded before has failed."""
    monkeypatch.setattr(flights, "FLUSH_SECONDS", 60.0)


def accepted_before(devices):
    DeviceStats.objects.bulk_create([DeviceStats(device_id=device.pk, sent=1) for device in devices])


def refuse(world, places, **members):
    for place in places:
        world.fault(403, place, text="no", **members)


def paused(world):
    return ServiceState.objects.filter(vapid_key_id=world.key.pk, paused_until__gt=timezone.now()).exists()


def test_a_key_refused_by_20_devices_of_which_5_were_accepted_before_is_paused_and_all_wait(world, transport):
    devices = world.devices(30)
    accepted_before(devices[:15])
    refuse(world, range(30), count=1)
    message = send(world.launched(), transport)
    assert paused(world)
    assert facts(message) == {}
    assert retries(message) == 30
    assert not Retry.objects.filter(message_id=message.pk, throttled=0).exists()  # no attempt of theirs counts
    assert message.status == Message.Status.SENDING
    assert not Device.objects.filter(site=world.site).exclude(status=Device.Status.ACTIVE).exists()

    assert send_what_is_due(message, transport, later(60)) == 0
    assert facts(message) == {}
    assert refusals.resume(6, world.key.pk)
    assert not refusals.resume(6, world.key.pk)
    send_what_is_due(message, transport, later(60))
    message.refresh_from_db()
    assert totals(message) == {"accepted": 30}
    assert message.status == Message.Status.FINISHED
    assert_sums_agree(message)


def test_what_had_not_begun_stays_queued(world, transport, settings):
    settings.PUSH_UNRECORDED_MAX = EVIDENCE
    accepted_before(world.devices(60))
    refuse(world, range(60))
    message = world.launched()
    posts = world.push.statistics()["posts"]
    send(message, transport)
    assert paused(world)
    assert world.push.statistics()["posts"] - posts < 60
    assert Batch.objects.get(pk=batch_ids(message)[0]).state == Batch.State.READY


def test_19_devices_are_not_enough_and_each_fails_alone(world, transport):
    accepted_before(world.devices(EVIDENCE - 1))
    refuse(world, range(EVIDENCE - 1))
    message = send(world.launched(), transport)
    assert not paused(world)
    assert totals(message) == {"failed": EVIDENCE - 1}
    assert_sums_agree(message)


@pytest.mark.parametrize(("before", "stops"), [(4, False), (5, True)])
def test_strangers_with_a_foreign_key_cannot_stop_a_site(world, transport, before, stops):
    accepted_before(world.devices(25)[-before:])
    refuse(world, range(25))
    send(world.launched(), transport)
    assert paused(world) is stops


def test_the_evidence_grows_over_messages_and_any_other_answer_ends_it(world, transport):
    accepted_before(world.devices(15))
    refuse(world, range(15), count=2)
    send(world.launched(), transport)
    [state] = ServiceState.objects.filter(vapid_key_id=world.key.pk)
    assert len(state.refused_devices) == 15
    send(world.launched(), transport)  # the same devices once more: still 15
    state.refresh_from_db()
    assert len(state.refused_devices) == 15
    assert not paused(world)
    send(world.launched(), transport)  # accepted
    state.refresh_from_db()
    assert state.refused_devices is None


@pytest.mark.parametrize("text", ["do not correspond", "VapidPkHashMismatch"])
def test_devices_of_another_key_are_no_evidence(world, transport, text):
    accepted_before(world.devices(25))
    for place in range(25):
        world.fault(403, place, text=text)
    message = send(world.launched(), transport)
    assert totals(message) == {"failed": 25}
    assert not ServiceState.objects.filter(vapid_key_id=world.key.pk).exists()


def test_a_rate_that_held_before_the_refusals_keeps_its_reason_when_they_are_over(world, transport):
    accepted_before(world.devices(20))
    refuse(world, range(20))
    reason = {"reason": "throttled", "slowed_by": "throttled"}
    road = ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, rate=40, limit_rate=80, tokens=99, **reason
    )
    send(world.launched(), transport)
    road.refresh_from_db()
    assert (road.reason, road.slowed_by) == (refusals.REASON, "throttled")
    assert refusals.resume(6, world.key.pk)
    road.refresh_from_db()
    assert (road.reason, road.paused_until) == ("throttled", None)


def test_accepted_before_is_told_by_the_facts(world, transport):
    world.devices(22)
    send(world.launched(), transport)
    while rolling_up.roll_up():
        pass
    refuse(world, range(22))
    send(world.launched(), transport)
    assert paused(world)


def test_a_key_that_is_well_leaves_no_state(world, transport):
    world.devices(5)
    send(world.launched(), transport)
    assert not ServiceState.objects.filter(vapid_key_id=world.key.pk).exists()
