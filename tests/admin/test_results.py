"""What came of it: the numbers on the pages are the counters', and each says what it is a part of."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import statistics
from campaigns.admin.reasons import ADVICE
from campaigns.models import AnswerSample, Batch, Campaign, CampaignTotal, Delivery, Lane, Message, ServiceState
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.outcome import REASONS
from tests.admin.house import CONTENT, House

COUNTS = {
    "accepted": 5790, "gone": 102, "failed": 8, "expired": 3, "skipped": 2,
    "received": 4431, "shown": 4401, "clicked": 396, "closed": 1200,
}  # fmt: skip


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("analyst")


def large(house: House, status: str = "sent") -> tuple[Campaign, Message]:
    """A campaign of 5,905 devices and more to come, known by its counters only."""
    now = timezone.now()
    campaign = house.new_campaign("ours large", status=status, launched_at=now)
    message = Message.objects.create(
        site=house.site, campaign=campaign, purpose=house.offers, content=CONTENT, status=Message.Status.SENDING,
        targeted=5905 + (95 if status == "sending" else 0), send_at=now, expires_at=now + timedelta(hours=1),
    )  # fmt: skip
    house.count(campaign, message, now, **COUNTS)
    return campaign, message


def numbers(page: str) -> dict[str, int]:
    """Every number of the page that has a name."""
    found = re.findall(r'data-live="(\w+)"[^>]*>([\d,]+)<', page)
    return {name: int(number.replace(",", "")) for name, number in found}


def test_every_number_of_the_page_is_that_of_the_counters(ours: House, browser: Client) -> None:
    campaign, _ = large(ours)
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    shown, counted = numbers(page), statistics.campaign_statistics(campaign.pk)["totals"]
    assert {"targeted", "accepted", "gone", "failed", "expired", "skipped", "received", "shown", "clicked"} <= set(
        shown
    )
    assert {name: counted[name] for name in shown if name != "done"} == {
        name: number for name, number in shown.items() if name != "done"
    }
    assert {name: shown[name] for name in COUNTS} == COUNTS


def test_each_share_names_what_it_is_a_part_of(ours: House, browser: Client) -> None:
    campaign, _ = large(ours)
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    said = re.findall(r'data-share="(\w+)">([\d.]+) %</span> of (\w+)', page)
    assert said == [
        ("accepted", "98.1", "targeted"),
        ("received", "76.5", "accepted"),
        ("shown", "99.3", "received"),
        ("clicked", "9.0", "shown"),
    ]


def test_the_progress_of_a_campaign_under_way_is_its_counters(ours: House, browser: Client) -> None:
    campaign, message = large(ours, "sending")
    for service, size in ((1, 4000), (6, 2000)):
        Batch.objects.create(
            message=message, service=service, vapid_key_id=ours.key.pk, lane=Lane.CAMPAIGN, n=size,
            device_ids=[1], contact_ids=[0], expires_at=message.expires_at,
        )  # fmt: skip
    ServiceState.objects.create(service=1, vapid_key_id=ours.key.pk, paused_until=timezone.now() + timedelta(minutes=5))
    found = browser.get(reverse("admin:campaigns_campaign_progress", args=[campaign.pk])).json()
    assert {name: found["totals"][name] for name in COUNTS} == COUNTS
    assert (found["totals"]["targeted"], found["totals"]["remaining"], found["done"]) == (6000, 95, 5905)
    assert found["alive"] is True
    assert [(one["key"], one["total"]) for one in found["services"]] == [(1, 4000), (6, 2000)]
    assert [bool(one["slowed"]) for one in found["services"]] == [True, False]


def test_the_chart_gets_the_minutes_in_the_sites_time(ours: House, browser: Client) -> None:
    ours.site.time_zone = "Asia/Tokyo"
    ours.site.save()
    campaign, message = large(ours)
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    found = re.search(r'<script id="minutes" type="application/json">(.*?)</script>', page)
    assert found is not None
    [minute] = json.loads(found[1])
    expected = (message.send_at + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M")
    assert minute == {"at": expected, "accepted": 5790, "shown": 4401, "clicked": 396}


def test_a_breakdown_names_browsers_as_people_do(ours: House, browser: Client) -> None:
    campaign, _ = large(ours)
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    row = re.search(r'<td class="pp-first">Firefox</td>(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert re.findall(r">([\d,]+)<", row[1]) == ["5,790", "102", "8", "4,401", "396", "1,200"]


def test_what_belongs_to_nobody_is_in_the_totals_and_said_to_be(ours: House, browser: Client) -> None:
    campaign, _ = large(ours)
    path = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert "belong to nobody" not in browser.get(path).content.decode()
    CampaignTotal.objects.create(campaign_id=campaign.pk, slot=3, shown=599)
    assert "599 of the 5,000 shown belong to nobody" in browser.get(path).content.decode()


def test_every_reason_is_a_sentence(ours: House, browser: Client) -> None:
    for number, reason in enumerate(REASONS.values()):
        Delivery.objects.create(
            message_id=ours.message.pk,
            device_id=10_000 + number,
            status=2,
            reason=reason.number,
            service=6,
            at=timezone.now(),
        )
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[ours.sent.pk])).content.decode()
    page = page.replace("&#x27;", "'")
    for code, reason in REASONS.items():
        assert code in page
        assert reason.sentence in page


def test_each_reason_says_what_to_do_and_leads_to_its_devices(ours: House, browser: Client) -> None:
    long, broken = (ours.new_contact() for _ in range(2))
    for contact, reason in ((long, "payload_too_large"), (broken, "render_failed")):
        Delivery.objects.create(
            message_id=ours.message.pk, device_id=ours.new_device(contact).pk, contact_id=contact.pk, status=5,
            reason=REASONS[reason].number, service=6, at=timezone.now(),
        )  # fmt: skip
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[ours.sent.pk])).content.decode()
    assert ADVICE["payload_too_large"] in page
    assert ADVICE["render_failed"] in page
    path = reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk])
    assert f'href="{path}?reason=render_failed"' in page
    found = browser.get(path, {"reason": "render_failed"}).content.decode()
    assert broken.external_id in found
    assert long.external_id not in found
    assert ours.contact.external_id not in browser.get(path, {"reason": "no such"}).content.decode()


def test_deliveries_are_found_by_crm_id(ours: House, browser: Client) -> None:
    other = ours.new_contact()
    device = ours.new_device(other)
    Delivery.objects.create(
        message_id=ours.message.pk,
        device_id=device.pk,
        contact_id=other.pk,
        status=5,
        reason=7,
        service=6,
        at=timezone.now(),
    )
    path = reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk])
    everything = browser.get(path).content.decode()
    assert other.external_id in everything
    assert ours.contact.external_id in everything
    found = browser.get(path, {"crm": other.external_id}).content.decode()
    assert ours.contact.external_id not in found
    assert REASONS["consent_withdrawn"].sentence in found
    assert "No contact of this site has the CRM id nobody" in browser.get(path, {"crm": "nobody"}).content.decode()
    assert ours.contact.external_id not in browser.get(path, {"outcome": "skipped"}).content.decode()


def test_deliveries_are_paged_without_losing_or_doubling_one(ours: House, browser: Client) -> None:
    now = timezone.now()
    contacts = [ours.new_contact(external_id=f"page-{number:03}") for number in range(120)]
    Delivery.objects.bulk_create(
        Delivery(message_id=ours.message.pk, device_id=50_000 + n, contact_id=one.pk, status=1, service=6, at=now)
        for n, one in enumerate(contacts)
    )
    path, seen = reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk]), []
    address: str | None = path
    while address:
        page = browser.get(address).content.decode()
        seen += re.findall(r">(page-\d+)</a>", page)
        more = re.search(r'href="(\?[^"]*after=[^"]+)"', page)
        address = path + more[1].replace("&amp;", "&") if more else None
    assert seen == [contact.external_id for contact in contacts]


@pytest.mark.parametrize("place", ["x", "1", "1.x", "9" * 30 + ".1", "-1.-1", "1.1;drop"])
def test_a_page_that_cannot_be_is_the_first(ours: House, browser: Client, place: str) -> None:
    path = reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk])
    assert ours.contact.external_id in browser.get(path, {"after": place}).content.decode()


def test_reports_of_who_is_not_measured_are_tied_to_nobody(ours: House, browser: Client) -> None:
    Delivery.objects.filter(message_id=ours.message.pk).update(measured=False)
    path = reverse("admin:campaigns_campaign_deliveries", args=[ours.sent.pk])
    assert "counted, tied to nobody" in browser.get(path).content.decode()


def test_home_tells_reach_last_campaigns_and_the_median(ours: House, browser: Client) -> None:
    for number in range(3):
        now = timezone.now() - timedelta(days=number)
        campaign = ours.new_campaign(f"ours {number}", status="sent", launched_at=now)
        message = Message.objects.create(
            site=ours.site, campaign=campaign, purpose=ours.offers, content=CONTENT, status=4, targeted=100,
            send_at=now, expires_at=now,
        )  # fmt: skip
        ours.count(campaign, message, now, accepted=100, shown=50 + 10 * number, clicked=5)
    page = browser.get(reverse("admin:index")).content.decode()
    assert "Median of the last 4" in page
    assert "65.0 %" in page  # of 50, 60, 70 and 100
    assert re.search(r"Active devices</dt><dd><a[^>]*>1</a>", page)


def test_home_says_what_needs_somebody(ours: House) -> None:
    ours.key.state = VapidKey.State.RETIRED
    ours.key.save()
    ServiceState.objects.create(
        service=1, vapid_key_id=ours.old_key.pk, paused_until=timezone.now() + timedelta(hours=1)
    )
    ours.new_campaign("ours late", status="scheduled", send_at=timezone.now() - timedelta(hours=1))
    marketer = ours.browser("marketer").get(reverse("admin:index")).content.decode()
    assert "slows this site until" in marketer
    assert "ours late" in marketer
    assert "no current VAPID key" not in marketer
    assert "no current VAPID key" in ours.browser("administrator").get(reverse("admin:index")).content.decode()


def test_home_of_who_has_no_site_says_what_to_do(ours: House) -> None:
    page = ours.browser("stranger").get(reverse("admin:index")).content.decode()
    assert "not a member of any site yet" in page


def test_before_reasons_are_counted_nobody_is_told_that_nothing_went_wrong(ours: House, browser: Client) -> None:
    campaign, message = large(ours, "sending")
    address = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    page = browser.get(address).content.decode()
    assert "115 did not get it. Why, is counted within a minute." in page
    assert "Nothing went wrong" not in page
    Message.objects.filter(pk=message.pk).update(figures={"people": {}, "failures": {"rejected": 8}})
    page = browser.get(address).content.decode()
    assert "is counted within a minute" not in page
    assert "rejected</span> ·" in page


def test_the_page_shows_what_push_services_answered_as_text(ours: House, browser: Client, theirs: House) -> None:
    campaign, message = large(ours)
    now = timezone.now()
    for owner, body in ((message, '<img src=x onerror="alert(1)">'), (theirs.message, "theirs only")):
        AnswerSample.objects.create(
            message_id=owner.pk, service=1, http_code=403, reason=REASONS["key_refused"].number, number=1234,
            headers={"retry-after": "<i>60</i>"}, body=body, first_at=now, last_at=now,
        )  # fmt: skip
    AnswerSample.objects.create(
        message_id=message.pk, service=2, http_code=0, error="tls", reason=REASONS["gave_up"].number, number=2,
        first_at=now, last_at=now,
    )  # fmt: skip
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in page
    assert "<img src=x" not in page
    assert "retry-after: &lt;i&gt;60&lt;/i&gt;" in page
    assert "1,234" in page
    assert "The certificate or the handshake is not in order" in page
    assert "· our key refused" in page  # whether they failed or wait for it to be resumed
    assert "Nothing went wrong" not in page
    assert "theirs only" not in page
