"""What a killed worker left is taken up before what is poked: it has waited for a lease already."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import leases, sending
from campaigns.models import Batch, Delivery, Message, ServiceState
from tests.campaigns.world import assert_sums_agree, batch_ids, totals


def batch_of(message):
    [batch_id] = batch_ids(message)
    return batch_id


def left_by_a_killed_worker(message):
    """The message's Batch, claimed, and its lease over."""
    batch_id = batch_of(message)
    leases.claim(batch_id)
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    return batch_id


def ticking():
    """A clock on which every look is a second later."""
    begin, looks = timezone.now(), iter(range(3600))
    return lambda: begin + timedelta(seconds=next(looks))


def sent_at(message):
    return Delivery.objects.get(message_id=message.pk).at


def test_it_goes_first_though_only_another_batch_is_poked(world, transport):
    world.devices(1)
    poked, struck = world.launched(), world.launched()
    left_by_a_killed_worker(struck)
    assert sending.send_batch(batch_of(poked), transport, clock=ticking()) is True
    assert sent_at(struck) < sent_at(poked)
    for message in (poked, struck):
        assert totals(message) == {"accepted": 1}
        assert_sums_agree(message)


def test_the_one_that_has_waited_longest_goes_first(world, transport):
    world.devices(1)
    poked, later, longest = world.launched(), world.launched(), world.launched()
    left_by_a_killed_worker(later)
    batch_id = left_by_a_killed_worker(longest)
    Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() - timedelta(seconds=5))
    sending.send_batch(batch_of(poked), transport)
    assert [totals(message) for message in (longest, poked, later)] == [{"accepted": 1}, {"accepted": 1}, {}]


def test_what_somebody_still_works_at_is_left_to_them(world, transport):
    world.devices(1)
    poked, held = world.launched(), world.launched()
    leases.claim(batch_of(held))
    sending.send_batch(batch_of(poked), transport)
    assert Batch.objects.get(message=held).lease == 1
    assert totals(held) == {}


@pytest.mark.parametrize("trouble", ["it hangs", "it is paused"])
def test_it_waits_where_its_push_service_is_in_trouble(world, transport, trouble):
    world.devices(1)
    poked, struck = world.launched(), world.launched()
    batch_id = left_by_a_killed_worker(struck)
    key = world.new_key("previous")
    Batch.objects.filter(pk=batch_id).update(vapid_key_id=key.pk)
    until = timezone.now() + timedelta(minutes=1)
    told = {"strikes": 1} if trouble == "it hangs" else {"paused_until": until}
    ServiceState.objects.create(service=6, vapid_key_id=key.pk, **told)
    assert sending.send_batch(batch_of(poked), transport) is True
    assert totals(poked) == {"accepted": 1}
    assert Batch.objects.get(pk=batch_id).lease == 1


def test_it_waits_while_its_message_is_paused(world, transport):
    world.devices(1)
    poked, struck = world.launched(), world.launched()
    left_by_a_killed_worker(struck)
    Message.objects.filter(pk=struck.pk).update(status=Message.Status.PAUSED)
    assert sending.send_batch(batch_of(poked), transport) is True
    assert (totals(poked), totals(struck)) == ({"accepted": 1}, {})


def test_what_is_left_of_a_campaign_holds_up_no_targeted_send(world, transport):
    devices = world.devices(1, linked=True)
    struck, poked = world.launched(), world.targeted(devices, [{}])
    left_by_a_killed_worker(struck)
    assert sending.send_batch(batch_of(poked), transport) is True
    assert (totals(poked), totals(struck)) == ({"accepted": 1}, {})
