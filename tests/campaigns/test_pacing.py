"""A push service that says "too many", is in trouble or hangs: nobody is lost, little asked in vain, others go on."""

from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import choosing, flights, leases, retries, roads, sending, sweep
from campaigns.models import Batch, Campaign, Delivery, Message, Retry, ServiceMinute, ServiceState
from campaigns.worker_process import make_transport
from tests.campaigns.world import World, assert_sums_agree, batch_ids, send, totals
from tests.campaigns.world import retries as waiting
from tests.localpush.conftest import LocalPushProcess

STEP = 10
"""Seconds from one sweep to the next."""


def pass_time(seconds):
    """As if it were so much later: everything that waits is due so much sooner."""
    by = timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        for table, column in (
            ("service_state", "tokens_at"),
            ("service_state", "paused_until"),
            ("service_minute", "first_at"),
            ("token_bucket", "filled_at"),
            ("batch", "not_before"),
            ("retry", "not_before"),
        ):
            cursor.execute(f"update {table} set {column} = {column} - %s", [by])


def step(messages, transport):
    """What one sweep and the workers after it do for these messages; then it is STEP seconds later."""
    for batch_id, _ in sweep.sweep(timezone.now()).batches:
        if Batch.objects.filter(pk=batch_id, message__in=messages).exists():
            sending.send_batch(batch_id, transport)
    pass_time(STEP)
    for message in messages:
        message.refresh_from_db()


def fault(world, kind, **members):
    answer = world.push.call("POST", "/faults", {"kind": kind, **members})
    assert answer.status_code == 201, answer.text


def fault_of_key(world, kind, count, **members):
    """For the first `count` devices of this Site."""
    for place in range(count):
        world.fault(kind, place, **members)


def posts(world):
    return world.push.statistics()["posts"]


def state(world):
    return ServiceState.objects.get(vapid_key_id=world.key.pk)


def sums(world, column):
    return sum(ServiceMinute.objects.filter(vapid_key_id=world.key.pk).values_list(column, flat=True))


@pytest.fixture(autouse=True)
def sweeps(settings, module_database):
    """As often as `step` has it; what earlier tests left queued is over."""
    settings.PUSH_SWEEP_SECONDS = STEP
    Batch.objects.update(state=Batch.State.DONE)
    Retry.objects.all().delete()


@pytest.fixture
def other(world, push_service):
    """Another Site at the same push service."""
    return World(push_service)


@pytest.fixture
def small(settings):
    """Few in flight, so that few hundred devices are many."""
    settings.PUSH_UNRECORDED_MAX = 64
    settings.PUSH_BATCH_SIZE = 50


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
    world.devices(60, mode="count")
    for place in range(0, 60, 4):
        world.fault(429, place, retry_after=60)
    message = send(world.launched(), transport)
    assert totals(message) == {"accepted": 45}
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
    message = world.launched()
    step([message], transport)
    found = state(world)
    assert found.reason == "unavailable"
    assert 105 < (found.paused_until + timedelta(seconds=STEP) - timezone.now()).total_seconds() <= 121
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
    send(world.launched(), transport)
    [minute] = ServiceMinute.objects.filter(vapid_key_id=world.key.pk)
    kinds = ("accepted", "gone", "throttled", "unavailable", "refused", "rejected", "no_answer", "unsent")
    assert [getattr(minute, kind) for kind in kinds] == [6, 1, 1, 1, 1, 1, 1, 0]
    assert sum(minute.latency) == 11
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


# A push service that does not answer


@pytest.fixture
def hanging(module_database, settings, monkeypatch):
    """A Site whose own push service hangs."""
    settings.PUSH_CONNECT_TIMEOUT, settings.PUSH_ANSWER_TIMEOUT = 0.5, 1.0
    monkeypatch.setattr(flights, "IDLE_SECONDS", 0.3)
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


def test_while_a_push_service_hangs_its_worker_sends_what_goes_to_others(hanging, world, patient):
    hanging.devices(300, mode="count")
    world.devices(40, mode="count")
    stuck, free = hanging.launched(), world.launched()
    assert sending.send_batch(batch_ids(stuck)[0], patient)
    free.refresh_from_db()
    stuck.refresh_from_db()
    assert totals(free) == {"accepted": 40}
    found = state(hanging)
    assert found.reason == "unreachable"
    assert free.finished_at < found.throttled_at
    assert 25 < (found.paused_until - timezone.now()).total_seconds() <= 31
    assert posts(hanging) <= 40  # of 300: a connection each, and what began before it was clear
    assert stuck.status == Message.Status.SENDING
    # Only what was really sent may have arrived; for the rest nothing was tried.
    assert Retry.objects.filter(message_id=stuck.pk, throttled=0).count() == posts(hanging)


def test_a_road_that_hung_is_probed_with_few_and_then_open(hanging, patient):
    hanging.devices(300, mode="count")
    message = hanging.launched()
    sending.send_batch(batch_ids(message)[0], patient)
    pass_time(31)
    begun = posts(hanging)
    retries.move_due(timezone.now())
    send(message, patient)
    assert 1 <= posts(hanging) - begun <= 8
    found = state(hanging)
    assert found.strikes == 2
    assert 55 < (found.paused_until - timezone.now()).total_seconds() <= 61
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

    def counted(flight, target, prepared):
        begin(flight, target, prepared)
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


# Ceilings


def paced(messages, world, transport, steps):
    """Posts in each step, in which every Batch is also poked by somebody else."""
    found = []
    for _ in range(steps):
        before = posts(world)
        for message in messages:
            send(message, transport)
        step(messages, transport)
        found.append(posts(world) - before)
    return found


