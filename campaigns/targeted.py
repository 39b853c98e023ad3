"""Accepts a message for chosen recipients: path B of the architecture, up to the corridor."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from campaigns import audience, counting, launch, segment_audience
from campaigns.audience import Audience
from campaigns.content import Content, ContentError, parse_content
from campaigns.models import Campaign, Lane, Message, Recipient
from campaigns.recipients import Decided, decide
from campaigns.send_request import DEFAULT_TTL, SendRequest
from pushplatform.api.problems import invalid
from pushplatform.sites import public_ids
from pushplatform.sites.models import ApiClient, Site
from pushplatform.webpush.outcome import REASONS
from pushplatform.webpush.request import MAX_TTL, topic
from subscribers.models import Purpose

MAX_AHEAD: Final = timedelta(days=30)
CLOCK_SKEW: Final = timedelta(minutes=1)
"""A send_at this much in the past is now: clocks differ."""

LEAST_LIFE: Final = timedelta(minutes=1)
"""`ttl` 0 means "now or never" to the push service; we still need a moment to get there."""

_COLUMNS: Final = "message_id, no, external_id, device_id, contact_id, params, rule, status, reason, devices"


@dataclass(frozen=True, slots=True)
class _Times:
    send_at: datetime
    expires_at: datetime
    ttl: int
    """Seconds, from send_at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with everything that it names looked up; nothing is written yet. Of `decided` and `audience` one says
    who gets it."""

    request: SendRequest
    site: Site
    purpose: Purpose
    times: _Times
    content: Content
    content_json: dict[str, Any]
    campaign: Campaign | None
    decided: Sequence[Decided]
    audience: Audience | None

    @property
    def recipients_queued(self) -> int:
        return sum(1 for one in self.decided if one.devices)

    @property
    def devices_queued(self) -> int:
        return sum(len(one.devices) for one in self.decided)


@dataclass(frozen=True, slots=True)
class Accepted:
    plan: Plan
    message: Message
    batch_ids: Sequence[int]
    """To be poked after the commit; of a scheduled message none are due, of an audience none are made yet."""


def accept(request: SendRequest, site: Site, client: ApiClient, now: datetime) -> Accepted:
    """Writes the Message, its Recipients and Batches. To be called in a transaction; raises Problem 422."""
    return _write(plan(request, site, now), client, now)


def plan(request: SendRequest, site: Site, now: datetime) -> Plan:
    """What the request comes to. Raises Problem 422, naming what it asks for and the Site does not have."""
    times = _times(request, now)
    campaign, content, content_json = _text(request, site)
    purpose, personal_data_id = _purpose(request, site, campaign)
    who = None if request.audience is None else segment_audience.read(request, request.audience, site, purpose)
    decided = [] if who else decide(site.pk, purpose, personal_data_id, request.recipients)
    return Plan(request, site, purpose, times, content, content_json, campaign, decided, who)


def _write(plan_: Plan, client: ApiClient, now: datetime) -> Accepted:
    message = _insert_message(plan_, client, now)
    lane = Lane.TARGETED if plan_.audience is None else Lane.CAMPAIGN
    with connection.cursor() as cursor:
        counting.make_rows(cursor, message.pk, None, lane)
    if plan_.audience is not None:
        return Accepted(plan_, message, [])
    _copy_recipients(message.pk, plan_.decided)
    rows = sorted(
        (device.id, device.contact_id, device.service, device.vapid_key_id, one.request.no)
        for one in plan_.decided
        for device in one.devices
    )
    batch_ids = audience.insert_batches(message, rows, Lane.TARGETED) if rows else []
    return Accepted(plan_, message, batch_ids)


def begin_due(now: datetime) -> None:
    """Begins scheduled messages whose time has come: named recipients are sent to, an audience is frozen first."""
    due = Message.objects.filter(status=Message.Status.SCHEDULED, finished_at=None, send_at__lte=now)
    due.filter(audience={}).update(status=Message.Status.SENDING)
    of_segments = due.exclude(audience={})
    if of_segments.exists():
        of_segments.update(status=Message.Status.FREEZING, freeze_end=segment_audience.last_device_id())


def _times(request: SendRequest, now: datetime) -> _Times:
    send_at = request.send_at or now
    if send_at < now - CLOCK_SKEW:
        raise invalid([("/send_at", "out_of_range", "send_at is in the past; leave it out to send now.")])
    if send_at > now + MAX_AHEAD:
        raise invalid([("/send_at", "out_of_range", f"send_at is more than {MAX_AHEAD.days} days ahead.")])
    send_at = max(send_at, now)
    if request.expires_at is None:
        ttl = DEFAULT_TTL if request.ttl is None else request.ttl
        return _Times(send_at, send_at + max(timedelta(seconds=ttl), LEAST_LIFE), ttl)
    if request.expires_at <= send_at:
        when = "send_at" if request.send_at else "now"
        raise invalid([("/expires_at", "out_of_range", f"expires_at must be after {when}.")])
    ttl = int((request.expires_at - send_at).total_seconds())
    if ttl > MAX_TTL:
        days = MAX_TTL // 86_400
        raise invalid([("/expires_at", "out_of_range", f"expires_at is more than {days} days after it is sent.")])
    return _Times(send_at, request.expires_at, ttl)


def _text(request: SendRequest, site: Site) -> tuple[Campaign | None, Content, dict[str, Any]]:
    """The campaign whose texts are used, and the texts."""
    if request.content is not None:
        return None, request.content, request.content_json
    try:
        number = public_ids.decode("cmp", request.campaign or "")
    except public_ids.UnknownId:
        number = 0
    campaign = Campaign.objects.select_related("purpose").filter(pk=number, site=site).first()
    if campaign is None:
        raise invalid([("/campaign", "unknown_campaign", "There is no campaign with this id.")])
    if campaign.status == Campaign.Status.CANCELLED:
        raise invalid([("/campaign", "campaign_not_ready", "The campaign was cancelled; its texts are not sent.")])
    try:
        return campaign, parse_content(campaign.content), campaign.content
    except ContentError as error:
        at, _, why = error.errors[0]
        detail = f"The campaign's content cannot be sent yet, {at or 'as a whole'}: {why}"
        raise invalid([("/campaign", "campaign_not_ready", detail)]) from None


def _purpose(request: SendRequest, site: Site, campaign: Campaign | None) -> tuple[Purpose, int | None]:
    """The Site's purpose to send for, and the id of its `personal_data`."""
    key = request.purpose or ""
    if campaign is not None:
        if request.purpose not in (None, campaign.purpose.key):
            detail = f"The campaign is sent for {campaign.purpose.key}; leave purpose out, or give that."
            raise invalid([("/purpose", "other_purpose", detail)])
        key = campaign.purpose.key
    purposes = list(Purpose.objects.filter(site=site).order_by("bit"))
    kept_apart = (Purpose.PERSONAL_DATA, Purpose.MEASUREMENT)
    sendable = {one.key: one for one in purposes if one.bit not in kept_apart and not one.archived}
    if key not in sendable:
        known = ", ".join(sendable) or "none yet"
        detail = f"The Site has no purpose {key!r} to send for; it has: {known}."
        raise invalid([("/purpose" if request.purpose else "/campaign", "unknown_purpose", detail)])
    personal_data = next((purpose.pk for purpose in purposes if purpose.bit == Purpose.PERSONAL_DATA), None)
    return sendable[key], personal_data


