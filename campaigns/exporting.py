"""Everything known of a person, for the person to read and to take along (GDPR, articles 15 and 20)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.models import Delivery, Message, Receipt, ReceiptKind
from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from pushplatform.webpush.outcome import REASONS, Outcome
from pushplatform.webpush.request import PushService
from subscribers import person_data
from subscribers.models import Contact, Device, MergedContact

_CODES = {reason.number: code for code, reason in REASONS.items()}


def export(contact: Contact, now: datetime) -> dict[str, Any]:
    """Without what would let others send to the person's browsers: endpoints, keys and secrets."""
    merged = list(MergedContact.objects.filter(into=contact).values_list("external_id", flat=True))
    devices = list(Device.objects.filter(contact=contact).order_by("id"))
    deliveries = list(Delivery.objects.filter(contact_id=contact.pk).order_by("message_id", "device_id"))
    recipients = _recipients(contact, [contact.external_id, *merged], [device.pk for device in devices])
    return {
        "exported_at": rfc3339(now),
        **person_data.of(contact, devices),
        "merged_external_ids": merged,
        "messages": _messages(recipients, deliveries),
        "recipients": [_recipient(one) for one in recipients],
        "deliveries": _deliveries(deliveries),
    }


def _recipients(contact: Contact, external_ids: Sequence[str], device_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The person's own entries in what CRMs asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select r.message_id, r.external_id, r.device_id, r.params::text, r.rule::text, r.reason"
            " from recipient r join message m on m.id = r.message_id"
            " where m.site_id = %s and (r.external_id = any(%s::text[]) or r.device_id = any(%s::bigint[]))"
            " order by r.message_id, r.no",
            [contact.site_id, list(external_ids), list(device_ids)],
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _recipient(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "message_id": public_ids.encode("msg", one["message_id"]),
        "external_id": one["external_id"],
        "device_id": public_ids.encode("dev", one["device_id"]) if one["device_id"] else None,
        "params": person_data.parsed(one["params"]),
        "devices": person_data.parsed(one["rule"]),
        "status": "queued" if one["reason"] is None else "skipped",
        "reason": _CODES.get(one["reason"]),
    }


def _messages(recipients: Sequence[dict[str, Any]], deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """What was sent, as it was written; the texts of a template are filled from `contact` and a recipient's params."""
    ids = {one["message_id"] for one in recipients} | {one.message_id for one in deliveries}
    found = Message.objects.filter(pk__in=ids).select_related("purpose", "campaign").order_by("id")
    return [
        {
            "id": public_ids.encode("msg", message.pk),
            "campaign": public_ids.encode("cmp", message.campaign_id) if message.campaign_id else None,
            "purpose": message.purpose.key,
            "correlation_id": message.correlation_id or None,
            "created_at": rfc3339(message.created_at),
            "content": message.content,
        }
        for message in found
    ]


def _deliveries(deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    reported: dict[tuple[int, int], list[dict[str, Any]]] = {}
    receipts = Receipt.objects.filter(
        message_id__in={one.message_id for one in deliveries}, device_ref__in={one.device_id for one in deliveries}
    )
    for receipt in receipts.order_by("at") if deliveries else ():
        reported.setdefault((receipt.message_id, receipt.device_ref), []).append(
            {
                "kind": ReceiptKind(receipt.kind).label,
                "action": receipt.action,
                "at": rfc3339(receipt.at),
                "reported_at": rfc3339(receipt.reported_at),
                "implied": receipt.implied,
            }
        )
    return [
        {
            "message_id": public_ids.encode("msg", one.message_id),
            "device_id": public_ids.encode("dev", one.device_id),
            "status": Outcome(one.status).name.lower(),
            "reason": _CODES.get(one.reason) if one.reason is not None else None,
            "push_service": PushService(one.service).name.lower(),
            "attempts": one.attempts,
            "at": rfc3339(one.at),
            "receipts": reported.get((one.message_id, one.device_id), []),
        }
        for one in deliveries
    ]
