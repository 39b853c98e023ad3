"""Pages that stay open while a campaign is sent."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns import counting
from campaigns.counting import Counter
from campaigns.models import AnswerSample, Campaign, Message
from pushplatform.sites.models import Site
from pushplatform.webpush.outcome import REASONS
from subscribers.models import Purpose
from tests.admin.roads import minute
from tests.browser.browsers import Browser
from tests.browser.real_platform import Marketer, RealPlatform
from tests.parts.stack import Stack

FAST = "const real = setTimeout; window.setTimeout = (act, wait, ...more) => real(act, wait / 20, ...more);"
"""What the page does every few seconds it does twenty times as often."""

CONTENT = {"title": "Hello", "url": "https://shop.example/"}


@pytest.fixture(scope="module")
def platform(begin_module_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> RealPlatform:
    return RealPlatform(begin_module_stack(web=True), tmp_path_factory.mktemp("platform"))


@pytest.fixture
def message(platform: RealPlatform) -> Message:
    """A campaign's that began just now, and has nothing to tell yet."""
    AnswerSample.objects.all().delete()
    site, now = Site.objects.get(), timezone.now()
    purpose = Purpose.objects.get(site=site, key="offers")
    of_both = {"site": site, "purpose": purpose, "content": CONTENT}
    campaign = Campaign.objects.create(name="Autumn", status=Campaign.Status.SENDING, launched_at=now, **of_both)
    return Message.objects.create(
        campaign=campaign, status=Message.Status.SENDING, targeted=50, send_at=now,
        expires_at=now + timedelta(hours=1), ref_secret=os.urandom(32), **of_both,
    )  # fmt: skip


@pytest.fixture
def page(chromium: Browser, platform: RealPlatform) -> Iterator[Page]:
    """A marketer's, in whose tab time is short."""
    chromium.context.clear_cookies()
    Marketer(chromium, platform).page.close()
    page = chromium.page()
    page.add_init_script(FAST)
    yield page
    page.close()


def answered(message: Message, status: int, body: str) -> None:
    """Seven devices were reached in this minute, and as many answers were bad ones."""
    now = timezone.now()
    counter = Counter(message.pk, message.campaign_id, message.site_id, 0)
    with connection.cursor() as cursor:
        counting.add(cursor, counter, now, {"accepted": 7}, {("browser", "chrome"): {"accepted": 7}})
    AnswerSample.objects.create(
        message_id=message.pk, service=1, http_code=status, reason=REASONS["gave_up"].number, number=7, body=body,
        first_at=now, last_at=now,
    )  # fmt: skip


def test_reasons_answers_tables_and_the_chart_follow_what_is_sent(
    page: Page, platform: RealPlatform, message: Message
) -> None:
    page.goto(f"{platform.stack.web_url}/admin/campaigns/campaign/{message.campaign_id}/change/")
    wrong = page.locator("section", has=page.get_by_role("heading", name="What went wrong, and why"))
    expect(wrong).to_contain_text("Nothing went wrong so far.")
    expect(page.locator("[data-chart]")).to_contain_text("Nothing has happened yet.")

    answered(message, 429, "too many of them")
    expect(wrong).to_contain_text("too many of them")
    expect(wrong).not_to_contain_text("Nothing went wrong")
    expect(page.locator("[data-rows-of=browser]")).to_contain_text("Chrome")
    expect(page.locator("[data-chart] svg")).to_be_visible()

    # Who has folded the answers finds them folded, and goes on from there.
    wrong.locator("summary").press("Enter")
    expect(wrong.locator("details")).not_to_have_attribute("open", "")
    answered(message, 503, "in trouble")
    expect(wrong.locator("summary")).to_contain_text("2 kinds")
    expect(wrong.locator("summary")).to_be_focused()
    expect(wrong.locator("details")).not_to_have_attribute("open", "")


def test_what_push_services_answer_is_told_where_they_are_watched(
    page: Page, platform: RealPlatform, message: Message
) -> None:
    minute(message.site.vapid_keys.get(), timezone.now(), accepted=5)
    page.goto(f"{platform.stack.web_url}/admin/campaigns/campaign/push-services/")
    expect(page.locator("[data-road]")).to_be_visible()
    expect(page.get_by_text("What push services answered")).to_have_count(0)
    answered(message, 429, "too many of them")
    expect(page.get_by_text("too many of them")).to_be_visible()
