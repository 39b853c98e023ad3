"""A Site with people who agreed to things, for the tests of sending and counting."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from campaigns import counting
from campaigns.models import Campaign, Delivery, Lane, Message
from pushplatform.sites.models import ApiClient, Site
from subscribers import ledger
from subscribers.models import Contact, Decision, Device, Scope
from tests.subscribers.people import new_contact, new_device, new_site, wording_of

__all__ = ["new_contact", "new_device", "new_site"]


def grant(subject: Device | Contact, *keys: str) -> None:
    """The person agrees, in this browser or as the CRM knows it."""
    _decide(subject, keys, Decision.GRANTED)


def withdraw(subject: Device | Contact, *keys: str) -> None:
    _decide(subject, keys, Decision.WITHDRAWN)


def _decide(subject: Device | Contact, keys: Iterable[str], decision: Decision) -> None:
    purposes = [subject.site.purposes.get(key=key) for key in keys]
    scope = Scope.DEVICE if isinstance(subject, Device) else Scope.CONTACT
    decided = [
        ledger.Decided(
            site_id=subject.site_id,
            scope=scope,
            subject_id=subject.pk,
            purpose_id=purpose.pk,
            decision=decision,
            source="test",
            wording_id=wording_of(purpose).pk,
        )
        for purpose in purposes
    ]
    ledger.record(decided, timezone.now())


def new_person(site: Site, external_id: str, *keys: str, devices: int = 1, **values: Any) -> list[Device]:
    """A contact with linked browsers in which these purposes were agreed to."""
    contact = new_contact(site, external_id=external_id)
    return [linked_device(contact, *keys, **values) for _ in range(devices)]


def linked_device(contact: Contact, *keys: str, **values: Any) -> Device:
    device = new_device(contact.site, contact=contact, **values)
    grant(device, "personal_data", *keys)
    device.refresh_from_db()
    return device


def new_client(site: Site, *scopes: str, name: str = "CRM") -> ApiClient:
    return ApiClient.objects.create(site=site, name=name, scopes=list(scopes or ("messages:send", "messages:read")))


def new_message(site: Site, campaign: Campaign | None = None, **values: Any) -> Message:
    """A message under way with its counters."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "purpose": site.purposes.get(key="offers"),
        "content": {"title": "Hello", "url": "https://shop.example/sale"},
        "status": Message.Status.SENDING,
        "send_at": now,
        "expires_at": now + timedelta(days=1),
        "ref_secret": b"s" * 32,
    }
    message = Message.objects.create(site=site, campaign=campaign, **{**defaults, **values})
    with connection.cursor() as cursor:
        lane = Lane.TARGETED if campaign is None else Lane.CAMPAIGN
        counting.make_rows(cursor, message.pk, campaign and campaign.pk, lane)
    return message


def new_campaign(site: Site) -> Campaign:
    return Campaign.objects.create(
        site=site, name="Sale", purpose=site.purposes.get(key="offers"), status=Campaign.Status.SENDING
    )


def accepted(message: Message, device: Device, at: datetime | None = None, **values: Any) -> Delivery:
    """The push service took it: the fact alone, without counters."""
    return Delivery.objects.create(
        message_id=message.pk,
        device_id=device.pk,
        **{"contact_id": device.contact_id or 0, "status": 1, "service": 6, "at": at or timezone.now(), **values},
    )
