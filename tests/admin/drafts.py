"""What a browser posts from a draft's page."""

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign
from tests.admin.house import House


def fields(house: House, **changes: Any) -> dict[str, Any]:
    """A form that can be launched, with changes."""
    return {
        "name": "Autumn",
        "segments": [house.segment.pk],
        "purpose": house.offers.pk,
        "title": "Hello {{ contact.first_name | default: 'you' }}",
        "body": "Wool and linen",
        "url": "https://shop.example/autumn",
        "devices": "all",
        "life": "ttl",
        "ttl_number": 8,
        "ttl_unit": "hours",
        "urgency": "normal",
    } | changes


def saved(house: House, browser: Client, **changes: Any) -> Campaign:
    answer = browser.post(f"{reverse('admin:campaigns_campaign_add')}?_site={house.site.pk}", fields(house, **changes))
    assert answer.status_code == 302, said(answer.content)
    return Campaign.objects.get(pk=re.search(r"/(\d+)/change/", answer["Location"])[1])  # type: ignore[index]


def said(content: bytes) -> list[str]:
    """Every error that stands on a page, with the field it stands beside: `field: sentence`."""
    found = []
    for block in re.split(r'data-field="', content.decode())[1:]:
        name = block.split('"')[0]
        place = re.search(r'<div class="pp-error"[^>]*>(.*?)</div>', block, re.DOTALL)
        if place:
            found += [f"{name}: {html.unescape(text)}" for text in re.findall(r"<p>(.*?)</p>", place[1])]
    notes = re.findall(r'<div class="pp-note pp-note-fail"[^>]*>(.*?)</div>', content.decode(), re.DOTALL)
    return found + [html.unescape(text) for note in notes for text in re.findall(r"<p>(.*?)</p>", note)]


def dialog_token(browser: Client, campaign: Campaign) -> str:
    """The token of the launch dialog, as a marketer opens it."""
    page = browser.get(f"{reverse('admin:campaigns_campaign_change', args=[campaign.pk])}?launch=1").content.decode()
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found is not None, said(page.encode())
    return found[1]


def launch(browser: Client, campaign: Campaign, token: str | None = None, **more: Any) -> Any:
    token = dialog_token(browser, campaign) if token is None else token
    return browser.post(reverse("admin:campaigns_campaign_launch", args=[campaign.pk]), {"token": token, **more})
