"""Launch, schedule, pause, cancel from the admin: once, on purpose, and with a line in the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import launch as launch_domain
from campaigns.models import Campaign, Message
from tests.admin.drafts import dialog_token, fields, launch, said, saved
from tests.admin.house import House


@pytest.fixture
def browser(ours: House) -> Client:
    return ours.browser("marketer")


def page(browser: Client, campaign: Campaign, query: str = "") -> str:
    path = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    return browser.get(f"{path}{query}").content.decode()


def act(browser: Client, campaign: Campaign, name: str, **data: Any) -> Any:
    return browser.post(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]), data)


def history(campaign: Campaign) -> list[str]:
    lines = LogEntry.objects.filter(object_id=str(campaign.pk), content_type__model="campaign").order_by("pk")
    return [line.get_change_message() for line in lines]


def test_the_dialog_repeats_who_what_when_and_until_when(ours: House, browser: Client) -> None:
    ours.new_device()
    shown = page(browser, saved(ours, browser), "?launch=1")
    for text in (
        "Launch to 2 devices",
        "ours everyone",
        "agreed to ours offers",
        "Hello you",
        "Wool and linen",
        "data-open",
    ):
        assert text in shown, text


def test_a_ceiling_is_kept_shown_before_the_launch_and_part_of_the_message(ours: House, browser: Client) -> None:
    for _ in range(3):
        ours.new_device()
    campaign = saved(ours, browser, per_minute=2, ttl_number=1, ttl_unit="minutes")
    assert 'name="per_minute" value="2"' in page(browser, campaign)
    shown = page(browser, campaign, "?launch=1")
    assert "at most 2 a minute, so it takes 2 minutes or longer" in shown
    assert "about 2 devices would expire unsent" in shown
    launch(browser, campaign)
    assert Message.objects.get(campaign=campaign).options["per_minute"] == 2


def test_the_lower_of_two_ceilings_is_told_and_one_that_changes_nothing_is_not(ours: House, browser: Client) -> None:
    ours.new_device()
    campaign = saved(ours, browser, per_minute=2)
    assert "at most" not in page(browser, campaign, "?launch=1").split('id="launch-dialog"')[1].split("</dialog>")[0]
    ours.site.per_minute = 1
    ours.site.save()
    assert "at most 1 a minute" in page(browser, campaign, "?launch=1")


@pytest.mark.parametrize("wrong", ["0", "-5", "many", "99999999999"])
def test_a_ceiling_that_is_none_is_said_beside_its_field(ours: House, browser: Client, wrong: str) -> None:
    path = f"{reverse('admin:campaigns_campaign_add')}?_site={ours.site.pk}"
    errors = said(browser.post(path, fields(ours, per_minute=wrong)).content)
    assert [error for error in errors if error.startswith("per_minute: ")]


def test_a_launch_makes_one_message_with_what_the_dialog_showed(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    answer = launch(browser, campaign, count="1")
    assert answer.status_code == 302
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SENDING
    message = Message.objects.get(campaign=campaign)
    assert message.content == campaign.content
    assert history(campaign) == ["Added.", "Launched to 1 devices"]


def test_a_second_launch_does_nothing_and_says_so(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    token = dialog_token(browser, campaign)
    launch(browser, campaign, token)
    answer = browser.post(reverse("admin:campaigns_campaign_launch", args=[campaign.pk]), {"token": token}, follow=True)
    assert "nothing was done twice" in answer.content.decode()
    assert Message.objects.filter(campaign=campaign).count() == 1


@pytest.mark.parametrize("changes", [{"title": "Another title"}, {"segments": []}, {"ttl_number": 1}])
def test_a_draft_changed_after_the_dialog_opened_is_not_launched(
    ours: House, browser: Client, changes: dict[str, Any]
) -> None:
    campaign = saved(ours, browser)
    token = dialog_token(browser, campaign)
    browser.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), fields(ours, **changes))
    answer = launch(browser, campaign, token)
    assert any("changed after you looked" in error for error in said(answer.content))
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
    assert not Message.objects.filter(campaign=campaign).exists()


def test_a_segment_changed_after_the_dialog_opened_is_not_sent_to(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    token = dialog_token(browser, campaign)
    ours.segment.definition = {"all": [{"field": "device.browser", "op": "eq", "value": "firefox"}]}
    ours.segment.save()
    launch(browser, campaign, token)
    assert not Message.objects.filter(campaign=campaign).exists()


@pytest.mark.parametrize("token", ["", "forged", "1:2:3"])
def test_a_launch_without_the_dialogs_token_does_nothing(ours: House, browser: Client, token: str) -> None:
    campaign = saved(ours, browser)
    launch(browser, campaign, token)
    assert not Message.objects.filter(campaign=campaign).exists()


def test_another_campaigns_token_launches_nothing(ours: House, browser: Client) -> None:
    first, second = saved(ours, browser), saved(ours, browser, name="Winter")
    launch(browser, second, dialog_token(browser, first))
    assert not Message.objects.filter(campaign=second).exists()


def test_an_audience_of_nobody_cannot_be_launched(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    token = dialog_token(browser, campaign)
    ours.device.allowed = 0
    ours.device.save()
    errors = said(launch(browser, campaign, token).content)
    assert any(error.startswith("segments: Nobody would get it") for error in errors), errors
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT


def test_a_draft_that_is_not_ready_opens_no_dialog(ours: House, browser: Client) -> None:
    shown = page(browser, saved(ours, browser, title="{{"), "?launch=1")
    assert 'id="launch-dialog"' not in shown
    assert "title: The Liquid is broken" in " ".join(said(shown.encode()))


def test_a_get_launches_nothing(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    for name in ("launch", "schedule", "take_back", "pause", "resume", "cancel", "use_again"):
        answer = browser.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]))
        assert answer.status_code == 405
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT


def test_a_scheduled_campaign_waits_and_can_be_taken_back(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    answer = act(browser, campaign, "schedule", token=dialog_token(browser, campaign), send_at="2099-01-01T10:00")
    assert answer.status_code == 302
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.SCHEDULED
    assert f"{campaign.send_at:%Y-%m-%d %H:%M}" == "2099-01-01 10:00"
    assert not Message.objects.filter(campaign=campaign).exists()
    assert "Goes 1 Jan 2099, 10:00" in page(browser, campaign)
    act(browser, campaign, "take_back")
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
    assert history(campaign)[1:] == ["Scheduled for 1 Jan 2099, 10:00", "Taken back before it was launched"]


def test_a_schedule_is_told_in_the_sites_own_time(ours: House, browser: Client) -> None:
    ours.site.time_zone = "Europe/Warsaw"
    ours.site.save()
    campaign = saved(ours, browser)
    act(browser, campaign, "schedule", token=dialog_token(browser, campaign), send_at="2099-01-01T10:00")
    campaign.refresh_from_db()
    assert campaign.send_at.isoformat() == "2099-01-01T09:00:00+00:00"
    assert "Goes 1 Jan 2099, 10:00" in page(browser, campaign)


@pytest.mark.parametrize(
    ("send_at", "expected"),
    [
        ("2020-01-01T10:00", "send_at: The time to launch it has passed"),
        ("", "send_at: Say when."),
        ("soon", "send_at: This is no date and time"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_beside_its_field(
    ours: House, browser: Client, send_at: str, expected: str
) -> None:
    campaign = saved(ours, browser)
    answer = act(browser, campaign, "schedule", token=dialog_token(browser, campaign), send_at=send_at)
    errors = said(answer.content)
    assert any(error.startswith(expected) for error in errors), errors
    campaign.refresh_from_db()
    assert (campaign.status, campaign.send_at) == (Campaign.Status.DRAFT, None)


def test_a_campaign_that_could_not_go_at_its_time_says_why_until_it_is_mended(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    act(browser, campaign, "schedule", token=dialog_token(browser, campaign), send_at="2099-01-01T10:00")
    ours.device.allowed = 0
    ours.device.save()
    launch_domain.launch_when_due(campaign.pk, datetime(2099, 1, 1, 10, 1, tzinfo=UTC))
    shown = page(browser, campaign)
    assert "could not be. It is a draft again." in shown
    assert "Nobody would get it" in shown
    assert "could not be launched at its time" in browser.get(reverse("admin:index")).content.decode()
    ours.device.allowed = 1 << ours.offers.bit
    ours.device.save()
    browser.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), fields(ours))
    assert "It is a draft again" not in page(browser, campaign)
    assert 'id="launch-dialog"' in page(browser, campaign, "?launch=1")


def test_a_campaign_is_paused_resumed_and_cancelled(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    launch(browser, campaign)
    for name, status in (("pause", "paused"), ("resume", "sending"), ("cancel", "cancelled")):
        act(browser, campaign, name)
        campaign.refresh_from_db()
        assert campaign.status == status
    assert history(campaign)[2:] == ["Paused", "Resumed", "Cancelled what was left"]


def test_what_is_over_is_not_steered(ours: House, browser: Client) -> None:
    for name in ("pause", "resume", "cancel"):
        answer = browser.post(reverse(f"admin:campaigns_campaign_{name}", args=[ours.sent.pk]), follow=True)
        ours.sent.refresh_from_db()
        assert ours.sent.status == Campaign.Status.SENT
        assert answer.status_code == 200
    assert history(ours.sent) == []


def test_a_launched_campaign_takes_no_changes(ours: House, browser: Client) -> None:
    campaign = saved(ours, browser)
    launch(browser, campaign)
    before = Campaign.objects.values().get(pk=campaign.pk)
    browser.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), fields(ours, title="Too late"))
    browser.post(reverse("admin:campaigns_campaign_delete", args=[campaign.pk]), {"post": "yes"})
    assert Campaign.objects.values().get(pk=campaign.pk) == before


def test_a_campaign_used_again_is_a_draft_with_the_same_plan(ours: House, browser: Client) -> None:
    ours.sent.options = {"devices": "latest", "expires_at": (timezone.now() - timedelta(days=1)).isoformat()}
    ours.sent.save()
    act(browser, ours.sent, "use_again")
    copy = Campaign.objects.order_by("-pk").first()
    assert copy is not None
    assert (copy.status, copy.content, copy.options) == ("draft", ours.sent.content, {"devices": "latest"})
    assert list(copy.segments.all()) == [ours.segment]
    assert Message.objects.filter(campaign=copy).count() == 0
