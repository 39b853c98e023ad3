"""Reports of browsers become facts and figures: each once, in whatever order they come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from campaigns.models import (
    Breakdown,
    Campaign,
    CampaignMinute,
    CampaignTotal,
    Message,
    MessageTotal,
    Receipt,
    SiteDay,
)
from campaigns.receipt_tokens import Tokens, device_ref
from campaigns.receipts import Report, Tally, record_reports
from pushplatform.sites.models import Site
from subscribers.models import Device, DeviceStats
from tests.campaigns.shop import grant, new_campaign, new_device, new_message, new_site, withdraw

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)
"""After all messages that the tests make, however long after this file was read they run."""
RECEIVED, SHOWN, CLICKED, CLOSED = 1, 2, 3, 4


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def device(site: Site) -> Device:
    device = new_device(site, browser="firefox", os="windows", language="pl")
    grant(device, "measurement", "offers")
    return device


@pytest.fixture
def campaign(site: Site) -> Campaign:
    return new_campaign(site)


@pytest.fixture
def message(site: Site, campaign: Campaign) -> Message:
    content = {"title": "Hello", "actions": [{"action": "buy", "title": "Buy"}]}
    return new_message(site, campaign, content=content)


def token_of(message: Message, device: Device | int) -> str:
    site = message.site
    ref = device.pk if isinstance(device, Device) else device
    return Tokens(bytes(site.receipt_secret), site.pk).receipt(message.pk, ref)


def report(message: Message, device: Device | int, *kinds: str, now: datetime = NOW, **values: Any) -> Tally:
    return record_reports([Report(token_of(message, device), kind, **values) for kind in kinds], now)


def facts(message: Message) -> dict[int, bool]:
    """Kind: whether it was only implied."""
    return dict(Receipt.objects.filter(message_id=message.pk).values_list("kind", "implied"))


def figures(rows: Any) -> dict[str, int]:
    """The sums over all slots, those that are not 0."""
    names = ("received", "shown", "clicked", "closed")
    sums = {name: sum(getattr(row, name) for row in rows) for name in names}
    return {name: number for name, number in sums.items() if number}


def test_a_report_is_a_fact_and_counts_everywhere(
    site: Site, device: Device, campaign: Campaign, message: Message
) -> None:
    tally = report(message, device, "received", "shown")
    assert (tally.counted, tally.repeated) == (2, 0)
    assert facts(message) == {RECEIVED: False, SHOWN: False}
    both = {"received": 1, "shown": 1}
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == both
    assert figures(CampaignTotal.objects.filter(campaign_id=campaign.pk)) == both
    assert figures(CampaignMinute.objects.filter(campaign_id=campaign.pk)) == both
    assert figures(SiteDay.objects.filter(site_id=site.pk)) == both
    split = Breakdown.objects.filter(campaign_id=campaign.pk)
    assert {(row.dimension, row.value) for row in split} == {
        ("browser", "firefox"),
        ("os", "windows"),
        ("language", "pl"),
        ("service", "local"),
    }
    assert all(figures([row]) == both for row in split)


def test_a_report_that_comes_twice_counts_once(message: Message, device: Device) -> None:
    report(message, device, "shown", "shown")
    tally = report(message, device, "shown", now=NOW + timedelta(seconds=5))
    assert (tally.counted, tally.repeated) == (0, 1)
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1}
    assert DeviceStats.objects.get(device_id=device.pk).shown == 1


@pytest.mark.parametrize("kind", ["clicked", "closed"])
def test_a_click_or_a_close_implies_shown_and_received(message: Message, device: Device, kind: str) -> None:
    report(message, device, kind)
    number = {"clicked": CLICKED, "closed": CLOSED}[kind]
    assert facts(message) == {RECEIVED: True, SHOWN: True, number: False}
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1, kind: 1}


def test_what_was_implied_gives_way_to_its_report_and_is_not_counted_again(message: Message, device: Device) -> None:
    shown_at, clicked_at, now = (NOW + timedelta(hours=1, seconds=seconds) for seconds in (0, 5, 30))
    report(message, device, "clicked", at=clicked_at, now=now)
    report(message, device, "shown", at=shown_at, now=now)
    assert facts(message) == {RECEIVED: True, SHOWN: False, CLICKED: False}
    assert Receipt.objects.get(message_id=message.pk, kind=SHOWN).at == shown_at
    report(message, device, "received", at=now, now=now)  # by a clock that is wrong
    assert facts(message) == {RECEIVED: False, SHOWN: False, CLICKED: False}
    assert Receipt.objects.get(message_id=message.pk, kind=RECEIVED).at == clicked_at
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1, "clicked": 1}


def test_a_report_moves_the_time_that_was_implied_in_the_devices_statistics_too(
    message: Message, device: Device
) -> None:
    shown_at, clicked_at, now = (NOW + timedelta(hours=1, seconds=seconds) for seconds in (0, 5, 30))
    report(message, device, "clicked", at=clicked_at, now=now)
    report(message, device, "shown", at=shown_at, now=now)
    stats = DeviceStats.objects.get(device_id=device.pk)
    assert (stats.last_shown_at, stats.recent_shown) == (shown_at, [int(shown_at.timestamp())])
    assert (stats.last_received_at, stats.recent_received) == (clicked_at, [int(clicked_at.timestamp())])


def test_a_moved_time_never_hides_one_that_the_statistics_do_not_keep(site: Site, device: Device) -> None:
    start = NOW + timedelta(hours=1)
    times = [start + timedelta(minutes=number) for number in range(11)]
    messages = [new_message(site) for _ in times]
    for message, at in zip(messages, times, strict=True):
        report(message, device, "clicked", at=at, now=times[-1])
    report(messages[-1], device, "shown", at=NOW + timedelta(seconds=1), now=times[-1])
    stats = DeviceStats.objects.get(device_id=device.pk)
    facts = sorted((one.at for one in Receipt.objects.filter(kind=SHOWN)), reverse=True)
    assert stats.recent_shown == [int(at.timestamp()) for at in facts[:10]]
    assert stats.last_shown_at == facts[0] == times[-2]


def test_the_first_report_of_each_kind_is_kept_whatever_comes_after(message: Message, device: Device) -> None:
    second, first, now = (NOW + timedelta(hours=1, seconds=seconds) for seconds in (0, 5, 30))
    report(message, device, "received", "shown", "clicked", at=first, now=now)
    report(message, device, "received", "shown", "clicked", at=second, now=now)
    assert set(Receipt.objects.filter(message_id=message.pk).values_list("at", flat=True)) == {first}


def test_what_is_said_goes_before_what_is_implied_in_the_same_reports(message: Message, device: Device) -> None:
    report(message, device, "clicked", "received")
    assert facts(message) == {RECEIVED: False, SHOWN: True, CLICKED: False}


def test_a_message_without_a_campaign_has_its_own_counter_only(site: Site, device: Device) -> None:
    message = new_message(site)
    report(message, device, "clicked")
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1, "clicked": 1}
    assert not Breakdown.objects.exists()
    assert DeviceStats.objects.get(device_id=device.pk).clicked == 1


def test_a_pseudonym_is_counted_once_and_leaves_no_trace_on_any_device(site: Site, message: Message) -> None:
    device = new_device(site)
    grant(device, "offers")
    ref = device_ref(bytes(message.ref_secret or b""), device.pk, measured=False)
    report(message, ref, "clicked")
    report(message, ref, "clicked")
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1, "clicked": 1}
    assert not DeviceStats.objects.exists()
    assert not Receipt.objects.filter(device_ref=device.pk).exists()


def test_who_withdrew_measurement_since_is_counted_but_not_followed(message: Message, device: Device) -> None:
    withdraw(device, "measurement")
    report(message, device, "shown")
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1}
    assert not DeviceStats.objects.exists()


def test_where_the_site_measures_everyone_no_consent_is_needed(site: Site) -> None:
    site.measurement = Site.Measurement.EVERYONE
    site.save()
    device, message = new_device(site), new_message(site)
    report(message, device, "shown")
    assert DeviceStats.objects.get(device_id=device.pk).shown == 1


def test_device_statistics_keep_the_newest_ten_also_when_reports_come_late(site: Site, device: Device) -> None:
    start = NOW + timedelta(hours=1)
    messages = [new_message(site) for _ in range(12)]
    for number, message in enumerate(messages[1:]):
        report(message, device, "received", at=start + timedelta(minutes=number + 1), now=start + timedelta(hours=2))
    report(messages[0], device, "received", at=start, now=start + timedelta(hours=3))
    stats = DeviceStats.objects.get(device_id=device.pk)
    assert stats.received == 12
    newest = [int((start + timedelta(minutes=number)).timestamp()) for number in range(11, 1, -1)]
    assert stats.recent_received == newest
    assert stats.last_received_at == start + timedelta(minutes=11)


def test_an_erased_device_gets_no_statistics_from_a_late_report(message: Message, device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(status=Device.Status.ERASED)
    report(message, device, "shown")
    assert figures(MessageTotal.objects.filter(message_id=message.pk)) == {"received": 1, "shown": 1}
    assert not DeviceStats.objects.exists()


@pytest.mark.parametrize("off", [timedelta(days=400), timedelta(days=-400)])
def test_a_browsers_clock_cannot_move_a_report_out_of_the_messages_life(
    message: Message, device: Device, off: timedelta
) -> None:
    now = datetime.now(UTC)
    report(message, device, "shown", at=now + off, now=now)
    at = Receipt.objects.get(message_id=message.pk, kind=SHOWN).at
    assert message.created_at - timedelta(seconds=1) <= at <= now


def test_the_button_of_a_click_is_counted_and_an_invented_one_is_not(
    site: Site, campaign: Campaign, message: Message
) -> None:
    for action in ("buy", "buy", None, "x" * 5000):
        report(message, new_device(site), "clicked", action=action)
    buttons = Breakdown.objects.filter(campaign_id=campaign.pk, dimension="button")
    assert {row.value: row.clicked for row in buttons} == {"buy": 2, "": 2}
    assert set(Receipt.objects.filter(kind=CLICKED).values_list("action", flat=True)) == {"buy", None}


def test_forged_old_and_unknown_reports_are_dropped_and_tallied(message: Message, device: Device) -> None:
    site = message.site
    old = Tokens(bytes(site.receipt_secret), site.pk).receipt(5, device.pk)
    deleted = Tokens(bytes(site.receipt_secret), site.pk).receipt(message.pk + 1, device.pk)
    good = token_of(message, device)
    tally = record_reports(
        [Report("A" * 43, "shown"), Report(old, "shown"), Report(deleted, "shown"), Report(good, "converted")], NOW
    )
    assert tally == Tally(counted=0, repeated=0, forged=1, too_old=2, unknown_kind=1)
    assert not Receipt.objects.exists()


def test_many_reports_cost_as_many_statements_as_few(site: Site, campaign: Campaign) -> None:
    message = new_message(site, campaign)
    devices = [new_device(site, allowed=0b111) for _ in range(30)]
    report(message, devices[0], "shown")
    with counted_statements() as few:
        report(message, devices[1], "shown")
    with counted_statements() as many:
        record_reports([Report(token_of(message, device), "shown") for device in devices[2:]], NOW)
    assert len(many) == len(few)


class counted_statements:
    """Collects the statements that the connection executes."""

    def __enter__(self) -> list[str]:
        self._seen: list[str] = []
        self._wrapper = connection.execute_wrapper(self._see)
        self._wrapper.__enter__()
        return self._seen

    def __exit__(self, *error: object) -> None:
        self._wrapper.__exit__(*error)  # type: ignore[arg-type]

    def _see(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._seen.append(sql)
        return execute(sql, params, many, context)
