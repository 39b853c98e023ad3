"""Doubled, late and lost tasks, dead and sleeping workers: nothing is lost and nothing counts twice."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from campaigns import finishing, flights, leases, loading, preparing, recording, sending, sweep
from campaigns.flights import Flight
from campaigns.models import Batch, Delivery, Message, Retry, ServiceState
from campaigns.recording import Entry, record
from campaigns.worker_process import make_transport
from pushplatform.webpush.outcome import Outcome
from tests.campaigns.world import assert_sums_agree, batch_ids, facts, send, totals


def end_lease(batch_id):
    """As if the worker had been silent for longer than its lease."""
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def accepted(targets, job):
    return [Entry(target, Outcome.ACCEPTED, None, 201, job.lease.service) for target in targets]


def in_threads(count, act):
    """Runs `act` so many times at once, each with a connection of its own; the results."""
    results, barrier = [], threading.Barrier(count)

    def run():
        try:
            barrier.wait()
            results.append(act())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_batch_is_claimed_by_one_of_many_at_once(world):
    world.devices(1)
    [batch_id] = batch_ids(world.launched())
    claims = [lease for lease in in_threads(6, lambda: leases.claim(batch_id)) if lease is not None]
    assert [lease.token for lease in claims] == [1]


def test_doubled_pokes_at_the_same_time_send_each_device_once(world, push_service):
    world.devices(60)
    message = world.launched()
    [batch_id] = batch_ids(message)
    posts = push_service.statistics()["posts"]

    def work():
        transport = make_transport()
        try:
            return sending.send_batch(batch_id, transport)
        finally:
            transport.close()

    assert sorted(in_threads(4, work)) == [False, False, False, True]
    assert push_service.statistics()["posts"] - posts == 60
    assert totals(message) == {"accepted": 60}
    assert_sums_agree(message)


def test_a_late_poke_of_a_finished_batch_does_nothing(world, transport, push_service):
    world.devices(3)
    message = send(world.launched(), transport)
    posts = push_service.statistics()["posts"]
    send(message, transport)
    assert push_service.statistics()["posts"] == posts
    assert totals(message) == {"accepted": 3}


@pytest.mark.parametrize("status", [Message.Status.SCHEDULED, Message.Status.PAUSED, Message.Status.CANCELLED])
def test_a_batch_of_a_message_that_does_not_go_on_is_not_claimed(world, status):
    world.devices(1)
    message = world.launched()
    Message.objects.filter(pk=message.pk).update(status=status)
    assert leases.claim(batch_ids(message)[0]) is None


def test_a_batch_is_not_claimed_before_its_time_or_while_its_service_is_paused(world):
    world.devices(1)
    [batch_id] = batch_ids(world.launched())
    Batch.objects.filter(pk=batch_id).update(not_before=timezone.now() + timedelta(minutes=1))
    assert leases.claim(batch_id) is None
    Batch.objects.filter(pk=batch_id).update(not_before=timezone.now() - timedelta(minutes=1))
    state = ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, paused_until=timezone.now() + timedelta(minutes=1)
    )
    assert leases.claim(batch_id) is None
    ServiceState.objects.filter(vapid_key_id=state.vapid_key_id).update(paused_until=timezone.now())
    assert leases.claim(batch_id) is not None


def test_a_batch_that_was_half_recorded_is_sent_from_there_on(world, transport, push_service):
    world.devices(10)
    message = world.launched()
    [batch_id] = batch_ids(message)
    dead = loading.load_job(leases.claim(batch_id))
    targets = list(loading.load_targets(dead))
    record(dead, accepted(targets[:4], dead), timezone.now())
    assert sending.send_batch(batch_id, transport) is False
    end_lease(batch_id)
    posts = push_service.statistics()["posts"]
    assert sending.send_batch(batch_id, transport) is True
    assert push_service.statistics()["posts"] - posts == 6
    assert totals(message) == {"accepted": 10}
    assert_sums_agree(message)


def test_two_who_hold_the_same_batch_never_count_a_device_twice(world, transport):
    world.devices(10)
    message = world.launched()
    [batch_id] = batch_ids(message)
    sleeper = loading.load_job(leases.claim(batch_id))
    targets = list(loading.load_targets(sleeper))
    end_lease(batch_id)
    sending.send_batch(batch_id, transport)
    assert record(sleeper, accepted(targets, sleeper), timezone.now()) is None
    assert totals(message) == {"accepted": 10}
    assert_sums_agree(message)


def test_what_a_sleeper_did_send_is_recorded_though_its_lease_is_lost(world):
    world.devices(10)
    message = world.launched()
    [batch_id] = batch_ids(message)
    sleeper = loading.load_job(leases.claim(batch_id))
    targets = list(loading.load_targets(sleeper))
    end_lease(batch_id)
    heir = loading.load_job(leases.claim(batch_id))
    assert record(sleeper, accepted(targets[:3], sleeper), timezone.now()) is None
    assert record(heir, accepted(targets, heir), timezone.now()) == Message.Status.SENDING
    assert totals(message) == facts(message) == {"accepted": 10}
    assert leases.end(sleeper.lease, done=True) is False
    assert leases.end(heir.lease, done=True) is True


def test_a_worker_that_lost_its_lease_stops(world, transport, settings, push_service):
    world.devices(30)
    settings.PUSH_UNRECORDED_MAX = 5
    message = world.launched()
    [batch_id] = batch_ids(message)
    posts = push_service.statistics()["posts"]

    def clock():
        # Somebody else takes the batch as soon as this worker looks at the clock for the third device.
        if clock.calls == 2:
            Batch.objects.filter(pk=batch_id).update(lease=99)
        clock.calls += 1
        return timezone.now()

    clock.calls = 0
    sending.send_batch(batch_id, transport, clock=clock)
    assert push_service.statistics()["posts"] - posts <= 10
    assert Batch.objects.get(pk=batch_id).state == Batch.State.LEASED
    assert totals(message) == facts(message)


def test_a_reclaimed_batch_leaves_out_what_was_handed_on_to_a_later_attempt(world, transport, push_service):
    devices = world.devices(4)
    message = world.launched()
    [batch_id] = batch_ids(message)
    dead = loading.load_job(leases.claim(batch_id))
    waiting = next(iter(loading.load_targets(dead)))
    retry = Entry(waiting, Outcome.RETRY, "gave_up", 503, 6, timezone.now())
    record(dead, [retry], timezone.now())
    later = Batch.objects.create(
        message=message,
        service=6,
        vapid_key_id=world.key.pk,
        lane=2,
        device_ids=[devices[0].pk],
        contact_ids=[0],
        n=1,
        attempt=2,
        expires_at=message.expires_at,
    )
    Retry.objects.filter(message_id=message.pk).delete()
    end_lease(batch_id)
    posts = push_service.statistics()["posts"]
    sending.send_batch(batch_id, transport)
    assert push_service.statistics()["posts"] - posts == 3
    sending.send_batch(later.pk, transport)
    assert totals(message) == {"accepted": 4}
    assert_sums_agree(message)


def test_a_reclaimed_batch_leaves_out_what_waits_to_be_tried_again(world, transport, push_service):
    world.devices(4)
    message = world.launched()
    [batch_id] = batch_ids(message)
    dead = loading.load_job(leases.claim(batch_id))
    waiting = next(iter(loading.load_targets(dead)))
    record(dead, [Entry(waiting, Outcome.RETRY, "gave_up", 503, 6, timezone.now())], timezone.now())
    end_lease(batch_id)
    posts = push_service.statistics()["posts"]
    sending.send_batch(batch_id, transport)
    assert push_service.statistics()["posts"] - posts == 3
    assert totals(message) == {"accepted": 3}
    assert Retry.objects.get(message_id=message.pk).device_id == waiting.device_id


def test_a_process_that_is_to_end_hands_its_batch_back_with_what_it_has(world, transport, settings, push_service):
    world.devices(20)
    settings.PUSH_UNRECORDED_MAX = 10
    message = world.launched()
    [batch_id] = batch_ids(message)
    posts = push_service.statistics()["posts"]
    sending.send_batch(batch_id, transport, stopping=lambda: push_service.statistics()["posts"] - posts >= 7)
    begun = push_service.statistics()["posts"] - posts
    assert 7 <= begun < 20
    assert facts(message) == totals(message) == {"accepted": begun}
    assert Batch.objects.get(pk=batch_id).state == Batch.State.READY
    send(message, transport)
    assert push_service.statistics()["posts"] - posts == 20
    assert totals(message) == {"accepted": 20}
    assert_sums_agree(message)


def test_what_is_under_way_when_a_process_ends_is_tried_once_more(world, settings, monkeypatch):
    world.devices(3)
    world.fault("hang", 1)
    monkeypatch.setattr(flights, "LAST_ANSWERS_SECONDS", 0.3)
    transport = make_transport()
    message = world.launched()
    # It is to end when all have begun and two are answered.
    sending.send_batch(batch_ids(message)[0], transport, stopping=lambda: totals(message) == {"accepted": 2})
    assert totals(message) == {"accepted": 2}
    retry = Retry.objects.get(message_id=message.pk)
    assert retry.attempt == 1


def test_never_more_is_unrecorded_than_the_setting_allows(world, transport, settings, monkeypatch):
    world.devices(40, mode="count")
    settings.PUSH_UNRECORDED_MAX = 10
    most = []
    note = Flight.begin

    def begin(flight, prepared):
        note(flight, prepared)
        most.append(len(flight._under_way) + len(flight._unrecorded))

    monkeypatch.setattr(Flight, "begin", begin)
    send(world.launched(), transport)
    assert 1 < max(most) <= 10


@pytest.mark.parametrize(("patience", "together"), [(10.0, 40), (0.0, 1)])
def test_fewer_are_prepared_together_where_their_texts_take_long(world, transport, monkeypatch, patience, together):
    world.devices(40, mode="count")
    monkeypatch.setattr(preparing, "TURN_EVERY", patience)
    sizes = []
    note = Flight.begin

    def begin(flight, prepared):
        sizes.append(len(prepared))
        note(flight, prepared)

    monkeypatch.setattr(Flight, "begin", begin)
    message = send(world.launched(), transport)
    assert max(sizes) == together
    assert totals(message) == {"accepted": 40}


def test_a_message_is_not_finished_while_it_freezes_or_before_its_sum_is_full(world, transport):
    world.devices(4)
    message = world.launched()
    now = timezone.now()
    assert finishing.finish_if_complete(message.pk, now) is False
    Message.objects.filter(pk=message.pk).update(status=Message.Status.FREEZING)
    send(message, transport)
    assert totals(message) == {"accepted": 4}
    assert message.finished_at is None
    Message.objects.filter(pk=message.pk).update(status=Message.Status.SENDING)
    assert in_threads(3, lambda: finishing.finish_if_complete(message.pk, now)).count(True) == 1


def test_a_worker_that_dies_before_the_end_leaves_a_message_that_the_sweep_finds(world):
    world.devices(2)
    message = world.launched()
    [batch_id] = batch_ids(message)
    dead = loading.load_job(leases.claim(batch_id))
    record(dead, accepted(loading.load_targets(dead), dead), timezone.now())
    sweep.sweep(timezone.now())
    message.refresh_from_db()
    assert message.status == Message.Status.FINISHED
    assert Batch.objects.get(pk=batch_id).state == Batch.State.DONE


def test_renewing_prolongs_the_lease_by_the_database_clock(world, settings):
    settings.PUSH_LEASE_SECONDS = 100
    world.devices(1)
    lease = leases.claim(batch_ids(world.launched())[0])
    end_lease(lease.batch_id)
    with transaction.atomic(), connection.cursor() as cursor:  # in which now() stands still
        assert leases.renew(cursor, lease) == (Message.Status.SENDING, False, False, False, None, None)
        cursor.execute("select extract(epoch from lease_until - now()) from batch where id = %s", [lease.batch_id])
        assert cursor.fetchone()[0] == 100


def test_an_entry_of_a_device_with_an_outcome_makes_no_retry(world):
    world.devices(1)
    message = world.launched()
    job = loading.load_job(leases.claim(batch_ids(message)[0]))
    [target] = loading.load_targets(job)
    record(job, accepted([target], job), timezone.now())
    retry = recording.Entry(target, Outcome.RETRY, "gave_up", 503, 6, timezone.now())
    record(job, [retry], timezone.now())
    assert not Retry.objects.filter(message_id=message.pk).exists()
    assert Delivery.objects.filter(message_id=message.pk).count() == 1
