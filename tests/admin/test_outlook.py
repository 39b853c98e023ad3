"""When a campaign ends at this rate: worked out from what the roads did, and never more than is known."""

from __future__ import annotations

import html
import os
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import refusals
from campaigns.admin.outlook_words import told
from campaigns.models import Batch, Campaign, CampaignMinute, Lane, Message, Retry
from campaigns.outlook import Course, Outlook, outlook
from tests.admin.house import CONTENT, House
from tests.admin.roads import minute, state

NOW = datetime.fromisoformat("2026-03-01T12:00:30Z")
FCM, MOZILLA = 1, 2


class Sending:
    """A campaign under way since three minutes, of which so many devices wait on each push service."""

    def __init__(self, house: House, waiting: dict[int, int], *, done: int = 0, **message: Any):
        self.house, self.begun = house, message.pop("send_at", NOW - timedelta(minutes=3))
        self.campaign = house.new_campaign("ours", status=Campaign.Status.SENDING, launched_at=self.begun)
        given = {"status": Message.Status.SENDING, "expires_at": NOW + timedelta(hours=1)} | message
        self.message = Message.objects.create(
            site=house.site, campaign=self.campaign, purpose=house.offers, content=CONTENT,
            targeted=sum(waiting.values()) + done, send_at=self.begun, ref_secret=os.urandom(32), **given,
        )  # fmt: skip
        for service, number in waiting.items():
            Batch.objects.create(
                message=self.message, service=service, vapid_key_id=house.key.pk, lane=Lane.CAMPAIGN, n=number,
                device_ids=[1], contact_ids=[0], expires_at=given["expires_at"],
            )  # fmt: skip
        if done:
            house.count(self.campaign, self.message, NOW - timedelta(hours=1), accepted=done)
            CampaignMinute.objects.all().delete()

    def accepted(self, each_minute: int, service: int = FCM, **more: Any) -> None:
        """In the minute that is under way, half gone, and the two before it: 2.5 minutes."""
        for ago, part in ((0, 0.5), (1, 1.0), (2, 1.0)):
            number = int(each_minute * part)
            minute(self.house.key, NOW - timedelta(minutes=ago), service=service, accepted=number, **more)
            self.house.count(self.campaign, self.message, NOW - timedelta(minutes=ago), accepted=number)
            self.message.targeted += number
        self.message.save()

    def seen(self) -> Outlook:
        found = outlook(self.message.pk, NOW)
        assert found is not None
        return found

    def words(self) -> list[str]:
        return [line["text"] for line in told(self.seen(), NOW)["lines"]]


def near(moment: datetime | None, seconds: float) -> bool:
    return moment is not None and abs((moment - NOW).total_seconds() - seconds) < 2


def test_at_the_rate_of_the_last_minutes_it_ends_when_division_says(ours: House) -> None:
    sending = Sending(ours, {FCM: 6000})
    sending.accepted(1200)
    seen = sending.seen()
    assert seen.remaining == 6000
    assert seen.per_second == pytest.approx(20, rel=0.01)
    assert near(seen.ends_at, 300)
    assert (seen.will_expire, seen.will_expire_least) == (0, 0)
    assert "in 5 minutes" in sending.words()[0]
    assert told(seen, NOW)["left"] == pytest.approx(300, abs=2)


def test_the_wait_before_the_first_answer_is_no_part_of_the_rate(ours: House) -> None:
    sending = Sending(ours, {FCM: 600}, send_at=NOW - timedelta(minutes=2))
    minute(ours.key, NOW, accepted=600)  # from 12:00:00 on
    ours.count(sending.campaign, sending.message, NOW, accepted=600)
    Message.objects.filter(pk=sending.message.pk).update(targeted=1200)
    assert near(sending.seen().ends_at, 30)


def test_nothing_is_said_of_the_end_while_nothing_is_known(ours: House) -> None:
    sending = Sending(ours, {FCM: 6000})
    seen = sending.seen()
    assert (seen.per_second, seen.ends_at, seen.will_expire) == (None, None, None)
    assert "not known yet: nothing came to an end in the last minutes" in sending.words()[0]
    assert told(seen, NOW)["left"] is None


