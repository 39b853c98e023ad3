"""Why did this person not get a message? One sentence, from the facts."""

from django.utils import timezone

from campaigns.admin.person_messages import OUTCOME_WORDS
from campaigns.admin.reasons import sentence_of
from campaigns.models import Batch, Delivery, Message, Receipt, ReceiptKind, Recipient, Retry
from pushplatform.sites.admin.scope import when
from pushplatform.webpush.outcome import Outcome
from subscribers.models import Contact, Device

CHOICES = 20


def messages_to_ask_about(contact: Contact) -> list[Message]:
    """The newest messages of the contact's Site."""
    return list(Message.objects.filter(site_id=contact.site_id).select_related("campaign").order_by("-pk")[:CHOICES])


def why_not(contact: Contact, message: Message) -> str:
    """What became of `message` for this person."""
    deliveries = list(Delivery.objects.filter(message_id=message.pk, contact_id=contact.pk).order_by("device_id"))
    if any(one.status == Outcome.ACCEPTED for one in deliveries):
        return _accepted(deliveries)
    retry = Retry.objects.filter(message_id=message.pk, contact_id=contact.pk).order_by("not_before").first()
    if retry is not None:
        return f"Not yet: the push service was busy. It is tried again {when(retry.not_before)}."
    if deliveries:
        word = OUTCOME_WORDS[Outcome(deliveries[0].status)][0]
        return f"It {'was' if word == 'skipped' else 'is'} {word}. {sentence_of(deliveries[0].reason) or ''}".strip()
    if _waits(contact, message):
        if message.status in (Message.Status.CANCELLED, Message.Status.EXPIRED):
            return f"It was {message.get_status_display().split()[0].lower()} before it came to this person."
        return "Not yet: it waits to be sent."
    return _never_meant(contact, message)


def _accepted(deliveries: list[Delivery]) -> str:
    accepted = [one for one in deliveries if one.status == Outcome.ACCEPTED]
    said = Receipt.objects.filter(
        message_id=accepted[0].message_id, device_ref__in=[one.device_id for one in accepted]
    ).values_list("kind", "at")
    shown = [at for kind, at in said if kind == ReceiptKind.SHOWN]
    if shown:
        return f"It was shown {when(min(shown))}."
    if not any(one.measured for one in accepted):
        return "The push service took it. Whether it was shown is not known: this person did not agree to be measured."
    return "The push service took it, and no browser has come for it yet: it is off, or its notifications are silenced."


def _waits(contact: Contact, message: Message) -> bool:
    return Batch.objects.filter(message_id=message.pk, contact_ids__contains=[contact.pk]).exists()


def _never_meant(contact: Contact, message: Message) -> str:
    recipient = Recipient.objects.filter(message_id=message.pk, external_id=contact.external_id).first()
    if recipient is not None:
        return sentence_of(recipient.reason) or "It was asked for and no device was found."
    if message.status == Message.Status.SCHEDULED and message.send_at > timezone.now():
        return f"Not yet: it goes {when(message.send_at)}."
    active = list(Device.objects.filter(contact=contact, status=Device.Status.ACTIVE))
    if not active:
        return "This person has no active device."
    if not any(device.allowed & (1 << message.purpose.bit) for device in active):
        return f"This person has not agreed to “{message.purpose.title}”, or has withdrawn it."
    if message.campaign_id is None:
        return "The CRM did not name this person."
    return "This person was not in its segments when the audience was worked out."
