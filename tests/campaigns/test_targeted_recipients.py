"""Who of an API call's recipients is sent to, on which devices, and why not."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns import targeted
from campaigns.models import Batch, Message, MessageTotal, Recipient
from campaigns.send_request import parse_send_request
from pushplatform.api.problems import Problem
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from pushplatform.webpush.outcome import REASONS
from subscribers.models import Device, DeviceStats
from tests.campaigns.shop import (
    grant,
    linked_device,
    new_client,
    new_contact,
    new_device,
    new_person,
    new_site,
    withdraw,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


def accept(site: Site, *recipients: dict[str, Any], **members: Any) -> targeted.Accepted:
    body = {"recipients": list(recipients), "purpose": "order_updates", "content": {"title": "Hello"}, **members}
    return targeted.accept(parse_send_request(body), site, new_client(site), timezone.now())


def results(accepted: targeted.Accepted) -> list[str | int]:
    """For each recipient its reason, or how many devices are queued."""
    return [one.reason or len(one.devices) for one in accepted.plan.decided]


def to(external_id: str, **values: Any) -> dict[str, Any]:
    return {"external_id": external_id, **values}


def to_device(device: Device, **values: Any) -> dict[str, Any]:
    return {"device_id": public_ids.encode("dev", device.pk), **values}


def test_every_recipient_is_queued_or_gets_its_reason_in_the_order_asked(site: Site) -> None:
    new_person(site, "ANNA", "order_updates", devices=2)
    new_person(site, "BEN")
    (carl,) = new_person(site, "CARL", "order_updates")
    withdraw(carl, "order_updates")
    new_contact(site, external_id="DORA")
    new_person(site, "EMIL", "order_updates", status=Device.Status.GONE)
    frida = new_person(site, "FRIDA", "order_updates")[0].contact
    assert frida is not None
    withdraw(frida, "personal_data")
    new_person(site, "GUS", "order_updates", form="mobile")
    accepted = accept(
        site,
        to("ANNA"),
        to("BEN"),
        to("CARL"),
        to("DORA"),
        to("EMIL"),
        to("FRIDA"),
        to("GUS", devices={"form": ["desktop"]}),
        to("NOBODY"),
        to("ANNA"),
    )
    assert results(accepted) == [
        2,
        "consent_missing",
        "consent_withdrawn",
        "no_active_device",
        "no_active_device",
        "personal_data_withdrawn",
        "no_matching_device",
        "unknown_contact",
        "duplicate_recipient",
    ]
    message = accepted.message
    assert (message.targeted, message.recipients_queued, message.recipients_skipped) == (2, 1, 8)
    stored = Recipient.objects.filter(message_id=message.pk).order_by("no")
    numbers = {reason.number: code for code, reason in REASONS.items()}
    assert [numbers.get(row.reason or 0, row.devices) for row in stored] == results(accepted)


def test_a_device_is_a_recipient_too(site: Site) -> None:
    anonymous, gone = new_device(site), new_device(site, status=Device.Status.UNSUBSCRIBED)
    grant(anonymous, "order_updates")
    (linked,) = new_person(site, "ANNA", "order_updates")
    foreign = new_device(new_site("Other"))
    accepted = accept(
        site,
        to_device(anonymous),
        to_device(gone),
        to_device(linked),
        to_device(foreign),
        to_device(anonymous),
        {"device_id": "dev_nonsense"},
    )
    assert results(accepted) == [1, "device_gone", 1, "unknown_device", "duplicate_recipient", "unknown_device"]
    batch = Batch.objects.get(message=accepted.message)
    frozen = dict(zip(batch.device_ids, batch.contact_ids, strict=True))
    assert frozen == {anonymous.pk: 0, linked.pk: linked.contact_id}


def test_a_withdrawal_of_the_contact_counts_for_each_of_its_devices(site: Site) -> None:
    (device,) = new_person(site, "ANNA", "order_updates")
    assert device.contact is not None
    withdraw(device.contact, "order_updates")
    assert results(accept(site, to("ANNA"))) == ["consent_withdrawn"]
    assert results(accept(site, to_device(device))) == ["consent_withdrawn"]


def test_consent_for_one_purpose_is_none_for_another(site: Site) -> None:
    new_person(site, "ANNA", "offers")
    assert results(accept(site, to("ANNA"))) == ["consent_missing"]
    assert results(accept(site, to("ANNA"), purpose="offers")) == [1]


def test_latest_chooses_among_those_that_may_be_sent_to(site: Site) -> None:
    contact = new_contact(site, external_id="ANNA")
    now = timezone.now()
    linked_device(contact, "order_updates", last_seen_at=now - timedelta(days=2))
    wanted = linked_device(contact, "order_updates", last_seen_at=now - timedelta(days=1))
    linked_device(contact, last_seen_at=now)  # seen last, but nobody agreed there
    accepted = accept(site, to("ANNA", devices="latest"))
    assert [device.id for one in accepted.plan.decided for device in one.devices] == [wanted.pk]


def test_most_engaged_is_the_device_with_the_most_clicks(site: Site) -> None:
    devices = new_person(site, "ANNA", "order_updates", devices=3)
    for device, clicked in zip(devices, (1, 5, 2), strict=True):
        DeviceStats.objects.create(device_id=device.pk, clicked=clicked)
    accepted = accept(site, to("ANNA"), devices="most_engaged")
    assert [device.id for one in accepted.plan.decided for device in one.devices] == [devices[1].pk]


def test_a_device_rule_names_devices_or_describes_them(site: Site) -> None:
    contact = new_contact(site, external_id="ANNA")
    chrome = linked_device(contact, "order_updates", browser="chrome", form="desktop")
    linked_device(contact, "order_updates", browser="chrome", form="mobile")
    firefox = linked_device(contact, "order_updates", browser="firefox", form="desktop")
    rules: list[tuple[Any, set[int]]] = [
        ({"ids": [public_ids.encode("dev", firefox.pk), "dev_nonsense"]}, {firefox.pk}),
        ({"form": ["desktop"], "browser": ["chrome", "edge"]}, {chrome.pk}),
        ({"form": ["desktop"]}, {chrome.pk, firefox.pk}),
    ]
    for rule, wanted in rules:
        (one,) = accept(site, to("ANNA", devices=rule)).plan.decided
        assert {device.id for device in one.devices} == wanted


def test_a_recipients_own_rule_goes_before_the_messages(site: Site) -> None:
    new_person(site, "ANNA", "order_updates", devices=2)
    new_person(site, "BEN", "order_updates", devices=2)
    assert results(accept(site, to("ANNA"), to("BEN", devices="all"), devices="latest")) == [1, 2]


def test_a_device_gets_a_message_once_though_it_is_named_twice(site: Site) -> None:
    first, second = new_person(site, "ANNA", "order_updates", devices=2)
    assert results(accept(site, to_device(first), to("ANNA"))) == [1, 1]
    assert results(accept(site, to("ANNA"), to_device(second))) == [2, "duplicate_recipient"]
    assert results(accept(site, to_device(first), to_device(second), to("ANNA"))) == [1, 1, "duplicate_recipient"]


def test_params_that_are_too_large_skip_that_recipient_alone_and_are_not_kept(site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    new_person(site, "BEN", "order_updates")
    accepted = accept(site, to("ANNA", params={"text": "x" * 9000}), to("BEN", params={"name": "Ben"}))
    assert results(accepted) == ["invalid_params", 1]
    stored = Recipient.objects.filter(message_id=accepted.message.pk).order_by("no")
    assert [row.params for row in stored] == [{}, {"name": "Ben"}]


def test_batches_hold_one_service_and_key_each_and_say_whose_params_are_whose(site: Site) -> None:
    new_person(site, "ANNA", "order_updates", service=1)
    new_person(site, "BEN", "order_updates", service=2)
    new_person(site, "CARL", "order_updates", service=1)
    accepted = accept(site, to("CARL"), to("BEN"), to("ANNA"))
    batches = {batch.service: batch for batch in Batch.objects.filter(message=accepted.message)}
    assert {service: batch.n for service, batch in batches.items()} == {1: 2, 2: 1}
    assert batches[1].device_ids == sorted(batches[1].device_ids)
    names = {row.no: row.external_id for row in Recipient.objects.filter(message_id=accepted.message.pk)}
    of_device = dict(zip(batches[1].device_ids, batches[1].recipient_nos or [], strict=True))
    owners = dict(Device.objects.filter(pk__in=of_device).values_list("pk", "contact__external_id"))
    assert {device: names[no] for device, no in of_device.items()} == owners
    assert set(accepted.batch_ids) == {batch.pk for batch in batches.values()}


def test_when_nobody_is_left_the_message_is_finished_at_once(site: Site) -> None:
    message = accept(site, to("NOBODY")).message
    assert message.status == Message.Status.FINISHED
    assert message.finished_at is not None
    assert not Batch.objects.exists()
    assert MessageTotal.objects.filter(message_id=message.pk).count() == 1


def test_a_scheduled_message_keeps_who_was_there_and_waits(site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    at = timezone.now() + timedelta(days=3)
    message = accept(site, to("ANNA"), send_at=at.isoformat(), ttl=600).message
    assert message.status == Message.Status.SCHEDULED
    assert message.expires_at == at + timedelta(seconds=600)
    assert Batch.objects.get(message=message).not_before == at


def test_a_lifetime_of_nothing_still_leaves_the_moment_to_get_there(site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    message = accept(site, to("ANNA"), ttl=0).message
    assert message.options["ttl"] == 0
    assert message.expires_at > timezone.now()


def test_a_collapse_key_becomes_a_topic_and_without_one_there_is_none(site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    assert accept(site, to("ANNA")).message.topic is None
    topic = accept(site, to("ANNA"), collapse_key="deal\u00e9 42").message.topic
    assert topic is not None
    assert len(topic) == 32


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"send_at": "2020-01-01T00:00:00Z"}, "/send_at"),
        ({"send_at": "2099-01-01T00:00:00Z"}, "/send_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "/expires_at"),
        ({"purpose": "unheard_of"}, "/purpose"),
        ({"purpose": "personal_data"}, "/purpose"),
        ({"purpose": "measurement"}, "/purpose"),
    ],
)
def test_times_and_purposes_out_of_bounds_are_refused_by_name_and_nothing_is_written(
    site: Site, members: dict[str, Any], pointer: str
) -> None:
    new_person(site, "ANNA", "order_updates")
    with pytest.raises(Problem) as refused:
        accept(site, to("ANNA"), **members)
    assert [error.pointer for error in refused.value.errors] == [pointer]
    assert refused.value.status == 422
    assert not Message.objects.exists()


def test_an_archived_purpose_and_another_sites_purpose_are_unknown(site: Site) -> None:
    site.purposes.filter(key="offers").update(archived=True)
    new_person(site, "ANNA", "order_updates")
    with pytest.raises(Problem) as refused:
        accept(site, to("ANNA"), purpose="offers")
    assert refused.value.code == "unknown_purpose"


def test_a_thousand_recipients_cost_as_many_queries_as_two(site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    (ben,) = new_person(site, "BEN")
    withdraw(ben, "order_updates")

    def queries(count: int) -> int:
        body = {
            "recipients": [to("ANNA"), to("BEN"), *(to(f"CRM {n}") for n in range(count - 2))],
            "purpose": "order_updates",
            "content": {"title": "Hello"},
        }
        request, client = parse_send_request(body), new_client(site)
        with CaptureQueriesContext(connection) as captured:
            assert results(targeted.accept(request, site, client, timezone.now()))[:2] == [1, "consent_withdrawn"]
        return len(captured)

    queries(2)  # the key of public ids is read once in a process
    assert queries(1000) == queries(2)