def test_what_does_not_fit_before_the_expiry_is_counted(ours: House) -> None:
    sending = Sending(ours, {FCM: 100_000})
    sending.accepted(600)
    seen = sending.seen()
    assert seen.will_expire == pytest.approx(100_000 - 36_000, rel=0.01)
    assert seen.ends_at == seen.expires_at
    assert "about 64,000 of the 100,000 left expire unsent" in sending.words()[0]


def test_a_throttled_road_alone_decides_how_many_expire(ours: House) -> None:
    sending = Sending(ours, {FCM: 7200, MOZILLA: 1000})
    sending.accepted(6000, FCM, throttled=50)
    sending.accepted(6000, MOZILLA)
    state(ours.key, NOW, service=FCM, rate=1.0, reason="throttled")
    seen = sending.seen()
    fcm, mozilla = seen.roads
    assert (fcm.course, mozilla.course) == (Course.SLOWED, Course.OPEN)
    assert (fcm.will_expire, mozilla.will_expire) == (3600, 0)
    assert near(mozilla.ends_at, 10)
    lines = sending.words()
    assert "about 3,600 of the 8,200 left" in lines[0]
    assert "slowed to 60 a minute because it answered that we send too much" in lines[1]
    assert "7,200 left for it, of which about 3,600 expire unsent" in lines[1]


def test_a_rest_is_waited_for_and_then_the_rate_that_holds_counts(ours: House) -> None:
    sending = Sending(ours, {FCM: 600})
    state(ours.key, NOW, rest=300, rate=10.0, reason="throttled")
    [road] = sending.seen().roads
    assert road.course is Course.WAITING
    assert near(road.ends_at, 360)
    assert "waits until 12:05:30 because it answered that we send too much" in sending.words()[1]


def test_a_rest_beyond_the_expiry_is_the_end_of_all_that_waits(ours: House) -> None:
    sending = Sending(ours, {FCM: 600, MOZILLA: 400})
    sending.accepted(6000, MOZILLA)
    state(ours.key, NOW, rest=7200, rate=10.0, reason="throttled")
    assert sending.seen().will_expire == 600
    assert "600 of the 1,000 left expire unsent" in sending.words()[0]


def test_an_unknown_road_leaves_only_what_is_certain(ours: House) -> None:
    sending = Sending(ours, {FCM: 600, MOZILLA: 400})
    state(ours.key, NOW, rest=7200, reason="unreachable")
    seen = sending.seen()
    assert (seen.will_expire, seen.will_expire_least) == (None, 600)
    assert "At least 600 of the 1,000 left" in sending.words()[0]


def test_a_refused_key_holds_its_devices_until_somebody_resumes_it(ours: House) -> None:
    sending = Sending(ours, {FCM: 600})
    state(ours.key, NOW, reason=refusals.REASON, rest=(refusals.UNTIL_RESUMED - NOW).total_seconds())
    seen = sending.seen()
    assert (seen.will_expire, seen.ends_at) == (600, seen.expires_at)
    lines = sending.words()
    assert "all 600 left expire unsent" in lines[0]
    assert "refuses our key" in lines[1]
    assert "9000" not in "".join(lines)


def test_another_campaign_on_the_same_road_takes_its_share(ours: House) -> None:
    sending = Sending(ours, {FCM: 3000})
    sending.accepted(600)
    minute(ours.key, NOW - timedelta(minutes=1), slot=1, accepted=1500)
    assert near(sending.seen().ends_at, 300)


@pytest.mark.parametrize("whose", ["campaign", "site"])
def test_a_ceiling_is_named_and_bounds_the_end(ours: House, whose: str) -> None:
    sending = Sending(ours, {FCM: 6000}, options={"per_minute": 1000} if whose == "campaign" else {})
    ours.site.per_minute = 1000 if whose == "site" else None
    ours.site.save()
    sending.accepted(60_000)
    seen = sending.seen()
    assert seen.ceilings == {whose: 1000}
    assert near(seen.ends_at, 360)
    assert "ceiling: 1,000 a minute" in sending.words()[1]


