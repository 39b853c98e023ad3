"""A push service that does not answer holds nobody up, and is asked again with few."""

import os
from datetime import timedelta

import psycopg
import pytest
from django.db import connection as own
from django.utils import timezone

from campaigns import choosing, flights, launch, leases, retries, sending
from campaigns.models import Batch, Campaign, Lane, Message, Retry, ServiceState
from campaigns.worker_process import make_transport
from tests.campaigns.pace import fault, pass_time, posts, state, step
from tests.campaigns.world import World, assert_sums_agree, batch_ids, send, totals
from tests.campaigns.world import retries as waiting
from tests.localpush.conftest import LocalPushProcess, eventually

pytestmark = pytest.mark.usefixtures("sweeps")


@pytest.fixture
def hanging(module_database, settings, monkeypatch):
    """A Site whose own push service hangs."""
    settings.PUSH_CONNECT_TIMEOUT, settings.PUSH_ANSWER_TIMEOUT = 1.0, 1.5
    monkeypatch.setattr(flights, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(flights, "NESTING_SECONDS", 30.0)
    process = LocalPushProcess()
    world = World(process)
    fault(world, "hang")
    yield world
    process.stop()


@pytest.fixture
def patient(hanging):
    transport = make_transport()
    yield transport
    transport.close()


def test_while_a_push_service_hangs_its_worker_sends_what_goes_to_others(hanging, world, settings):
    hanging.devices(300, mode="count")
    world.devices(40, mode="count")
    for patience in (1.5, 8.0, 32.0):  # on a busy machine the others may not be through by then: once more, with more
        settings.PUSH_ANSWER_TIMEOUT, transport = patience, make_transport()
        ServiceState.objects.filter(vapid_key_id=hanging.key.pk).delete()
        stuck, free, begun = hanging.launched(), world.launched(), posts(hanging)
        try:
            assert sending.send_batch(batch_ids(stuck)[0], transport)
        finally:
            transport.close()
        free.refresh_from_db()
        stuck.refresh_from_db()
        found = state(hanging)
        if free.finished_at and free.finished_at < found.throttled_at:
            break
    assert totals(free) == {"accepted": 40}
    assert found.reason == "unreachable"
    assert free.finished_at < found.throttled_at
    assert 25 < (found.paused_until - found.throttled_at).total_seconds() <= 31
    assert posts(hanging) - begun <= 40  # of 300: a connection each, and what began before it was clear
    assert stuck.status == Message.Status.SENDING
    # Only what was really sent may have arrived; for the rest nothing was tried.
    assert Retry.objects.filter(message_id=stuck.pk, throttled=0).count() == posts(hanging) - begun


def test_while_a_push_service_hangs_its_worker_launches_freezes_and_sends_what_goes_to_others(
    hanging, world, settings, monkeypatch
):
    monkeypatch.setattr(flights, "LAST_ANSWERS_SECONDS", 0.2)
    monkeypatch.setattr(flights, "NESTING_SECONDS", 60.0)
    settings.PUSH_SWEEP_SECONDS, settings.PUSH_CONNECT_TIMEOUT, settings.PUSH_ANSWER_TIMEOUT = 0.5, 30.0, 60.0
    hanging.devices(20, mode="count")
    world.devices(40, mode="count")
    stuck, campaign = hanging.launched(), world.campaign(send_at=timezone.now() + timedelta(hours=1))
    launch.launch(campaign.pk, None, timezone.now())
    Campaign.objects.filter(pk=campaign.pk).update(send_at=timezone.now())
    sent, transport = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.SENT), make_transport()
    try:
        sending.send_batch(batch_ids(stuck)[0], transport, stopping=sent.exists)
    finally:
        transport.close()
    assert sent.exists()  # nobody else was there to launch it
    assert totals(campaign.messages.get()) == {"accepted": 40}
    assert waiting(stuck) == 20


def test_who_waits_for_one_push_service_would_rather_send_to_another(world, other):
    other.devices(1)
    world.devices(1, service=1)
    same, another = other.launched(), world.launched()
    assert batch_ids(same) < batch_ids(another)
    elsewhere = choosing.due_elsewhere(Lane.CAMPAIGN, [(6, world.key.pk)], [6])
    assert [elsewhere] == batch_ids(another)
    assert [choosing.due_elsewhere(Lane.CAMPAIGN, [(6, world.key.pk)], [1, 6])] == batch_ids(same)


def test_a_few_requests_that_hang_do_not_keep_their_process_from_the_rest_of_the_campaign(world, settings, patient):
    settings.PUSH_BATCH_SIZE = 20
    world.devices(80, mode="count")
    world.fault("hang", 3)
    world.fault("hang", 7)
    message = world.launched()
    assert len(batch_ids(message)) == 4
    assert sending.send_batch(batch_ids(message)[0], patient)
    assert (totals(message), waiting(message)) == ({"accepted": 78}, 2)