def _insert_message(plan_: Plan, client: ApiClient, now: datetime) -> Message:
    request, times = plan_.request, plan_.times
    options: dict[str, Any] = {"urgency": request.urgency, "devices": request.devices, "ttl": times.ttl}
    if request.collapse_key:
        options["collapse_key"] = request.collapse_key
    status, audience_members = _start(plan_, options, now)
    ended = status == Message.Status.FINISHED
    return Message.objects.create(
        site=plan_.site,
        client=client,
        content_from=plan_.campaign,
        correlation_id=request.correlation_id or "",
        purpose=plan_.purpose,
        content=plan_.content_json,
        options=options,
        topic=topic(plan_.site.pk, request.collapse_key) if request.collapse_key else None,
        status=status,
        targeted=plan_.devices_queued,
        recipients_queued=plan_.recipients_queued,
        recipients_skipped=len(plan_.decided) - plan_.recipients_queued,
        send_at=times.send_at,
        expires_at=times.expires_at,
        ref_secret=secrets.token_bytes(32),
        finished_at=now if ended else None,
        **audience_members,
    )


def _start(plan_: Plan, options: dict[str, Any], now: datetime) -> tuple[Any, dict[str, Any]]:
    """The first status, and what an audience to be frozen needs; adds to `options` what only that has."""
    later = plan_.times.send_at > now
    if plan_.audience is None:
        if not plan_.recipients_queued:
            return Message.Status.FINISHED, {}
        return Message.Status.SCHEDULED if later else Message.Status.SENDING, {}
    options.update(launch.spread(plan_.site.pk))
    who = {"audience": plan_.audience.as_json(), "freeze_end": 0 if later else segment_audience.last_device_id()}
    return Message.Status.SCHEDULED if later else Message.Status.FREEZING, who


def _copy_recipients(message_id: int, decided: Sequence[Decided]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy recipient ({_COLUMNS}) from stdin") as copy:
        for one in decided:
            request = one.request
            copy.write_row(
                (
                    message_id,
                    request.no,
                    request.external_id,
                    one.device_id,
                    one.contact_id,
                    # What cannot be used is not kept either.
                    request.params_json if request.params_fit else "{}",
                    request.own_rule_json,
                    Recipient.Status.QUEUED if one.devices else Recipient.Status.SKIPPED,
                    REASONS[one.reason].number if one.reason else None,
                    len(one.devices),
                )
            )
