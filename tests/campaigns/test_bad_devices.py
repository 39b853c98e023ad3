"""What is wrong with one device, its key or its contact's data: that device alone gets a reason, all others a push."""

import pytest
from django.db import connection

from campaigns.models import Batch, Message
from pushplatform.sites.models import Site, VapidKey
from subscribers.models import Contact, Device
from tests.campaigns.world import assert_sums_agree, facts, reasons, send


def sent_but_one(world, transport, spoil, reason, outcome="failed", **campaign):
    """Freezes three devices into one Batch, spoils the middle one and sends."""
    devices = world.devices(3, linked=True)
    message = world.launched(**campaign)
    assert Batch.objects.filter(message=message).count() == 1
    spoil(devices[1])
    send(message, transport)
    assert facts(message) == {"accepted": 2, outcome: 1}
    assert reasons(message) == {reason: 1}
    assert message.status == Message.Status.FINISHED
    assert_sums_agree(message)
    assert [len(world.push.inbox(label=world.label(place))) for place in range(3)] == [1, 0, 1]


def subscribe_with(key):
    return lambda device: Device.objects.filter(pk=device.pk).update(vapid_key=key)


def break_secret(key):
    """As after a restore with other SECRET_KEYS."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"update {VapidKey._meta.db_table} set private_key = %s where id = %s", [b"not one of ours", key.pk]
        )


@pytest.mark.parametrize("octets", [bytes(32), b"\xff" * 32, b"short"])
def test_a_vapid_key_that_does_not_parse_fails_its_devices_alone(world, transport, octets):
    key = world.new_key(VapidKey.State.DRAINING)
    key.private_key = octets
    key.save()
    sent_but_one(world, transport, subscribe_with(key), "no_usable_key")


def test_a_vapid_key_that_cannot_be_decrypted_fails_its_devices_alone(world, transport):
    key = world.new_key(VapidKey.State.DRAINING)
    break_secret(key)
    sent_but_one(world, transport, subscribe_with(key), "no_usable_key")


@pytest.mark.parametrize("subject", ["mailto:push@localhost", "mailto: push@shop.example", "push@shop.example", ""])
def test_a_contact_address_that_apple_refuses_is_never_sent_to_a_push_service(world, transport, subject):
    world.devices(2)
    message = world.launched()
    Site.objects.filter(pk=world.site.pk).update(vapid_subject=subject)
    send(message, transport)
    assert reasons(message) == {"no_usable_key": 2}
    assert message.finished_at is not None


def test_a_site_whose_only_key_is_retired_sends_nothing_and_the_message_ends(world, transport):
    world.devices(2)
    message = world.launched()
    VapidKey.objects.filter(pk=world.key.pk).update(state=VapidKey.State.RETIRED)
    send(message, transport)
    assert reasons(message) == {"no_usable_key": 2}
    assert_sums_agree(message)
    assert message.finished_at is not None


def test_a_device_that_vanished_is_skipped_alone(world, transport):
    sent_but_one(
        world,
        transport,
        lambda device: (device.subscription.delete(), Device.objects.filter(pk=device.pk).delete()),
        "device_gone",
        "skipped",
    )


def test_a_batch_of_which_every_device_vanished_ends(world, transport):
    devices = world.devices(3)
    message = world.launched()
    for device in devices:
        device.subscription.delete()
    Device.objects.filter(site=world.site).delete()
    send(message, transport)
    assert reasons(message) == {"device_gone": 3}
    assert message.finished_at is not None


def has_attributes(**attributes):
    return lambda device: Contact.objects.filter(pk=device.contact_id).update(attributes=attributes)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"first_name": "x" * 3994}, "payload_too_large"),
        ({"first_name": "ż" * 2000}, "payload_too_large"),
        ({"first_name": "Anna", "children": 0}, "render_failed"),
        ({"first_name": "Anna", "children": "many"}, "render_failed"),
        ({"first_name": "x" * 20_000}, "payload_too_large"),
    ],
)
def test_data_that_a_template_cannot_use_skip_that_contact_alone(world, transport, attributes, reason):
    title = "{{ contact.first_name }}{% if contact.children %}{{ 9 | divided_by: contact.children }}{% endif %}"
    sent_but_one(world, transport, has_attributes(**attributes), reason, "skipped", content={"title": title})
