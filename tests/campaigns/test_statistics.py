"""Figures of messages and campaigns: from counters, and equal to a count of the facts."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import counting, statistics
from campaigns.models import Campaign, Message, Receipt
from campaigns.receipt_tokens import Tokens
from campaigns.receipts import Report, record_reports
from campaigns.statistics import campaign_statistics, figures_of, message_statistics, refresh_figures, status_word
from pushplatform.sites.models import Site
from pushplatform.webpush.outcome import REASONS
from subscribers.models import Device
from tests.campaigns.shop import accepted, grant, new_campaign, new_contact, new_device, new_message, new_site

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)
ZERO = dict.fromkeys(
    ["accepted", "failed", "gone", "expired", "skipped", "cancelled", "received", "shown", "clicked", "closed"], 0
)


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def campaign(site: Site) -> Campaign:
    return new_campaign(site)


def count(message: Message, slot: int = 0, at: datetime = NOW, **counts: int) -> None:
    with connection.cursor() as cursor:
        counter = counting.Counter(message.pk, message.campaign_id, message.site_id, slot)
        counting.add(cursor, counter, at, counts, {("browser", "firefox"): counts})


def report(message: Message, device: Device, kind: str) -> None:
    tokens = Tokens(bytes(message.site.receipt_secret), message.site_id)
    record_reports([Report(tokens.receipt(message.pk, device.pk), kind)], NOW)


def test_a_messages_figures_are_the_sums_over_its_slots(site: Site, campaign: Campaign) -> None:
    message = new_message(site, campaign, targeted=100)
    count(message, slot=0, accepted=50, failed=3)
    count(message, slot=3, accepted=7, gone=2, skipped=1)
    got = message_statistics(message.pk)
    assert (got["targeted"], got["accepted"], got["failed"], got["gone"], got["skipped"]) == (100, 57, 3, 2, 1)
    assert got["remaining"] == 37
    assert set(got) == {"targeted", *ZERO, "converted", "expired_unseen", "remaining"}


def test_expired_unseen_is_what_was_accepted_and_never_received_once_the_time_is_over(site: Site) -> None:
    message = new_message(site, targeted=10, expires_at=NOW)
    count(message, accepted=10, received=4)
    assert message_statistics(message.pk, NOW - timedelta(seconds=1))["expired_unseen"] == 0
    assert message_statistics(message.pk, NOW)["expired_unseen"] == 6


@pytest.mark.parametrize(
    ("status", "counts", "word"),
    [
        (Message.Status.SCHEDULED, {}, "scheduled"),
        (Message.Status.SENDING, {}, "queued"),
        (Message.Status.FREEZING, {}, "queued"),
        (Message.Status.SENDING, {"failed": 1}, "sending"),
        (Message.Status.FREEZING, {"accepted": 1}, "sending"),
        (Message.Status.PAUSED, {"accepted": 1}, "paused"),
        (Message.Status.FINISHED, {"accepted": 2}, "finished"),
        (Message.Status.CANCELLED, {"cancelled": 2}, "cancelled"),
        (Message.Status.EXPIRED, {"expired": 2}, "expired"),
    ],
)
def test_the_word_for_a_messages_status(site: Site, status: int, counts: dict[str, int], word: str) -> None:
    message = new_message(site, status=status, targeted=2)
    count(message, **counts)
    assert status_word(message, message_statistics(message.pk)) == word


def test_people_are_counted_once_however_many_browsers_they_have(site: Site) -> None:
    anna, ben = new_contact(site), new_contact(site)
    devices = [new_device(site, contact=contact) for contact in (anna, anna, ben, None)]
    for device in devices:
        grant(device, "personal_data", "measurement", "offers")
    message = new_message(site, targeted=4)
    message.batches.create(
        service=6, vapid_key_id=devices[0].vapid_key_id, lane=1, n=4, expires_at=message.expires_at,
        device_ids=[device.pk for device in devices], contact_ids=[device.contact_id or 0 for device in devices],
    )  # fmt: skip
    for device in devices:
        accepted(message, device, status=1 if device.contact_id != ben.pk else 2)
    report(message, devices[0], "shown")
    report(message, devices[1], "clicked")
    report(message, devices[3], "clicked")
    figures = figures_of(message)
    assert figures is not None
    assert figures["people"] == {"targeted": 2, "reached": 1, "shown": 1, "clicked": 1}


def test_failures_are_counted_by_reason(site: Site) -> None:
    message = new_message(site, targeted=5)
    for reason, status in (("rejected", 2), ("rejected", 2), ("device_gone", 3), ("link_changed", 5), (None, 1)):
        number = REASONS[reason].number if reason else None
        accepted(message, new_device(site), status=status, reason=number)
    figures = figures_of(message)
    assert figures is not None
    assert figures["failures"] == {"rejected": 2, "device_gone": 1, "link_changed": 1}


def test_a_campaigns_page_has_totals_minutes_and_breakdowns(site: Site, campaign: Campaign) -> None:
    message = new_message(site, campaign, targeted=10)
    minute = NOW.replace(second=0, microsecond=0)
    count(message, slot=0, at=minute, accepted=3)
    count(message, slot=1, at=minute, accepted=2, received=1)
    count(message, slot=0, at=minute + timedelta(minutes=2), accepted=1)
    got = campaign_statistics(campaign.pk, NOW)
    assert got["totals"] == message_statistics(message.pk, NOW)
    assert [(row["minute"], row["accepted"], row["received"]) for row in got["minutes"]] == [
        (minute, 5, 1),
        (minute + timedelta(minutes=2), 1, 0),
    ]
    assert [(row["value"], row["accepted"]) for row in got["breakdowns"]["browser"]] == [("firefox", 6)]
    assert got["breakdowns"]["button"] == []


def test_a_campaign_that_was_never_launched_has_figures_of_nothing(campaign: Campaign) -> None:
    got = campaign_statistics(campaign.pk)
    assert set(got["totals"].values()) == {0}
    assert (got["people"], got["failures"], got["minutes"]) == (None, {}, [])


def test_the_page_of_a_large_campaign_reads_no_facts(
    site: Site, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SMALL", 1)
    message = new_message(site, campaign, targeted=2)
    report(message, new_device(site), "shown")
    refresh_figures(NOW)
    with CaptureQueriesContext(connection) as captured:
        assert campaign_statistics(campaign.pk)["people"] == {"targeted": 0, "reached": 0, "shown": 0, "clicked": 0}
    read = " ".join(query["sql"] for query in captured)
    for facts in ("delivery", "receipt", "batch"):
        assert f"from {facts}" not in read.lower()


def test_figures_of_a_large_campaign_are_worked_out_when_something_happened_and_once_a_minute(
    site: Site, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SMALL", 0)
    contact = new_contact(site)
    device = new_device(site, contact=contact)
    grant(device, "personal_data", "measurement")
    message = new_message(site, campaign, targeted=1)
    accepted(message, device)
    count(message, accepted=1)

    def people() -> Any:
        return campaign_statistics(campaign.pk)["people"]

    assert people() is None
    assert refresh_figures(NOW) == 1
    assert people()["reached"] == 1
    assert refresh_figures(NOW + timedelta(minutes=5)) == 0  # nothing happened
    report(message, device, "clicked")
    assert refresh_figures(NOW + timedelta(seconds=50)) == 0  # too soon
    assert refresh_figures(NOW + timedelta(minutes=5)) == 1
    assert people()["clicked"] == 1
    count(message, closed=1)
    assert refresh_figures(NOW + timedelta(days=40)) == 0  # nobody looks any more


def test_counters_equal_a_count_of_the_facts_after_any_mixture_of_reports(site: Site, campaign: Campaign) -> None:
    devices = [new_device(site, allowed=0b111) for _ in range(20)]
    messages = [new_message(site, campaign), new_message(site)]
    kinds = ["received", "shown", "clicked", "closed"]
    chance = random.Random(7)
    mixture = [(chance.choice(messages), chance.choice(devices), chance.choice(kinds)) for _ in range(120)]
    for start in range(0, len(mixture), 17):
        reports = [
            Report(Tokens(bytes(site.receipt_secret), site.pk).receipt(message.pk, device.pk), kind)
            for message, device, kind in mixture[start : start + 17]
        ]
        record_reports(reports, NOW)
    for message in messages:
        got = message_statistics(message.pk)
        facts = Receipt.objects.filter(message_id=message.pk)
        assert {kind: got[kind] for kind in kinds} == {
            kind: facts.filter(kind=number).count() for number, kind in enumerate(kinds, 1)
        }
        assert got["clicked"] > 0
