"""Ceilings of Sites and campaigns, and what a sweep pokes: fair, and nothing that a claim would refuse."""

from datetime import timedelta
from time import monotonic

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import choosing, leases, sending, sweep
from campaigns.models import Batch, Campaign, Message, ServiceState
from campaigns.options import parse_options
from tests.campaigns.pace import STEP, pass_time, posts, step
from tests.campaigns.world import assert_sums_agree, batch_ids, send, totals
from tests.campaigns.world import retries as waiting

pytestmark = pytest.mark.usefixtures("sweeps")


def paced(messages, world, transport, steps):
    """Posts in each step, in which every Batch is also poked by somebody else."""
    found = []
    for _ in range(steps):
        begun, before = monotonic(), posts(world)
        for message in messages:
            send(message, transport)
        step(messages, transport, begun)
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


def test_about_four_fifths_of_a_ceiling_are_sent_though_slices_do_not_fit_batches(world, transport, small):
    world.devices(300, mode="count")
    message = world.launched(options={"per_minute": 150})
    found = []
    while message.finished_at is None:
        before = posts(world)
        step([message], transport)
        found.append(posts(world) - before)
        assert len(found) <= 15  # at four fifths
    assert most_in_a_minute(found) <= 150
    assert totals(message) == {"accepted": 300}


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


def test_a_ceiling_holds_also_where_targeted_messages_take_all_that_there_is(world, transport, small):
    devices = world.devices(80, mode="count")
    world.site.per_minute = 60
    world.site.save()
    message = world.targeted(devices, [{}] * 80)
    found = paced([message], world, transport, 6)
    assert found[0] >= 12  # the whole bucket: a campaign would leave two
    assert 45 <= sum(found) <= 60


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
    options, wrong = parse_options({"per_minute": value}, timezone.now())
    assert options is None
    assert [(field, code) for field, code, _ in wrong] == [("per_minute", "out_of_range")]


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
        service=6, vapid_key_id=world.key.pk, rate=0.001, limit_rate=1.0, tokens=4, tokens_at=timezone.now()
    )  # at that rate none comes back meanwhile
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
