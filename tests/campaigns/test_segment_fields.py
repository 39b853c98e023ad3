"""Rules about messages: the devices' statistics, filled the real way, answer as counting the facts does."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns import rolling_up
from campaigns.models import Batch
from campaigns.receipts import Report, record_reports
from campaigns.segment_fields import CATALOGUE, KINDS
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import segments
from subscribers.models import Device
from tests.campaigns.shop import accepted, grant, new_campaign, new_device, new_message, new_site, withdraw
from tests.campaigns.test_receipts import token_of
from tests.subscribers.segment_rows import ids_of

pytestmark = pytest.mark.django_db
MESSAGES = 13


@pytest.fixture
def site() -> Site:
    return new_site()


def measured_device(site: Site) -> Device:
    device = new_device(site)
    grant(device, "offers", "measurement")
    device.refresh_from_db()
    return device


def test_statistics_answer_as_counting_the_facts_does(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, now = random.Random(5), timezone.now()
    devices = [measured_device(site) for _ in range(8)]
    messages = [new_message(site, new_campaign(site)) for _ in range(MESSAGES)]
    reports = []
    for message in messages:
        got = [device for device in devices if chance.random() < 0.3 + 0.1 * devices.index(device)]
        for device in got:
            at = now - timedelta(seconds=chance.choice([0.4, 59.6, 3600, 86_400, 86_399.5, 700_000]))
            accepted(message, device, at)
            kinds = [kind.name for kind in KINDS[1:] if chance.random() < 0.8]
            reports += [Report(token_of(message, device), kind, at=at) for kind in kinds]
        Batch.objects.create(
            message=message, service=6, vapid_key_id=1, lane=2, device_ids=[one.pk for one in got],
            contact_ids=[0 for _ in got], n=len(got), state=Batch.State.DONE, expires_at=now,
        )  # fmt: skip
    chance.shuffle(reports)
    for start in range(0, len(reports), 40):
        record_reports(reports[start : start + 40], now)
    while rolling_up.roll_up():
        pass
    found: dict[str, set[int]] = {}
    for newest in (10, 0):  # from the newest ten times, then from the facts alone
        monkeypatch.setattr("campaigns.segment_fields.NEWEST", newest)
        for kind in KINDS:
            for least in (1, 2, 3, 9, 10, 11, 12):
                for span in ("1m", "1h", "1d", "30d"):
                    rule = {
                        "field": f"engagement.{kind.name}_count", "op": "gte", "value": least, "within": span,
                    }  # fmt: skip
                    ids = ids_of(rule, site, now)
                    assert found.setdefault(f"{kind.name} {least} {span}", ids) == ids, (kind, least, span)
    assert {len(ids) for ids in found.values()} >= {0, 1, 2, 3, 4}


@pytest.mark.parametrize("newest", [10, 0])
@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("kind", ["clicked", "sent"])
def test_a_span_of_time_begins_with_the_next_whole_second(
    site: Site, monkeypatch: pytest.MonkeyPatch, newest: int, least: int, kind: str
) -> None:
    monkeypatch.setattr("campaigns.segment_fields.NEWEST", newest)
    now = timezone.now().replace(microsecond=500_000)
    begins = (now - timedelta(minutes=10)).replace(microsecond=0)
    within, before = measured_device(site), measured_device(site)
    for device, second in ((within, 1.0), (before, 0.999_999)):
        for _ in range(least):
            message = new_message(site, new_campaign(site))
            # Reports cannot be older than their message.
            message.id -= 3_600_000 << 20
            message.save(force_insert=True)
            at = begins + timedelta(seconds=second)
            accepted(message, device, at)
            record_reports([Report(token_of(message, device), "clicked", at=at)], now)
            Batch.objects.create(
                message=message, service=6, vapid_key_id=1, lane=2, device_ids=[device.pk], contact_ids=[0], n=1,
                state=Batch.State.DONE, expires_at=now,
            )  # fmt: skip
    while rolling_up.roll_up():
        pass
    rule = {"field": f"engagement.{kind}_count", "op": "gte", "value": least, "within": "10m"}
    assert ids_of(rule, site, now) == {within.pk}


def test_reports_of_who_withdrew_measurement_are_not_asked(site: Site) -> None:
    device, message = measured_device(site), new_message(site, new_campaign(site))
    record_reports([Report(token_of(message, device), "clicked")], timezone.now())
    clicked: dict[str, Any] = {"field": "engagement.clicked", "op": "is_set"}
    of_campaign = clicked | {"campaign": public_ids.encode("cmp", message.campaign_id)}
    assert ids_of(clicked, site) == ids_of(of_campaign, site) == {device.pk}
    withdraw(device, "measurement")
    assert ids_of(clicked, site) == ids_of(of_campaign, site) == set()
    never = {"field": "engagement.clicked_count", "op": "eq", "value": 0}
    assert ids_of(never, site) == {device.pk}


def test_a_site_that_measures_everyone_is_asked_of_everyone(site: Site) -> None:
    Site.objects.filter(pk=site.pk).update(measurement=Site.Measurement.EVERYONE)
    device, message = new_device(site), new_message(site)
    record_reports([Report(token_of(message, device), "closed")], timezone.now())
    assert ids_of({"field": "engagement.closed", "op": "within", "value": "1d"}, site) == {device.pk}


def test_a_campaign_of_another_site_is_refused_where_it_is_named(site: Site) -> None:
    campaign = new_campaign(new_site("Another"))
    rule = {"field": "engagement.shown", "op": "is_set", "campaign": public_ids.encode("cmp", campaign.pk)}
    with pytest.raises(segments.DefinitionError) as refused:
        segments.parse({"all": [rule]}, site.pk, CATALOGUE)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/all/0/campaign", "unknown_campaign")]


def test_what_happened_is_said_in_words(site: Site) -> None:
    campaign = new_campaign(site)
    rules = [
        {"field": "engagement.received_count", "op": "gte", "value": 3, "within": "7d"},
        {"field": "engagement.clicked", "op": "is_not_set", "campaign": public_ids.encode("cmp", campaign.pk)},
        {"field": "event", "name": "bought", "op": "gte", "value": 1, "within": "60d",
         "where": [{"property": "total", "op": "gt", "value": 400}]},
        {"field": "event", "name": "cart_abandoned", "op": "within", "value": "2d"},
    ]  # fmt: skip
    assert segments.describe(segments.parse({"all": rules}, site.pk, CATALOGUE)) == (
        "received at least 3 messages within the last 7 days,"
        " and never clicked a message of the campaign “Sale”,"
        " and did “bought” at least once within the last 60 days (where total is more than 400),"
        " and did “cart_abandoned” within the last 2 days"
    )