def most_in_a_minute(found):
    return max(sum(found[n : n + 6]) for n in range(len(found)))


def test_a_campaign_with_a_ceiling_sends_no_more_in_any_minute(world, transport, small):
    world.devices(200, mode="count")
    message = world.launched(options={"per_minute": 60})
    assert message.options["per_minute"] == 60
    found = paced([message], world, transport, 30)
    assert totals(message) == {"accepted": 200}
    assert 45 <= most_in_a_minute(found) <= 60
    assert_sums_agree(message)


def test_the_ceiling_of_a_site_holds_for_all_its_messages_together(world, other, transport, small):
    world.devices(100, mode="count")
    other.devices(100, mode="count")
    world.site.per_minute = 60
    world.site.save()
    messages = [world.launched(), world.launched()]
    free = other.launched()
    found = paced(messages, world, transport, 24)
    assert 45 <= most_in_a_minute(found) <= 60
    counted = [totals(one)["accepted"] for one in messages]
    assert sum(counted) >= 150
    step([free], transport)
    assert totals(free) == {"accepted": 100}


def test_under_a_ceiling_there_is_something_left_for_targeted_messages(world, transport, small):
    devices = world.devices(100, mode="count")
    world.site.per_minute = 60
    world.site.save()
    campaign = world.launched()
    step([campaign], transport)
    pass_time(-STEP)
    targeted = send(world.targeted(devices[:2], [{}, {}]), transport)
    assert totals(targeted) == {"accepted": 2}


def test_what_an_allowance_was_not_needed_for_is_given_back(world, transport, small):
    devices = world.devices(40, mode="count")
    for device in devices[:35]:
        device.allowed = 0
        device.save()
    message = world.launched(options={"per_minute": 100})
    Batch.objects.filter(message=message).update(n=40)
    send(message, transport)
    with connection.cursor() as cursor:
        cursor.execute("select tokens from token_bucket where kind = 2 and owner_id = %s", [message.campaign_id])
        assert 14.5 < cursor.fetchone()[0] <= 20


@pytest.mark.parametrize("value", [0, -1, 1.5, "60", True, 10_000_001])
def test_a_ceiling_that_is_no_number_of_messages_is_refused(world, value):
    from campaigns.options import parse_options  # noqa: PLC0415

    options, wrong = parse_options({"per_minute": value}, timezone.now())
    assert options is None
    assert [(field, code) for field, code, _ in wrong] == [("per_minute", "out_of_range")]


# The sweep


def batches(message, world, number, **members):
    given = {
        "message": message, "service": 6, "vapid_key_id": world.key.pk, "lane": 2, "device_ids": [1],
        "contact_ids": [0], "n": 1, "expires_at": message.expires_at,
    } | members  # fmt: skip
    return Batch.objects.bulk_create([Batch(**given) for _ in range(number)])


def poked(*messages):
    due = sweep.sweep(timezone.now()).batches
    return [due_id for due_id, _ in due if Batch.objects.filter(pk=due_id, message__in=messages).exists()]


def test_a_thousand_batches_of_one_road_do_not_hide_those_of_another(world, other, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_POKES", 10)
    world.devices(1)
    other.devices(1)
    crowd = [world.launched() for _ in range(12)]
    single = other.launched()
    batches(crowd[0], world, 1000)
    Batch.objects.filter(message=single).delete()
    [late] = batches(single, other, 1)
    assert late.pk in poked(single)


def test_messages_on_one_road_take_turns(world, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_POKES", 10)
    world.devices(1)
    first, second = world.launched(), world.launched()
    batches(first, world, 50)
    batches(second, world, 50)
    found = [Batch.objects.get(pk=one).message_id for one in poked(first, second)]
    assert found.count(first.pk) == found.count(second.pk) == len(found) // 2 > 0


def test_what_a_claim_would_refuse_is_not_poked(world):
    world.devices(1)
    message = world.launched()
    batches(message, world, 50)
    row = ServiceState.objects.create(
        service=6, vapid_key_id=world.key.pk, rate=0.5, limit_rate=1.0, tokens=4, tokens_at=timezone.now()
    )
    assert len(poked(message)) == 4
    ServiceState.objects.filter(pk=row.pk).update(tokens=-3)
    assert poked(message) == []
    assert leases.claim(batch_ids(message)[0]) is None
    assert Batch.objects.get(pk=batch_ids(message)[0]).not_before > timezone.now()


@pytest.mark.parametrize("held", ["message", "road"])
def test_what_expires_while_it_is_held_back_is_counted_by_the_sweep(world, transport, small, held):
    world.devices(80, mode="count")
    world.fault(500, 0, count=1)
    message = world.launched(options={"ttl": 600})
    sending.send_batch(batch_ids(message)[0], transport)
    assert (totals(message), waiting(message)) == ({"accepted": 49}, 1)
    if held == "message":
        Message.objects.filter(pk=message.pk).update(status=Message.Status.PAUSED)
        Campaign.objects.filter(pk=message.campaign_id).update(status=Campaign.Status.PAUSED)
    else:
        ServiceState.objects.update_or_create(
            service=6,
            vapid_key_id=world.key.pk,
            defaults={"paused_until": timezone.now() + timedelta(days=1), "reason": "throttled"},
        )
    later = timezone.now() + timedelta(seconds=599)
    assert [one for one in sweep.sweep(later).batches if one[0] in batch_ids(message)] == []
    later += timedelta(seconds=2)
    for batch_id, _ in sweep.sweep(later).batches:
        sending.send_batch(batch_id, transport, clock=lambda: later)
    message.refresh_from_db()
    assert totals(message) == {"accepted": 49, "expired": 31}
    assert message.status == Message.Status.FINISHED
    assert_sums_agree(message)
