"""What a Batch does with its devices: who gets the push, who does not and why, and that every sum is exact."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Batch, Delivery, Message
from pushplatform.sites.models import VapidKey
from subscribers.models import Device
from tests.campaigns.world import assert_sums_agree, facts, reasons, send, totals


def test_a_campaign_reaches_every_device_once_and_its_counters_are_exact(world, transport):
    devices = world.devices(30, linked=True)
    message = send(world.launched(), transport)
    assert totals(message) == facts(message) == {"accepted": 30}
    assert message.status == Message.Status.FINISHED
    assert message.campaign.status == "sent"
    assert_sums_agree(message)
    assert {one.device_id for one in Delivery.objects.filter(message_id=message.pk)} == {one.pk for one in devices}
    assert world.shown(7)["title"] == "Hello Anna 7"


def test_a_targeted_message_fills_in_the_params_of_each_recipient(world, transport):
    devices = world.devices(3)
    content = {"title": "{{ params.title }}", "body": "{{ device.browser }}"}
    message = send(world.targeted(devices, [{"title": f"Order {n}"} for n in range(3)], content=content), transport)
    assert message.status == Message.Status.FINISHED
    assert_sums_agree(message)
    assert [(world.shown(n)["title"], world.shown(n)["body"]) for n in range(3)] == [
        (f"Order {n}", "firefox") for n in range(3)
    ]


def test_each_device_is_sent_its_own_language(world, transport):
    devices = world.devices(2)
    Device.objects.filter(pk=devices[1].pk).update(language="pl-PL")
    send(world.launched(content={"title": "Hello", "translations": {"pl": {"title": "Cześć"}}}), transport)
    assert [world.shown(n)["title"] for n in range(2)] == ["Hello", "Cześć"]


def test_what_has_changed_since_the_audience_was_frozen_is_seen_when_it_is_sent(world, transport):
    kept, withdrawn, unsubscribed, unlinked, logged_in, vanished = devices = world.devices(6)
    contact, other = world.contacts(2)
    Device.objects.filter(pk=unlinked.pk).update(contact=contact)
    message = world.launched()
    Device.objects.filter(pk=withdrawn.pk).update(allowed=0)
    Device.objects.filter(pk=unsubscribed.pk).update(status=Device.Status.UNSUBSCRIBED)
    Device.objects.filter(pk=unlinked.pk).update(contact=None)
    Device.objects.filter(pk=logged_in.pk).update(contact=other)
    vanished.subscription.delete()
    send(message, transport)
    assert totals(message) == {"accepted": 1, "skipped": 5}
    assert reasons(message) == {"consent_withdrawn": 1, "device_gone": 2, "link_changed": 2}
    assert_sums_agree(message)
    assert message.finished_at is not None
    accepted = Delivery.objects.get(message_id=message.pk, status=1)
    assert (accepted.device_id, accepted.http_code, accepted.attempts) == (kept.pk, 201, 1)
    assert [world.push.inbox(label=world.label(place)) for place in range(1, len(devices))] == [[]] * 5


def test_what_is_too_late_is_expired_and_not_failed(world, transport):
    world.devices(3)
    message = world.launched(options={"ttl": 600})
    send(message, transport, clock=lambda: timezone.now() + timedelta(seconds=601))
    assert totals(message) == {"expired": 3}
    assert message.status == Message.Status.EXPIRED
    assert message.campaign.status == "sent"
    assert_sums_agree(message)


def test_the_push_service_is_told_the_time_that_is_left(world, transport):
    world.devices(1)
    send(world.launched(options={"ttl": 600}), transport, clock=lambda: timezone.now() + timedelta(seconds=200))
    assert 390 <= world.shown(0)["ttl"] <= 400


def test_now_or_never_is_told_to_the_push_service_as_zero(world, transport):
    world.devices(1)
    send(world.launched(options={"ttl": 0}), transport)
    assert world.shown(0)["ttl"] == 0


def test_urgency_and_collapse_key_reach_the_push_service(world, transport):
    world.devices(1)
    send(world.launched(options={"urgency": "high", "collapse_key": "price of tea"}), transport)
    entry = world.shown(0)
    assert entry["urgency"] == "high"
    assert len(entry["topic"]) == 32


def test_one_device_whose_payload_is_too_large_does_not_hold_up_the_others(world, transport):
    devices = world.devices(3)
    params = [{"text": "short"}, {"text": "x" * 4000}, {"text": "short"}]
    message = send(world.targeted(devices, params, content={"title": "{{ params.text }}"}), transport)
    assert totals(message) == {"accepted": 2, "skipped": 1}
    assert reasons(message) == {"payload_too_large": 1}
    assert_sums_agree(message)


def test_one_device_whose_data_break_the_template_does_not_hold_up_the_others(world, transport):
    devices = world.devices(3)
    content = {"title": "{{ 10 | divided_by: params.n }}"}
    message = send(world.targeted(devices, [{"n": 1}, {"n": 0}, {"n": 2}], content=content), transport)
    assert totals(message) == {"accepted": 2, "skipped": 1}
    assert reasons(message) == {"render_failed": 1}


def test_a_frozen_content_that_can_no_longer_be_sent_ends_the_message(world, transport):
    world.devices(2)
    message = world.launched()
    Message.objects.filter(pk=message.pk).update(content={"title": "{{ broken"})
    send(message, transport)
    assert reasons(message) == {"render_failed": 2}
    assert message.finished_at is not None


def test_a_retired_key_signs_nothing_and_a_device_is_sent_to_with_the_key_it_has_now(world, transport):
    draining = world.new_key(VapidKey.State.DRAINING)
    devices = world.devices(2)
    Device.objects.filter(pk=devices[1].pk).update(vapid_key=draining)
    message = world.launched()
    assert Batch.objects.filter(message=message).count() == 2
    VapidKey.objects.filter(pk=draining.pk).update(state=VapidKey.State.RETIRED)
    send(message, transport)
    assert totals(message) == {"accepted": 1, "failed": 1}
    assert reasons(message) == {"no_usable_key": 1}
    assert_sums_agree(message)


def test_an_endpoint_that_is_not_allowed_any_more_gets_nothing(world, transport, settings):
    world.devices(1)
    message = world.launched()
    settings.PUSH_ALLOW_LOOPBACK = False
    send(message, transport)
    assert reasons(message) == {"address_refused": 1}


def test_stored_keys_that_are_broken_fail_that_device_alone(world, transport):
    devices = world.devices(2)
    subscription = devices[0].subscription
    subscription.p256dh = b"\x04" + bytes(64)
    subscription.save()
    message = send(world.launched(), transport)
    assert totals(message) == {"accepted": 1, "failed": 1}
    assert reasons(message) == {"rejected": 1}


def test_a_device_that_is_not_measured_gets_a_token_that_names_it_to_nobody(world, transport):
    devices = world.devices(2)
    Device.objects.filter(pk=devices[1].pk).update(allowed=world.bit)
    message = send(world.launched(), transport)
    measured = dict(Delivery.objects.filter(message_id=message.pk).values_list("device_id", "measured"))
    assert measured == {devices[0].pk: True, devices[1].pk: False}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_audience_is_cut_into_batches_of_the_size_that_is_set(world, transport, settings, count):
    settings.PUSH_BATCH_SIZE = 2
    world.devices(count)
    message = world.launched()
    assert sorted(Batch.objects.filter(message=message).values_list("n", flat=True)) == sorted(
        [2] * (count // 2) + [1] * (count % 2)
    )
    send(message, transport)
    assert totals(message) == {"accepted": count}
