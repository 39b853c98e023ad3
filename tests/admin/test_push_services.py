"""Is the road clear? The page of push services tells what each road carries, what it answers and why it is slow."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import refusals
from campaigns.answer_tally import SLOTS
from campaigns.models import AnswerSample, ServiceState
from pushplatform.sites.models import Membership
from pushplatform.webpush.outcome import REASONS
from tests.admin.house import House
from tests.admin.roads import minute, state

PAGE = "admin:campaigns_campaign_push_services"


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("analyst")


def page_of(browser: Client, **query: str) -> str:
    answer = browser.get(reverse(PAGE), query)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def lines_of(browser: Client, **query: str) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in browser.get(reverse(f"{PAGE}_now"), query).json()["lines"]}


def history_of(browser: Client, road: str, span: str) -> Any:
    return browser.get(reverse(f"{PAGE}_history"), {"road": road, "span": span})


def test_before_anything_was_sent_the_page_says_what_it_is_for(browser: Client) -> None:
    page = page_of(browser)
    assert "Nothing was sent in the last 14 days" in page
    assert "data-road=" not in page


def test_a_road_tells_its_rate_latency_and_errors_of_the_last_minutes(ours: House, browser: Client) -> None:
    now = timezone.now()
    minute(ours.key, now - timedelta(minutes=1), seconds=0.04, accepted=970, slot=0)
    minute(ours.key, now - timedelta(minutes=1), seconds=3.0, accepted=10, unavailable=20, slot=1)
    minute(ours.key, now - timedelta(hours=2), accepted=5, rejected=100_000)
    line = lines_of(browser)[f"1-{ours.key.pk}"]
    assert line["cells"]["errors"] == "2.0 %"
    assert re.fullmatch(r"3\d ms|4\d ms", line["cells"]["p50"])
    assert re.fullmatch(r"[23]\.\d s", line["cells"]["p99"])
    assert line["troubles"] == [{"word": "in trouble (5xx)", "number": "20", "meaning": line["troubles"][0]["meaning"]}]
    asked = sum(number for _, number in line["minutes"])
    assert asked == 1000
    assert re.fullmatch(r"\d+/(s|min)", line["cells"]["rate"])
    assert line["mark"] == "clear"


@pytest.mark.parametrize(
    ("given", "mark", "said"),
    [
        (
            {"rate": 8.0, "send_window": 12, "reason": "throttled"},
            "slowed",
            "Slowed to 480 a minute because it answered",
        ),
        ({"rest": 90, "rate": 8.0, "reason": "throttled"}, "waits", "then goes on at 480 a minute"),
        ({"rest": 90, "reason": "unavailable"}, "waits", "it answered that it is in trouble"),
        ({"rest": 90, "reason": "unreachable"}, "out of reach", "Nothing answers. It is tried again with a few"),
        ({"rest": -1, "strikes": 1, "reason": "unreachable"}, "being tried", "once one is accepted"),
        ({"rest": -1, "reason": ""}, "clear", "Open"),
    ],
)
def test_what_slows_a_road_is_said_with_why(
    ours: House, browser: Client, given: dict[str, Any], mark: str, said: str
) -> None:
    state(ours.key, timezone.now(), **given)
    line = lines_of(browser)[f"1-{ours.key.pk}"]
    assert line["mark"] == mark
    assert said in line["cells"]["said"]
    assert said in page_of(browser)


def test_a_refused_key_is_resumed_from_here_by_who_may(ours: House, browser: Client) -> None:
    ServiceState.objects.create(
        service=1, vapid_key_id=ours.key.pk, paused_until=refusals.UNTIL_RESUMED, reason=refusals.REASON
    )
    minute(ours.key, timezone.now(), accepted=100)
    assert lines_of(browser)[f"1-{ours.key.pk}"]["cells"]["rate"] == "0/s"  # whatever went just before
    resume = reverse("admin:campaigns_campaign_resume_key")
    page = page_of(browser)
    assert "9000" not in page
    assert resume not in page
    marketer = ours.browser("marketer")
    form = re.search(rf'<form method="post" action="{resume}".*?</form>', page_of(marketer), re.DOTALL)
    assert form is not None
    posted = dict(re.findall(r'name="(service|vapid_key|back)" value="([^"]*)"', form[0]))
    answer = marketer.post(resume, posted)
    assert answer["Location"] == reverse(PAGE)
    assert lines_of(browser)[f"1-{ours.key.pk}"]["mark"] == "clear"


def test_the_history_is_told_in_the_sites_time_and_in_steps_of_its_span(ours: House, browser: Client) -> None:
    ours.site.time_zone = "Asia/Tokyo"
    ours.site.save()
    now = timezone.now()
    for ago in (0, 3, 50):
        minute(ours.key, now - timedelta(minutes=ago), accepted=100, throttled=ago, rate=2.0 if ago else None, window=9)
    minute(ours.key, now - timedelta(days=5), accepted=7)
    road = f"1-{ours.key.pk}"
    hour = history_of(browser, road, "hour").json()
    assert (len(hour["points"]), hour["minutes"]) == (60, 1)
    filled = [point for point in hour["points"] if point["counts"]]
    assert [point["counts"]["throttled"] for point in filled] == [50, 3, 0]
    assert [point["allowed"] for point in filled] == [120.0, 120.0, None]
    assert filled[-1]["at"] == (now + timedelta(hours=9)).strftime("%H:%M")
    for span, points, accepted in (("day", 96, 300), ("fortnight", 112, 307)):
        found = history_of(browser, road, span).json()["points"]
        assert len(found) == points
        assert sum(point["counts"]["accepted"] for point in found if point["counts"]) == accepted


def test_the_strip_shows_the_day_and_the_rest_a_road_is_in(ours: House, browser: Client) -> None:
    now = timezone.now()
    minute(ours.key, now - timedelta(hours=20), accepted=100)
    minute(ours.key, now - timedelta(hours=3), accepted=50, throttled=20)
    said = r"The last 24 hours by quarters of an hour: 1 clear, (\d+) slowed"
    assert re.findall(said, page_of(browser)) == ["1"]
    state(ours.key, now, rest=600, reason="throttled")
    [slowed] = re.findall(said, page_of(browser))
    assert 12 <= int(slowed) <= 14


def test_the_strip_shows_rests_that_are_over(ours: House, browser: Client) -> None:
    now = timezone.now()
    minute(ours.key, now - timedelta(hours=9), accepted=1, no_answer=99)
    for quarter in range(1, 5):
        minute(ours.key, now - timedelta(hours=9, minutes=-15 * quarter), slot=SLOTS, rested=60)
    minute(ours.key, now - timedelta(hours=4), accepted=100)
    minute(ours.key, now - timedelta(hours=3), slot=SLOTS, rested=60)
    [said] = re.findall(r"by quarters of an hour: ([^.]+)\.", page_of(browser))
    assert said == "1 clear, 1 slowed, 5 in trouble"
    points = history_of(browser, f"1-{ours.key.pk}", "day").json()["points"]
    assert [point["rested"] for point in points if point["counts"]] == [0, 60, 60, 60, 60, 0, 60]


def test_a_throttle_of_hours_ago_is_over_without_anybody_having_sent(ours: House, browser: Client) -> None:
    state(ours.key, timezone.now() - timedelta(hours=3), rate=8.0, reason="throttled")
    line = lines_of(browser)[f"1-{ours.key.pk}"]
    assert (line["mark"], line["cells"]["window"]) == ("clear", "no limit")
    assert "slows this site" not in browser.get(reverse("admin:index")).content.decode()


def test_what_push_services_answered_lately_stands_beside_the_road(ours: House, theirs: House, browser: Client) -> None:
    now = timezone.now()
    minute(ours.key, now, accepted=1)
    for owner, body, at in (
        (ours.message, "ours: too many <b>requests</b>", now),
        (ours.message, "ours of before", now - timedelta(days=2)),
        (theirs.message, "theirs alone", now),
    ):
        AnswerSample.objects.create(
            message_id=owner.pk, service=1, http_code=429 if at == now else 503, reason=REASONS["gave_up"].number,
            number=1234, body=body, first_at=at, last_at=at,
        )  # fmt: skip
    page = browser.get(reverse(PAGE)).content.decode()
    assert "ours: too many &lt;b&gt;requests&lt;/b&gt;" in page
    assert "1,234" in page
    assert "ours of before" not in page
    assert "theirs alone" not in page


def test_who_has_several_sites_may_look_at_all_of_them_and_at_no_other(ours: House, theirs: House) -> None:
    third = House("third")
    now = timezone.now()
    for house in (ours, theirs, third):
        minute(house.key, now, accepted=5)
    browser = ours.browser("analyst")
    Membership.objects.create(user=ours.user("analyst"), site=third.site, role=Membership.Role.ANALYST)
    here = f"?_site={ours.site.pk}"
    browser.get(reverse(PAGE) + here)
    assert set(lines_of(browser)) == {f"1-{ours.key.pk}"}
    assert set(lines_of(browser, sites="all")) == {f"1-{ours.key.pk}", f"1-{third.key.pk}"}
    page = page_of(browser, sites="all")
    assert "third shop" in page
    assert "theirs" not in page
    assert len(lines_of(ours.browser("superuser"), sites="all")) == 3


def test_the_history_of_another_sites_road_is_not_found(ours: House, theirs: House, browser: Client) -> None:
    minute(theirs.key, timezone.now(), accepted=5)
    assert history_of(browser, f"1-{theirs.key.pk}", "hour").status_code == 404
    assert history_of(theirs.browser("administrator"), f"1-{theirs.key.pk}", "hour").status_code == 200


@pytest.mark.parametrize("road", ["", "1", "x-1", "1-", "1-999999", "99999-1", f"1-{'9' * 30}", "-1-1"])
def test_a_road_or_span_that_does_not_exist_is_not_found(ours: House, browser: Client, road: str) -> None:
    assert history_of(browser, road, "hour").status_code == 404
    assert history_of(browser, f"1-{ours.key.pk}", "year").status_code == 404


def test_home_names_roads_that_are_not_clear_and_leads_here(ours: House, browser: Client) -> None:
    now = timezone.now()
    state(ours.key, now, rate=8.0, reason="throttled")
    state(ours.key, now, service=2, rest=60, reason="unreachable")
    state(ours.key, now, service=3)
    page = html.unescape(browser.get(reverse("admin:index")).content.decode())
    assert "Google (Chrome and most others) slows this site: 480 a minute at most" in page
    assert "Mozilla (Firefox) is out of reach" in page
    assert "Apple" not in page
    assert f"{reverse(PAGE)}?_site={ours.site.pk}" in page


def test_the_page_names_every_kind_of_answer_for_its_table(ours: House, browser: Client) -> None:
    minute(ours.key, timezone.now(), accepted=1)
    found = re.search(r'<script id="kinds" type="application/json">(.*?)</script>', page_of(browser))
    assert found is not None
    assert [kind for kind, _ in json.loads(found[1])] == list(
        history_of(browser, f"1-{ours.key.pk}", "hour").json()["points"][-1]["counts"]
    )
