"""Counters as pages show them: rates with their denominator, lists with their totals."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Sum

from campaigns.counting import OUTCOMES, REPORTS
from campaigns.models import Campaign, CampaignTotal

ENDED = tuple(OUTCOMES.values())
COUNTED = (*ENDED, *REPORTS)


def attach_totals(campaigns: Iterable[Campaign]) -> None:
    """Gives each campaign its `totals`, all in one query of the counters."""
    campaigns = list(campaigns)
    rows = CampaignTotal.objects.filter(campaign_id__in=[one.pk for one in campaigns]).values("campaign_id")
    found = {row.pop("campaign_id"): row for row in rows.annotate(**{name: Sum(name) for name in COUNTED})}
    for campaign in campaigns:
        campaign.totals = found.get(campaign.pk) or dict.fromkeys(COUNTED, 0)


def totals_of(campaign_id: int) -> dict[str, int]:
    """The counters of one campaign."""
    sums = CampaignTotal.objects.filter(campaign_id=campaign_id).aggregate(**{name: Sum(name) for name in COUNTED})
    return {name: int(value or 0) for name, value in sums.items()}


def percent(part: int, whole: int) -> str | None:
    """Such as `76.5 %`; None where there is nothing to be a part of."""
    return f"{100 * part / whole:.1f} %" if whole else None


def rate(part: int, whole: int) -> str:
    """A number with its share: `44,012 (98.2 %)`."""
    share = percent(part, whole)
    return f"{part:,} ({share})" if share else f"{part:,}"


def funnel(totals: dict[str, int]) -> list[dict[str, Any]]:
    """From targeted to clicked; each step names what its share is of."""
    steps = (
        ("targeted", "Targeted", None, "way"),
        ("accepted", "Accepted", "targeted", "way"),
        ("received", "Received", "accepted", "reach"),
        ("shown", "Shown", "received", "reach"),
        ("clicked", "Clicked", "shown", "reach"),
    )
    widest = max(totals["targeted"], 1)
    return [
        {
            "key": key,
            "title": title,
            "number": totals[key],
            "share": percent(totals[key], totals[whole]) if whole else None,
            "of": whole,
            "width": round(100 * totals[key] / widest, 2),
            "colour": colour,
            "meaning": MEANINGS[key],
        }
        for key, title, whole, colour in steps
    ]


MEANINGS = {
    "targeted": "Devices that were to get it.",
    "accepted": "The push service took it: a promise to try, not yet a screen.",
    "received": "The browser says that it arrived.",
    "shown": "The browser says that it was put on the screen.",
    "clicked": "The person clicked it, or one of its buttons.",
    "closed": "The person closed it.",
    "converted": "The person did what it was about.",
    "gone": "The browser had unsubscribed; the device was retired.",
    "failed": "The push service refused it, or could not be reached in time.",
    "expired": "Its time was over before it could be sent.",
    "skipped": "Not sent: consent, link or text changed after the audience was worked out.",
    "cancelled": "Not sent: the campaign was cancelled.",
    "expired_unseen": "Accepted, but no browser came for it before its time was over.",
    "remaining": "Still to be sent.",
}
SIDES = (
    ("gone", "Gone", "look"),
    ("failed", "Failed", "fail"),
    ("expired", "Expired", "look"),
    ("skipped", "Skipped", ""),
    ("cancelled", "Cancelled", ""),
    ("expired_unseen", "Expired unseen", "look"),
    ("closed", "Closed", ""),
)


def sides(totals: dict[str, int]) -> list[dict[str, Any]]:
    """What left the funnel on the way."""
    return [
        {"key": key, "title": title, "colour": colour, "number": totals[key], "meaning": MEANINGS[key]}
        for key, title, colour in SIDES
    ]
