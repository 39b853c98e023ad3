"""From a draft to a Message with a frozen audience, and everything that stands in the way."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from campaigns import audience, freezing, launch
from campaigns.audience import Audience
from campaigns.launch import LaunchRefused
from campaigns.models import AudienceChoice, Batch, Campaign, CampaignTotal, Message, MessageTotal
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.request import PushService
from subscribers.models import Contact, Device, Purpose, Segment

PRO = {"field": "contact.attributes.plan", "op": "in", "value": ["pro"]}


def refusals(campaign, now=None):
    with pytest.raises(LaunchRefused) as caught:
        launch.launch(campaign.pk, None, now or timezone.now())
    campaign.refresh_from_db()
    assert not Message.objects.filter(campaign=campaign).exists()
    return {(field, code) for field, code, _ in caught.value.errors}


def frozen(message):
    """Device ids of all its Batches, in order."""
    return sorted(id_ for batch in Batch.objects.filter(message=message) for id_ in batch.device_ids)


def plans(world, devices, plan):
    Contact.objects.filter(pk__in=[device.contact_id for device in devices]).update(attributes={"plan": plan})


def attribute(world):
    from subscribers.models import Attribute  # noqa: PLC0415

    Attribute.objects.get_or_create(site=world.site, key="plan", defaults={"type": "string", "filterable": True})


def test_a_launch_freezes_content_options_and_audience(world):
    world.devices(3)
    campaign = world.campaign(options={"urgency": "low", "ttl": 60, "collapse_key": "tea"})
    now = timezone.now()
    message = launch.launch(campaign.pk, None, now)
    campaign.refresh_from_db()
    assert (campaign.status, campaign.launched_at) == (Campaign.Status.SENDING, now)
    assert (message.status, message.content) == (Message.Status.FREEZING, campaign.content)
    assert message.options == {"urgency": "low", "ttl": 60, "devices": "all", "collapse_key": "tea"}
    assert (message.expires_at, len(message.topic)) == (now + timedelta(seconds=60), 32)
    assert message.audience["include"] == [{"all": []}]
    assert len(message.ref_secret) == 32
    assert MessageTotal.objects.filter(message_id=message.pk).count() == 4
    assert CampaignTotal.objects.filter(campaign_id=campaign.pk).count() == 4


def test_eight_launches_at_once_make_one_message(world):
    world.devices(3)
    campaign = world.campaign()
    results, barrier = [], threading.Barrier(8)

    def click():
        try:
            barrier.wait()
            results.append(launch.launch(campaign.pk, None, timezone.now()))
        except LaunchRefused as refused:
            results.append(refused.errors[0][1])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("not_draft") == 7
    assert Message.objects.filter(campaign=campaign).count() == 1


def test_what_cannot_be_launched_is_refused_with_everything_that_is_wrong_and_stays_a_draft(world):
    world.devices(1)
    campaign = world.campaign(content={"title": "{{"}, options={"ttl": -1, "urgency": "now", "nope": 1})
    campaign.campaign_segments.all().delete()
    Purpose.objects.filter(pk=world.offers.pk).update(archived=True)
    VapidKey.objects.filter(site=world.site).update(state=VapidKey.State.RETIRED)
    assert refusals(campaign) == {
        ("content.title", "invalid_template"),
        ("options.ttl", "out_of_range"),
        ("options.urgency", "invalid_value"),
        ("options.nope", "unknown_field"),
        ("purpose", "purpose_archived"),
        ("site", "no_usable_key"),
        ("segments", "no_segment"),
    }
    assert campaign.status == Campaign.Status.DRAFT
    assert {(field, code) for field, code, _ in launch.check(campaign, timezone.now())} == refusals(campaign)


@pytest.mark.parametrize("change", [{"allowed": 0}, {"status": Device.Status.GONE}, {"site": "another"}])
def test_an_empty_audience_is_refused(world, push_service, change):
    from tests.campaigns.world import World  # noqa: PLC0415

    world.devices(2)
    if "site" in change:
        change = {"site": World(push_service).site}
    Device.objects.filter(site=world.site).update(**change)
    assert refusals(world.campaign()) == {("segments", "empty_audience")}


def test_a_segment_that_is_archived_broken_or_of_another_site_is_refused(world, push_service):
    from tests.campaigns.world import World  # noqa: PLC0415

    world.devices(1)
    assert refusals(world.campaign([World(push_service).segment()])) == {("segments", "unknown_segment")}
    archived = Segment.objects.create(site=world.site, name="Old", definition={"all": []}, archived=True)
    assert refusals(world.campaign([archived])) == {("segments", "unknown_segment")}
    broken = world.segment({"field": "no.such.field", "op": "eq", "value": 1})
    assert refusals(world.campaign([broken])) == {("segments", "broken_segment")}


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, ("options.expires_at", "in_the_past")),
        ({"expires_at": "2020-01-01T00:00:00"}, ("options.expires_at", "invalid_value")),
        ({"expires_at": "tomorrow"}, ("options.expires_at", "invalid_value")),
        ({"expires_at": "2999-01-01T00:00:00Z"}, ("options.expires_at", "out_of_range")),
        ({"expires_at": "2999-01-01T00:00:00Z", "ttl": 5}, ("options.expires_at", "invalid_value")),
        ({"ttl": 2_419_201}, ("options.ttl", "out_of_range")),
        ({"ttl": True}, ("options.ttl", "out_of_range")),
        ({"devices": "most"}, ("options.devices", "invalid_value")),
        ({"collapse_key": "k" * 256}, ("options.collapse_key", "invalid_value")),
    ],
)
def test_absurd_options_are_refused_by_name(world, options, wrong):
    world.devices(1)
    assert wrong in refusals(world.campaign(options=options))


def test_a_draft_with_a_time_is_scheduled_and_one_whose_time_has_passed_is_refused(world):
    world.devices(1)
    now = timezone.now()
    late = world.campaign(send_at=now - timedelta(seconds=1))
    assert refusals(late, now) == {("send_at", "in_the_past")}
    campaign = world.campaign(send_at=now + timedelta(hours=1))
    assert launch.launch(campaign.pk, None, now) is None
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SCHEDULED
    launch.unschedule(campaign.pk)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
    with pytest.raises(LaunchRefused):
        launch.unschedule(campaign.pk)


def test_the_audience_is_segments_less_exclusions_with_consent_on_active_devices(world):
    devices = world.devices(8, linked=True)
    attribute(world)
    plans(world, devices[:6], "pro")
    plans(world, devices[6:], "free")
    Device.objects.filter(pk=devices[1].pk).update(allowed=0)
    Device.objects.filter(pk=devices[2].pk).update(status=Device.Status.UNSUBSCRIBED)
    Device.objects.filter(pk=devices[3].pk).update(os="windows")
    pro, windows = world.segment(PRO), world.segment({"field": "device.os", "op": "eq", "value": "windows"})
    waterfall = audience.count(world.site.pk, [pro.pk], [windows.pk], world.offers, "all")
    assert waterfall == (6, 5, 4, 3, 3, 3)
    message = world.launched(include=[pro], exclude=[windows])
    assert frozen(message) == [devices[0].pk, devices[4].pk, devices[5].pk]
    assert message.targeted == 3
    assert message.audience["waterfall"] == {
        "matched": 6, "with_consent": 5, "active": 4, "after_exclusions": 3, "after_device_choice": 3
    }  # fmt: skip


def test_an_excluded_segment_about_contacts_does_not_exclude_devices_without_one(world):
    devices = world.devices(2)
    attribute(world)
    message = world.launched(exclude=[world.segment(PRO)])
    assert frozen(message) == [one.pk for one in devices]


def test_the_latest_device_of_each_person_is_chosen_and_unlinked_devices_count_for_themselves(world):
    devices = world.devices(6)
    anna, ben = world.contacts(2)
    now = timezone.now()
    for device, contact, hours in zip(devices, (anna, anna, anna, ben, None, None), (5, 1, 3, 9, 9, 9), strict=True):
        Device.objects.filter(pk=device.pk).update(contact=contact, last_seen_at=now - timedelta(hours=hours))
    Device.objects.filter(pk=devices[1].pk).update(allowed=0)  # seen last, but may not be sent to
    segment = world.segment()
    waterfall = audience.count(world.site.pk, [segment.pk], [], world.offers, "latest")
    assert waterfall == (6, 5, 5, 5, 4, 4)
    message = world.launched(include=[segment], options={"devices": "latest"})
    assert frozen(message) == [devices[place].pk for place in (2, 3, 4, 5)]
    assert message.targeted == 4
    assert message.audience["waterfall"]["after_device_choice"] == 4
    assert message.status == Message.Status.SENDING
    assert not AudienceChoice.objects.exists()


@pytest.mark.parametrize("devices_rule", ["all", "latest"])
def test_freezing_goes_on_from_its_cursor_after_a_crash_and_takes_nobody_twice(world, monkeypatch, devices_rule):
    monkeypatch.setattr(freezing, "FIRST_STEP", 2)
    monkeypatch.setattr(freezing, "STEP", 3)
    monkeypatch.setattr(freezing, "MOST_STRETCHED", 1)
    devices = world.devices(9, linked=True)
    message = launch.launch(world.campaign(options={"devices": devices_rule}).pk, None, timezone.now())
    start = min(device.pk for device in devices) - 1
    if devices_rule == "all":
        Message.objects.filter(pk=message.pk).update(freeze_cursor=start)
    steps = freezing.freeze(message.pk)
    next(steps)
    next(steps)
    message.refresh_from_db()
    assert message.status == Message.Status.FREEZING
    assert 0 < len(frozen(message)) == message.targeted < 9
    others = [list(freezing.freeze(message.pk)) for _ in range(2)]
    assert others[0]
    assert others[1] == []
    message.refresh_from_db()
    assert frozen(message) == [one.pk for one in devices]
    assert (message.targeted, message.status) == (9, Message.Status.SENDING)


def test_each_step_gives_its_batches_so_that_sending_begins_at_once(world, monkeypatch):
    monkeypatch.setattr(freezing, "STEP", 3)
    devices = world.devices(7)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Message.objects.filter(pk=message.pk).update(freeze_cursor=devices[0].pk - 1)
    batch_ids, more = freezing.freeze_some(message.pk, timezone.now())
    assert more
    assert [batch.device_ids for batch in Batch.objects.filter(pk__in=batch_ids)] == [[one.pk for one in devices[:3]]]


def test_two_that_freeze_the_same_message_share_the_steps(world, monkeypatch):
    monkeypatch.setattr(freezing, "STEP", 1)
    monkeypatch.setattr(freezing, "MOST_STRETCHED", 1)
    devices = world.devices(12)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Message.objects.filter(pk=message.pk).update(freeze_cursor=devices[0].pk - 1)

    def freeze():
        try:
            list(freezing.freeze(message.pk))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=freeze) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    message.refresh_from_db()
    assert frozen(message) == [one.pk for one in devices]
    assert message.targeted == 12


def test_an_audience_that_has_gone_before_it_is_frozen_ends_the_campaign(world):
    world.devices(2)
    message = launch.launch(world.campaign().pk, None, timezone.now())
    Device.objects.filter(site=world.site).update(allowed=0)
    assert freezing.freeze_some(message.pk, timezone.now()) == ([], False)
    message.refresh_from_db()
    assert (message.status, message.targeted) == (Message.Status.FINISHED, 0)
    assert message.campaign.status == Campaign.Status.SENT


def test_batches_hold_one_service_and_one_key_each(world):
    devices = world.devices(6)
    other = world.new_key(VapidKey.State.DRAINING)
    Device.objects.filter(pk__in=[devices[0].pk, devices[3].pk]).update(service=PushService.FCM)
    Device.objects.filter(pk=devices[5].pk).update(vapid_key=other)
    message = world.launched()
    found = {(b.service, b.vapid_key_id): b.device_ids for b in Batch.objects.filter(message=message)}
    assert found == {
        (PushService.FCM, world.key.pk): [devices[0].pk, devices[3].pk],
        (PushService.LOCAL, world.key.pk): [devices[1].pk, devices[2].pk, devices[4].pk],
        (PushService.LOCAL, other.pk): [devices[5].pk],
    }


def test_reports_of_a_large_site_are_spread(world, monkeypatch):
    monkeypatch.setattr(launch, "SPREAD_FROM", 3)
    monkeypatch.setattr(launch, "SPREAD_PER_SECOND", 1)
    world.devices(5)
    assert world.launched().options["spread"] == 5


def test_a_saved_segment_that_changes_after_the_launch_does_not_change_the_audience(world):
    devices = world.devices(2)
    segment = world.segment()
    message = launch.launch(world.campaign([segment]).pk, None, timezone.now())
    Segment.objects.filter(pk=segment.pk).update(definition={"field": "device.os", "op": "eq", "value": "none"})
    assert Audience.of_message(message).include == ({"all": []},)
    list(freezing.freeze(message.pk))
    assert frozen(message) == [one.pk for one in devices]
