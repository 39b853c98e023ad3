"""Launches campaigns: from a draft to a Message with frozen content, options and audience (path C, up to freezing)."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from campaigns import audience, counting
from campaigns.audience import Audience, UnknownSegment
from campaigns.content import Content, ContentError, parse_content
from campaigns.models import Campaign, Lane, Message
from campaigns.options import Options, Wrong, parse_options
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.request import topic
from subscribers.models import Device, Purpose
from subscribers.segments import DefinitionError

SPREAD_FROM: Final = 5_000
"""Devices from which on the browsers' reports are spread over time …"""

SPREAD_PER_SECOND: Final = 2_000
LONGEST_SPREAD: Final = 25
"""… at so many a second, within so many seconds: browsers end an idle worker after about 30."""


class LaunchRefused(ValueError):
    """The campaign stays what it was; `errors` are (field, code, detail): all that stands in the way."""

    def __init__(self, errors: list[Wrong]):
        super().__init__("; ".join(f"{field}: {detail}" for field, _, detail in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything that a launch needs, checked."""

    content: Content
    options: Options
    audience: Audience


@transaction.atomic
def launch(campaign_id: int, user_id: int | None, now: datetime) -> Message | None:
    """Launches a draft, or a scheduled campaign before or at its time; the caller pokes `freeze_message` with the id.

    Of many launches at once one succeeds; the others, and all that cannot be, raise LaunchRefused. A draft that has a
    time is scheduled for it instead: None.
    """
    campaign = _get(campaign_id)
    if campaign.status == Campaign.Status.DRAFT and campaign.send_at is not None:
        _check_time(campaign.send_at, now)
        _move(campaign, (Campaign.Status.DRAFT,), Campaign.Status.SCHEDULED)
        _check(campaign, campaign.send_at)
        return None
    _move(campaign, (Campaign.Status.DRAFT, Campaign.Status.SCHEDULED), Campaign.Status.SENDING, launched_at=now)
    return _make_message(campaign, _check(campaign, now), user_id, now)


def launch_when_due(campaign_id: int, now: datetime) -> Message | None:
    """Launches a scheduled campaign whose time has come; when it cannot be, it is a draft again that says why: None."""
    try:
        return launch(campaign_id, None, now)
    except LaunchRefused as refused:
        why = [{"field": field, "code": code, "detail": detail} for field, code, detail in refused.errors]
        Campaign.objects.filter(pk=campaign_id, status=Campaign.Status.SCHEDULED).update(
            status=Campaign.Status.DRAFT, audience={"refused": why, "refused_at": now.isoformat()}
        )
        return None


def check(campaign: Campaign, now: datetime) -> list[Wrong]:
    """What stands in the way of `campaign` now, or at the time it has; nothing when it is ready."""
    try:
        if campaign.send_at is not None:
            _check_time(campaign.send_at, now)
        _check(campaign, campaign.send_at or now)
    except LaunchRefused as refused:
        return refused.errors
    return []


def unschedule(campaign_id: int) -> None:
    """Makes a scheduled campaign a draft again; raises LaunchRefused when it is not scheduled (any more)."""
    _move(_get(campaign_id), (Campaign.Status.SCHEDULED,), Campaign.Status.DRAFT)


def _check_time(send_at: datetime, now: datetime) -> None:
    if send_at <= now:
        detail = "The time to launch it has passed: choose a later one, or empty it to launch now."
        raise LaunchRefused([("send_at", "in_the_past", detail)])


def _get(campaign_id: int) -> Campaign:
    campaign = Campaign.objects.select_related("site", "purpose").filter(pk=campaign_id).first()
    if campaign is None:
        raise LaunchRefused([("campaign", "unknown_campaign", "There is no such campaign.")])
    return campaign


def _move(campaign: Campaign, before: tuple[Any, ...], after: Any, **changes: Any) -> None:
    """Compare-and-set on the status."""
    if not Campaign.objects.filter(pk=campaign.pk, status__in=before).update(status=after, **changes):
        status = Campaign.objects.values_list("status", flat=True).get(pk=campaign.pk)
        wanted = " or ".join(Campaign.Status(one).label.lower() for one in before)
        detail = f"It is {Campaign.Status(status).label.lower()}, not {wanted}: somebody was faster, or it was sent."
        raise LaunchRefused([("status", f"not_{before[0]}", detail)])


def _check(campaign: Campaign, start: datetime) -> _Plan:
    """The plan of a campaign that begins at `start`; raises LaunchRefused with everything that is wrong."""
    errors: list[Wrong] = []
    content = _content(campaign, errors)
    options, wrong = parse_options(campaign.options, start)
    errors += [(f"options.{name}", code, detail) for name, code, detail in wrong]
    errors += _purpose_errors(campaign.purpose)
    if not VapidKey.objects.filter(site=campaign.site).exclude(state=VapidKey.State.RETIRED).exists():
        errors.append(("site", "no_usable_key", "The Site has no VAPID key that signs: make one first."))
    who = _audience(campaign, options.devices if options else "all", errors)
    if content is None or options is None or who is None or errors:
        raise LaunchRefused(errors)
    return _Plan(content, options, who)


def _content(campaign: Campaign, errors: list[Wrong]) -> Content | None:
    try:
        return parse_content(campaign.content)
    except ContentError as error:
        errors += [(f"content{pointer.replace('/', '.')}", code, detail) for pointer, code, detail in error.errors]
        return None


def _purpose_errors(purpose: Purpose) -> list[Wrong]:
    if purpose.archived:
        return [("purpose", "purpose_archived", f"{purpose.title} is archived: choose a purpose that is in use.")]
    if purpose.bit in (Purpose.PERSONAL_DATA, Purpose.MEASUREMENT):
        return [("purpose", "unknown_purpose", f"{purpose.title} is not a purpose to send for.")]
    return []


def _audience(campaign: Campaign, devices: str, errors: list[Wrong]) -> Audience | None:
    """The audience with the definitions as they are now; None, and what is wrong, when nobody would get it."""
    chosen = list(campaign.campaign_segments.order_by("id").values_list("segment_id", "excluded"))
    include = [segment_id for segment_id, excluded in chosen if not excluded]
    if not include:
        errors.append(("segments", "no_segment", "Choose a segment; one that matches everyone will do."))
        return None
    try:
        exclude = [segment_id for segment_id, excluded in chosen if excluded]
        who = Audience.of(campaign.site_id, include, exclude, campaign.purpose, devices)
        empty = audience.is_empty(who)
    except UnknownSegment:
        errors.append(("segments", "unknown_segment", "A segment is archived or of another Site: choose another."))
    except DefinitionError as error:
        detail = "; ".join(one.detail for one in error.errors)
        errors.append(("segments", "broken_segment", f"A segment cannot be worked out: {detail}"))
    else:
        if not empty:
            return who
        detail = f"Nobody would get it: no active device in these segments has agreed to {campaign.purpose.title}."
        errors.append(("segments", "empty_audience", detail))
    return None


def _make_message(campaign: Campaign, plan: _Plan, user_id: int | None, now: datetime) -> Message:
    options, collapse_key = plan.options, plan.options.collapse_key
    frozen: dict[str, Any] = {"devices": options.devices, "ttl": options.ttl, "urgency": options.urgency}
    if collapse_key:
        frozen["collapse_key"] = collapse_key
    if options.per_minute:
        frozen["per_minute"] = options.per_minute
    message = Message.objects.create(
        site=campaign.site,
        campaign=campaign,
        purpose=campaign.purpose,
        content=campaign.content,
        options=frozen | spread(campaign.site_id),
        topic=topic(campaign.site_id, collapse_key) if collapse_key else None,
        status=Message.Status.FREEZING,
        audience=plan.audience.as_json() | {"launched_by": user_id},
        freeze_end=Device.objects.order_by("-id").values_list("id", flat=True).first() or 0,
        send_at=now,
        expires_at=options.expires_at,
        ref_secret=secrets.token_bytes(32),
    )
    with connection.cursor() as cursor:
        counting.make_rows(cursor, message.pk, campaign.pk, Lane.CAMPAIGN)
    return message


def spread(site_id: int) -> dict[str, int]:
    """The span of the browsers' reports, by how many devices there are at most."""
    devices = Device.objects.filter(site_id=site_id)[: LONGEST_SPREAD * SPREAD_PER_SECOND].count()
    return {"spread": min(LONGEST_SPREAD, devices // SPREAD_PER_SECOND)} if devices >= SPREAD_FROM else {}