def test_a_ceiling_too_low_for_the_time_left_says_how_many_expire(ours: House) -> None:
    sending = Sending(ours, {FCM: 6000}, options={"per_minute": 10})
    assert sending.seen().will_expire_least == 6000 - 600


def test_what_waits_to_be_tried_again_is_counted_and_bounds_the_end(ours: House) -> None:
    sending = Sending(ours, {FCM: 1000})
    sending.accepted(60_000)
    for device_id, minutes in ((1, 2), (2, 30)):
        Retry.objects.create(
            message_id=sending.message.pk, device_id=device_id, contact_id=0, lane=Lane.CAMPAIGN, service=FCM,
            vapid_key_id=ours.key.pk, attempt=1, not_before=NOW + timedelta(minutes=minutes),
            expires_at=sending.message.expires_at,
        )  # fmt: skip
    seen = sending.seen()
    assert (seen.retries, seen.next_retry) == (2, NOW + timedelta(minutes=2))
    assert near(seen.ends_at, 1800)
    assert "2 wait to be tried again, from 12:02:30 on." in sending.words()


def test_half_done_batches_do_not_make_more_of_what_is_left(ours: House) -> None:
    sending = Sending(ours, {FCM: 3000, MOZILLA: 1000}, done=2000)
    Message.objects.filter(pk=sending.message.pk).update(targeted=4001)
    seen = sending.seen()
    assert seen.remaining == 2001
    assert sum(one.devices for one in seen.roads) == 2001


def test_a_paused_campaign_says_what_is_lost_if_nobody_resumes_it(ours: House) -> None:
    sending = Sending(ours, {FCM: 600}, status=Message.Status.PAUSED)
    seen = sending.seen()
    assert (seen.paused, seen.ends_at, seen.will_expire) == (True, None, 600)
    assert "If nobody resumes it before 13:00, the 600 left expire." in sending.words()[0]


def test_of_a_paused_campaign_no_end_is_told_on_any_road(ours: House) -> None:
    sending = Sending(ours, {FCM: 600}, status=Message.Status.PAUSED)
    state(ours.key, NOW, rate=10.0, reason="throttled")
    assert sending.seen().ends_at is None
    slowed = sending.words()[1]
    assert "is slowed to 10 a second because it answered that we send too much: 600 left for it." in slowed


def test_while_the_audience_is_worked_out_no_end_is_told(ours: House) -> None:
    sending = Sending(ours, {FCM: 600}, status=Message.Status.FREEZING, freeze_end=10)
    sending.accepted(600)
    assert "being worked out" in sending.words()[0]
    assert told(sending.seen(), NOW)["left"] is None


@pytest.mark.parametrize("status", [Message.Status.SCHEDULED, Message.Status.FINISHED, Message.Status.CANCELLED])
def test_what_is_not_under_way_has_no_outlook(ours: House, status: Any) -> None:
    sending = Sending(ours, {FCM: 600}, status=status)
    assert outlook(sending.message.pk, NOW) is None


def test_the_campaigns_page_and_its_progress_tell_the_outlook(ours: House) -> None:
    sending = Sending(ours, {FCM: 600}, expires_at=timezone.now() + timedelta(hours=1), send_at=timezone.now())
    state(ours.key, timezone.now(), rest=300, rate=10.0, reason="throttled")
    browser = ours.browser("analyst")
    live = browser.get(reverse("admin:campaigns_campaign_progress", args=[sending.campaign.pk])).json()
    assert "At this rate it ends at" in live["outlook"]["lines"][0]["text"]
    assert live["outlook"]["left"] == pytest.approx(360, abs=30)
    page = browser.get(reverse("admin:campaigns_campaign_change", args=[sending.campaign.pk])).content.decode()
    assert "At this rate it ends at" in html.unescape(page)
    assert live["services"][0]["slowed"].startswith("waits until")
    done = browser.get(reverse("admin:campaigns_campaign_progress", args=[ours.sent.pk])).json()
    assert done["outlook"] == {"lines": [], "left": None}
