"""Accepts a message for chosen recipients: path B of the architecture, up to the corridor."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from campaigns import audience, counting
from campaigns.models import Lane, Message, Recipient
from campaigns.recipients import Decided, decide
from campaigns.send_request import DEFAULT_TTL, SendRequest
from pushplatform.api.problems import invalid
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
class Accepted:
    message: Message
    recipients: Sequence[Decided]
    batch_ids: Sequence[int]
    """To be poked after the commit; of a scheduled message none are due."""


@dataclass(frozen=True, slots=True)
class _Times:
    send_at: datetime
    expires_at: datetime
    ttl: int
    """Seconds, from send_at."""


def accept(request: SendRequest, site: Site, client: ApiClient, now: datetime) -> Accepted:
    """Writes the Message, its Recipients and Batches. To be called in a transaction; raises Problem 422."""
    times = _times(request, now)
    purpose, personal_data_id = _purpose(site, request.purpose)
    decided = decide(site.pk, purpose, personal_data_id, request.recipients)
    message = _insert_message(request, site, client, purpose, times, decided, now)
    with connection.cursor() as cursor:
        counting.make_rows(cursor, message.pk, None, Lane.TARGETED)
    _copy_recipients(message.pk, decided)
    rows = sorted(
        (device.id, device.contact_id, device.service, device.vapid_key_id, one.request.no)
        for one in decided
        for device in one.devices
    )
    batch_ids = audience.insert_batches(message, rows, Lane.TARGETED) if rows else []
    return Accepted(message, decided, batch_ids)


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


def _purpose(site: Site, key: str) -> tuple[Purpose, int | None]:
    """The Site's purpose to send for, and the id of its `personal_data`."""
    purposes = list(Purpose.objects.filter(site=site).order_by("bit"))
    kept_apart = (Purpose.PERSONAL_DATA, Purpose.MEASUREMENT)
    sendable = {one.key: one for one in purposes if one.bit not in kept_apart and not one.archived}
    if key not in sendable:
        known = ", ".join(sendable) or "none yet"
        detail = f"The Site has no purpose {key!r} to send for; it has: {known}."
        raise invalid([("/purpose", "unknown_purpose", detail)])
    personal_data = next((purpose.pk for purpose in purposes if purpose.bit == Purpose.PERSONAL_DATA), None)
    return sendable[key], personal_data


def _insert_message(
    request: SendRequest,
    site: Site,
    client: ApiClient,
    purpose: Purpose,
    times: _Times,
    decided: Sequence[Decided],
    now: datetime,
) -> Message:
    queued = sum(1 for one in decided if one.devices)
    later = times.send_at > now
    status = Message.Status.SCHEDULED if later else Message.Status.SENDING
    options: dict[str, Any] = {"urgency": request.urgency, "devices": request.devices, "ttl": times.ttl}
    if request.collapse_key:
        options["collapse_key"] = request.collapse_key
    return Message.objects.create(
        site=site,
        client=client,
        correlation_id=request.correlation_id or "",
        purpose=purpose,
        content=request.content_json,
        options=options,
        topic=topic(site.pk, request.collapse_key) if request.collapse_key else None,
        status=status if queued else Message.Status.FINISHED,
        targeted=sum(len(one.devices) for one in decided),
        recipients_queued=queued,
        recipients_skipped=len(decided) - queued,
        send_at=times.send_at,
        expires_at=times.expires_at,
        ref_secret=secrets.token_bytes(32),
        finished_at=None if queued else now,
    )


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
