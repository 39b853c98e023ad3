"""The dialogs before a launch: how many, what, when, until when. What was confirmed is what is launched: the token says
which draft the dialog showed."""

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.core import signing
from django.utils import timezone

from campaigns import audience
from campaigns.admin import device_words, preview, road_words
from campaigns.audience import UnknownSegment, Waterfall
from campaigns.models import Campaign
from campaigns.options import parse_options
from subscribers import segments

_SALT = "campaigns.launch"
_LONGEST = timedelta(hours=12)
"""How long a dialog may stay open."""


def data_of(campaign: Campaign) -> dict[str, Any]:
    """What the dialogs say of a draft that is ready."""
    now = timezone.now()
    options, _ = parse_options(campaign.options, now)
    rows = list(campaign.campaign_segments.select_related("segment").order_by("id"))
    figures = waterfall_of(campaign)
    return {
        "token": token_of(campaign),
        "figures": figures,
        "ceiling": _ceiling(campaign, figures.after_device_choice, options.ttl if options else None),
        "segments": [row.segment.name for row in rows if not row.excluded],
        "excluded": [row.segment.name for row in rows if row.excluded],
        "notification": _drawn(campaign),
        "purpose": campaign.purpose.title,
        "devices": device_words.words_of(options.devices) if options and options.devices != "all" else "",
        "until": options and options.expires_at,
        "until_fixed": bool(campaign.options.get("expires_at")),
        "ttl": options and options.ttl,
    }


def _ceiling(campaign: Campaign, devices: int, ttl: int | None) -> dict[str, Any] | None:
    """What the lower of the ceilings means for so many devices: how long it takes, and how many that is too long for.

    None without a ceiling, and where it does not matter.
    """
    given = [number for number in (campaign.options.get("per_minute"), campaign.site.per_minute) if number]
    if not given or devices <= min(given):
        return None
    minutes = devices / min(given)
    late = devices - int(min(given) * ttl / 60) if ttl else 0
    return {"per_minute": min(given), "takes": road_words.lasting(60 * minutes), "late": max(late, 0)}


def _drawn(campaign: Campaign) -> dict[str, Any]:
    """As nobody in particular sees it."""
    drawn: dict[str, Any] = preview.draw(campaign.content, campaign.site, preview.NOBODY).get("notification", {})
    return drawn


def waterfall_of(campaign: Campaign) -> Waterfall:
    rows = list(campaign.campaign_segments.order_by("id").values_list("segment_id", "excluded"))
    return audience.count(
        campaign.site_id,
        [pk for pk, excluded in rows if not excluded],
        [pk for pk, excluded in rows if excluded],
        campaign.purpose,
        campaign.options.get("devices") or "all",
    )


def expected_of(campaign: Campaign) -> Waterfall | None:
    """How many it would reach now; None where a segment cannot be worked out (any more)."""
    try:
        return waterfall_of(campaign)
    except (UnknownSegment, segments.DefinitionError):
        return None


def token_of(campaign: Campaign) -> str:
    """Stands for this draft as it is now."""
    return signing.dumps([campaign.pk, _digest(campaign)], salt=_SALT)


def is_what_was_shown(campaign: Campaign, token: str) -> bool:
    """Whether the draft is still the one that the dialog with this token showed."""
    try:
        return bool(signing.loads(token, salt=_SALT, max_age=_LONGEST) == [campaign.pk, _digest(campaign)])
    except signing.BadSignature:
        return False


def _digest(campaign: Campaign) -> str:
    """Of everything that decides who gets what."""
    rows = campaign.campaign_segments.order_by("segment_id").values_list(
        "segment_id", "excluded", "segment__definition"
    )
    plan = [campaign.purpose_id, campaign.content, campaign.options, [list(row) for row in rows]]
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
