"""`GET /c/{token}`: counts a click and says where it leads, for browsers that navigate without the service worker.

The target is rendered again from the stored template, never taken from the address: no open redirect can be made of it.
"""

import json
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from campaigns.content import ContentError, Renderer, parse_content
from campaigns.loading import CONTACT_FIELDS, DEVICE_FIELDS, contact_values
from campaigns.models import Message
from campaigns.receipt_tokens import TokenSubject, device_ref, parse_click
from campaigns.receipts import Report, record

MOST_SEARCHED: Final = 20_000
"""Devices among which the one behind a pseudonym is looked for; in a larger message its templates stay empty."""


class _Reader(NamedTuple):
    """Whose values the templates are filled with."""

    device: dict[str, Any]
    contact: dict[str, Any]
    params: dict[str, Any]


_NOBODY: Final = _Reader({}, {}, {})


def follow(token: str, action: str | None, now: datetime, *, count: bool = True) -> str | None:
    """Where the click leads, after it was counted; None for a token that is not ours or whose Message is gone.

    `action`: the button, None for the notification itself; `count` False only looks (HEAD requests).
    """
    subject = parse_click(token)
    message = subject and Message.objects.select_related("site").filter(pk=subject.message_id).first()
    if not subject or message is None:
        return None
    if count:
        record([(subject, Report(token, "clicked", action, now))], now)
    try:
        content = parse_content(message.content)
    except ContentError:  # it was stored by an older release with other rules
        return message.site.home_url or f"{message.site.origins[0]}/"
    varies = bool(content.reads) or bool(content.translations)
    reader = _load(message, subject) if varies else _NOBODY
    return Renderer(content, message.site, message).target(reader.contact, reader.device, reader.params, action)


def _load(message: Message, subject: TokenSubject) -> _Reader:
    device_id = subject.device_ref if subject.device_ref > 0 else _behind(message, subject.device_ref)
    if device_id is None:
        return _NOBODY
    columns = ", ".join([*(f"d.{name}" for name in DEVICE_FIELDS), *(f"c.{name}" for name in CONTACT_FIELDS)])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            select {columns}, c.attributes, r.params from device d
            left join delivery x on x.message_id = %(message)s and x.device_id = d.id
            left join contact c on c.id = coalesce(x.contact_id, d.contact_id)
            left join lateral (
                select b.recipient_nos[array_position(b.device_ids, d.id)] no from batch b
                where b.message_id = %(message)s and b.recipient_nos is not null and d.id = any(b.device_ids) limit 1
            ) b on true
            left join recipient r on r.message_id = %(message)s and r.no = b.no
            where d.id = %(device)s and d.site_id = %(site)s
            """,
            {"message": message.pk, "device": device_id, "site": message.site_id},
        )
        row = cursor.fetchone()
    if row is None:
        return _NOBODY
    split = len(DEVICE_FIELDS)
    device = dict(zip(DEVICE_FIELDS, row[:split], strict=True))
    return _Reader(device, contact_values(row[split:-1]), json.loads(row[-1]) if row[-1] else {})


def _behind(message: Message, ref: int) -> int | None:
    """The device with this pseudonym, while the message's secret lives and its audience is small."""
    if message.ref_secret is None or message.targeted > MOST_SEARCHED:
        return None
    secret = bytes(message.ref_secret)
    with connection.cursor() as cursor:
        cursor.execute("select distinct unnest(device_ids) from batch where message_id = %s", [message.pk])
        return next((id_ for (id_,) in cursor.fetchall() if device_ref(secret, id_, False) == ref), None)