def test_a_road_that_hung_is_probed_with_few_and_then_open(hanging, patient):
    hanging.devices(300, mode="count")
    message = hanging.launched()
    sending.send_batch(batch_ids(message)[0], patient)
    pass_time(31)
    begun, before = posts(hanging), timezone.now()
    retries.move_due(timezone.now())
    send(message, patient)
    assert 1 <= posts(hanging) - begun <= 8
    found = state(hanging)
    assert found.strikes == 2
    assert (found.paused_until - before).total_seconds() > 55
    assert (found.paused_until - timezone.now()).total_seconds() <= 61
    hanging.push.call("DELETE", "/faults")
    for _ in range(12):
        step([message], patient)
    assert totals(message) == {"accepted": 300}
    assert state(hanging).reason == ""
    assert_sums_agree(message)


def test_all_that_hangs_together_stays_within_what_may_be_unrecorded(hanging, world, patient, settings, monkeypatch):
    settings.PUSH_UNRECORDED_MAX = 20
    hanging.devices(60, mode="count")
    world.devices(60, mode="count")
    fault(world, "hang")
    first, second = hanging.launched(), world.launched()
    most = []
    begin = flights.Flight.begin

    def counted(flight, prepared):
        begin(flight, prepared)
        most.append(sum(one.held for one in flight._flights.stack))

    monkeypatch.setattr(flights.Flight, "begin", counted)
    sending.send_batch(batch_ids(first)[0], patient)
    assert max(most) <= 20
    assert waiting(first) > 0
    assert waiting(second) > 0
    assert state(world).reason == state(hanging).reason == "unreachable"


def test_a_process_that_is_to_end_hands_back_all_that_hangs_in_time(hanging, world, patient, monkeypatch):
    monkeypatch.setattr(flights, "LAST_ANSWERS_SECONDS", 0.2)
    hanging.devices(5, mode="count")
    world.devices(5, mode="count")
    fault(world, "hang")
    first, second = hanging.launched(), world.launched()
    sending.send_batch(batch_ids(first)[0], patient, stopping=lambda: posts(hanging) == 5 and posts_of_hang(world) == 5)
    assert (waiting(first), waiting(second)) == (5, 5)
    assert not Batch.objects.filter(message__in=[first, second], state=Batch.State.LEASED).exists()


def posts_of_hang(world):
    return sum(one["hits"] for one in world.push.call("GET", "/faults").json()["data"] if one["kind"] == "hang")


def cut_connection():
    """PostgreSQL ends the session of this process."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as other:
        other.execute("select pg_terminate_backend(%s, 1000)", [own.connection.info.backend_pid])


def fail():
    raise ValueError("a Batch that cannot be loaded")


NESTED = {"due_elsewhere": (choosing, 1), "claim": (leases, 2), "load_job": (sending, 2), "load_targets": (sending, 2)}
"""Where what is about the Batch of another road happens, and the how manieth call of it that is."""


@pytest.mark.parametrize(
    ("name", "strike"),
    [
        ("due_elsewhere", cut_connection),
        ("claim", cut_connection),
        ("load_targets", cut_connection),
        ("load_job", fail),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_fails_at_a_batch_of_another_road_costs_that_batch_alone(
    hanging, world, settings, monkeypatch, name, strike
):
    settings.PUSH_LEASE_SECONDS, settings.PUSH_ANSWER_TIMEOUT = 1, 4.0  # time to get there while the first hangs
    patient = make_transport()
    hanging.devices(20, mode="count")
    world.devices(40, mode="count")
    stuck, free = hanging.launched(), world.launched()
    before = posts(world)
    owner, which = NESTED[name]
    original, called = getattr(owner, name), []

    def struck(*args):
        called.append(args)
        if len(called) == which:
            strike()
        return original(*args)

    monkeypatch.setattr(owner, name, struck)
    assert sending.send_batch(batch_ids(stuck)[0], patient)
    assert len(called) >= which
    # What the outer Batch had under way meanwhile is known.
    assert waiting(stuck) == 20
    assert Retry.objects.filter(message_id=stuck.pk, throttled=0).count() == posts(hanging)
    [left] = batch_ids(free)
    eventually(lambda: sending.send_batch(left, patient) or Message.objects.get(pk=free.pk).finished_at)
    patient.close()
    assert totals(free) == {"accepted": 40}
    assert posts(world) == before + 40


def test_outcomes_that_cannot_be_written_do_not_harm_the_batch_above_them(hanging, world, settings, monkeypatch):
    settings.PUSH_ANSWER_TIMEOUT = 60.0  # nobody waits for what hangs
    patient = make_transport()
    hanging.devices(20, mode="count")
    world.devices(40, mode="count")
    stuck, free = hanging.launched(), world.launched()
    before, record = posts(world), flights.record
    monkeypatch.setattr(flights, "FLUSH_SECONDS", 0.01)

    def poisoned(job, *args):
        if job.message_id == stuck.pk and posts(world) > before:
            raise ValueError("an outcome that cannot be written")
        return record(job, *args)

    monkeypatch.setattr(flights, "record", poisoned)
    with pytest.raises(ValueError, match="cannot be written"):
        sending.send_batch(batch_ids(stuck)[0], patient)
    patient.close()
    free.refresh_from_db()
    assert totals(free) == {"accepted": 40}
    assert free.finished_at
