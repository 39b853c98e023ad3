"""What each answer of a push service makes of a device, over a real connection to a push service that misbehaves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import retries as retrying
from campaigns import sending, worker_process
from campaigns.models import Batch, Delivery, Message, Retry
from pushplatform.webpush.transport import Transport
from subscribers.models import Device
from tests.campaigns.world import assert_sums_agree, batch_ids, facts, reasons, retries, send, totals


@pytest.fixture
def impatient(settings):
    """A transport that waits two seconds for an answer."""
    settings.PUSH_CONNECT_TIMEOUT = settings.PUSH_ANSWER_TIMEOUT = 1.0
    transport = worker_process.make_transport()
    yield transport
    transport.close()


def later(seconds):
    return lambda: timezone.now() + timedelta(seconds=seconds)


def send_what_is_due(message, transport, clock=timezone.now):
    """Moves due retries and sends those of this message; how many Batches they are."""
    moved = [batch_id for batch_id, _ in retrying.move_due(clock())]
    ids = Batch.objects.filter(pk__in=moved, message=message).values_list("pk", flat=True)
    for batch_id in ids:
        sending.send_batch(batch_id, transport, clock=clock)
    message.refresh_from_db()
    return len(ids)


@pytest.mark.parametrize("status", [404, 410])
def test_gone_retires_only_the_device_that_answered_so(world, transport, status):
    devices = world.devices(3)
    world.fault(status, 1)
    message = send(world.launched(), transport)
    assert totals(message) == {"accepted": 2, "gone": 1}
    assert reasons(message) == {"device_gone": 1}
    assert Delivery.objects.get(message_id=message.pk, device_id=devices[1].pk).http_code == status
    found = Device.objects.filter(site=world.site).order_by("pk").values_list("status", flat=True)
    assert list(found) == [Device.Status.ACTIVE, Device.Status.GONE, Device.Status.ACTIVE]
    assert_sums_agree(message)


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (401, "no", "key_refused"),
        (403, "no", "key_refused"),
        (403, "the VAPID credentials do not correspond to the credentials used", "key_mismatch"),
        (400, "VapidPkHashMismatch", "key_mismatch"),
        (400, "no", "rejected"),
        (413, "no", "rejected"),
    ],
)
def test_what_trying_again_cannot_mend_fails_at_once_and_retires_nobody(world, transport, status, text, reason):
    world.devices(2)
    world.fault(status, 0, text=text)
    message = send(world.launched(), transport)
    assert totals(message) == {"accepted": 1, "failed": 1}
    assert reasons(message) == {reason: 1}
    assert not Device.objects.filter(site=world.site).exclude(status=Device.Status.ACTIVE).exists()
    assert_sums_agree(message)


@pytest.mark.parametrize("kind", [429, 500, 502, 503, "reset", "garbage"])
def test_what_passes_is_tried_again_and_then_accepted(world, transport, kind):
    devices = world.devices(3)
    world.fault(kind, 1, count=1)
    message = send(world.launched(), transport)
    assert totals(message) == {"accepted": 2}
    assert retries(message) == 1
    assert message.finished_at is None
    due = Retry.objects.get(message_id=message.pk).not_before
    assert send_what_is_due(message, transport, lambda: due - timedelta(milliseconds=1)) == 0
    assert send_what_is_due(message, transport, lambda: due) == 1
    assert totals(message) == {"accepted": 3}
    assert message.status == Message.Status.FINISHED
    assert Delivery.objects.get(message_id=message.pk, device_id=devices[1].pk).attempts == 2
    assert_sums_agree(message)


def test_retry_after_is_obeyed(world, transport):
    world.devices(1)
    world.fault(429, 0, count=1, retry_after=300)
    begun = timezone.now()
    message = send(world.launched(), transport)
    not_before = Retry.objects.get(message_id=message.pk).not_before
    assert begun + timedelta(seconds=300) <= not_before < timezone.now() + timedelta(seconds=310)


def test_a_retry_that_would_come_after_the_expiry_is_expired_now(world, transport):
    world.devices(1)
    world.fault(503, 0, count=1, retry_after=300)
    message = send(world.launched(options={"ttl": 200}), transport)
    assert totals(message) == {"expired": 1}
    assert Delivery.objects.get(message_id=message.pk).http_code == 503
    assert message.finished_at is not None


def test_a_service_that_stays_busy_is_given_up_after_the_last_attempt(world, transport):
    world.devices(1)
    world.fault(500, 0)
    message = send(world.launched(options={"ttl": 2_000_000}), transport)
    for attempt in range(2, 10):
        assert totals(message) == {}, attempt
        assert send_what_is_due(message, transport, later(attempt * 20_000)) == 1
    assert totals(message) == {"failed": 1}
    assert reasons(message) == {"gave_up": 1}
    assert Delivery.objects.get(message_id=message.pk).attempts == 9
    assert_sums_agree(message)


def test_no_answer_is_tried_once_more_and_then_failed(world, impatient):
    world.devices(2)
    world.fault("hang", 0)
    for _ in range(5):  # on a busy machine the other may not be answered in two seconds
        message = send(world.launched(), impatient)
        if totals(message):
            break
    assert (totals(message), retries(message)) == ({"accepted": 1}, 1)
    send_what_is_due(message, impatient, later(10))
    assert totals(message) == {"accepted": 1, "failed": 1}
    assert reasons(message) == {"no_answer": 1}
    assert_sums_agree(message)


def test_an_attempt_that_was_refused_before_does_not_count_as_one_without_an_answer(world, transport, impatient):
    world.devices(1)
    world.fault(500, 0, count=1)
    message = send(world.launched(), transport)
    world.fault("hang", 0, count=1)
    send_what_is_due(message, impatient, later(10))
    assert (totals(message), retries(message)) == ({}, 1)
    send_what_is_due(message, transport, later(100))
    assert totals(message) == {"accepted": 1}
    assert Delivery.objects.get(message_id=message.pk).attempts == 3
    assert_sums_agree(message)


def test_two_attempts_without_an_answer_are_enough_whatever_came_between(world, transport, impatient):
    world.devices(1)
    message = world.launched()
    for attempt, fault in enumerate(("hang", 500, "hang")):
        assert totals(message) == {}
        world.fault(fault, 0, count=1)
        through = impatient if fault == "hang" else transport
        send_what_is_due(message, through, later(attempt * 100)) if attempt else send(message, through)
    assert reasons(message) == {"no_answer": 1}
    assert_sums_agree(message)


def test_an_answer_that_was_lost_reaches_the_browser_twice_and_the_statistics_once(world, transport, impatient):
    world.devices(1)
    world.fault("hang", 0, count=1, deliver=True)
    message = send(world.launched(), impatient)
    send_what_is_due(message, transport, later(10))
    assert totals(message) == facts(message) == {"accepted": 1}
    assert len(world.push.inbox(label=world.label(0))) == 2


def test_an_endpoint_that_leads_to_a_private_address_is_refused_when_connecting(world, settings):
    devices = world.devices(2)
    settings.PUSH_ALLOWED_HOSTS = frozenset({"10.1.2.3"})
    subscription = devices[0].subscription
    subscription.endpoint = "https://10.1.2.3/push/1"
    subscription.save()
    transport = Transport()
    message = send(world.launched(), transport)
    transport.close()
    assert reasons(message) == {"address_refused": 2}  # the other one is on this machine
    assert totals(message) == {"failed": 2}
    assert_sums_agree(message)


def test_a_retry_in_a_targeted_message_keeps_its_params_and_its_lane(world, transport):
    devices = world.devices(3)
    world.fault(500, 1, count=1)
    params = [{"n": n} for n in range(3)]
    message = send(world.targeted(devices, params, content={"title": "Order {{ params.n }}"}), transport)
    send_what_is_due(message, transport, later(10))
    assert world.shown(1)["title"] == "Order 1"
    assert totals(message) == {"accepted": 3}
    assert set(Batch.objects.filter(message=message).values_list("lane", "attempt")) == {(1, 1), (1, 2)}


def test_a_person_who_withdraws_while_a_retry_waits_is_not_sent_to(world, transport):
    devices = world.devices(1)
    world.fault(500, 0, count=1)
    message = send(world.launched(), transport)
    Device.objects.filter(pk=devices[0].pk).update(allowed=0)
    send_what_is_due(message, transport, later(10))
    assert reasons(message) == {"consent_withdrawn": 1}
    assert message.finished_at is not None


def test_retries_of_a_paused_message_wait(world, transport):
    world.devices(1)
    world.fault(500, 0, count=1)
    message = send(world.launched(), transport)
    Message.objects.filter(pk=message.pk).update(status=Message.Status.PAUSED)
    assert send_what_is_due(message, transport, later(10)) == 0
    assert retries(message) == 1


def test_due_retries_are_gathered_into_batches_of_one_service_key_and_attempt(world, transport, settings):
    devices = world.devices(5)
    settings.PUSH_BATCH_SIZE = 2
    draining = world.new_key("draining")
    Device.objects.filter(pk=devices[4].pk).update(vapid_key=draining)
    world.push.call("POST", "/faults", {"kind": 500, "count": 5})
    message = send(world.launched(), transport)
    before = batch_ids(message)
    retrying.move_due(later(10)())
    made = Batch.objects.filter(message=message).exclude(pk__in=before)
    assert sorted(made.values_list("vapid_key_id", "n")) == [(world.key.pk, 2), (world.key.pk, 2), (draining.pk, 1)]
    assert all(batch.device_ids == sorted(batch.device_ids) for batch in made)
    assert retries(message) == 0
