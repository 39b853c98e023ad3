"""The newest messages to a person, with the ticks of each device: accepted, received, shown, clicked."""

from collections.abc import Sequence
from typing import Any

from campaigns.admin.reasons import sentence_of
from campaigns.models import Delivery, Message, Receipt, ReceiptKind
from pushplatform.webpush.outcome import Outcome
from subscribers.admin.words import device_name
from subscribers.models import Contact, Device

SHOWN = 20
OUTCOME_WORDS = {
    Outcome.ACCEPTED: ("accepted", "way"),
    Outcome.FAILED: ("failed", "fail"),
    Outcome.GONE: ("gone", "look"),
    Outcome.EXPIRED: ("expired", "look"),
    Outcome.SKIPPED: ("skipped", ""),
}


def messages_of(contact: Contact, devices: Sequence[Device]) -> list[dict[str, Any]]:
    """Newest first, a line per device and message. Unmeasured receipts belong to nobody and are not here."""
    deliveries = list(Delivery.objects.filter(contact_id=contact.pk).order_by("-message_id", "device_id")[:SHOWN])
    messages = Message.objects.select_related("campaign").in_bulk({one.message_id for one in deliveries})
    return [
        line | {"message": messages.get(line["delivery"].message_id)}
        for line in with_ticks(deliveries, {device.pk: device for device in devices})
    ]


def with_ticks(deliveries: Sequence[Delivery], devices: dict[int, Device]) -> list[dict[str, Any]]:
    """Deliveries as lines of a page, with what their browsers reported."""
    reported: dict[tuple[int, int], dict[Any, Any]] = {}
    receipts = Receipt.objects.filter(
        message_id__in={one.message_id for one in deliveries}, device_ref__in={one.device_id for one in deliveries}
    )
    for receipt in receipts if deliveries else ():
        reported.setdefault((receipt.message_id, receipt.device_ref), {})[receipt.kind] = receipt.at
    lines = []
    for one in deliveries:
        device = devices.get(one.device_id)
        at = reported.get((one.message_id, one.device_id), {})
        word, colour = OUTCOME_WORDS[Outcome(one.status)]
        lines.append(
            {
                "delivery": one,
                "device": device,
                "device_name": device_name(device) if device else "a device of before",
                "word": word,
                "colour": colour,
                "why": sentence_of(one.reason),
                "received": at.get(ReceiptKind.RECEIVED),
                "shown": at.get(ReceiptKind.SHOWN),
                "clicked": at.get(ReceiptKind.CLICKED),
                "closed": at.get(ReceiptKind.CLOSED),
            }
        )
    return lines
