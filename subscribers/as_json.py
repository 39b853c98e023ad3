"""Contacts and devices as programs read them."""

from typing import Any

from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from subscribers.models import Contact, Device, Purpose


def contact_json(contact: Contact) -> dict[str, Any]:
    return {
        "external_id": contact.external_id,
        "attributes": contact.attributes,
        "tags": contact.tags,
        "language": contact.language or None,
        "time_zone": contact.time_zone or None,
        "owner": contact.owner or None,
        "created_at": rfc3339(contact.created_at),
        "updated_at": rfc3339(contact.updated_at),
    }


def device_json(device: Device, purposes: list[Purpose]) -> dict[str, Any]:
    """`purposes`: of the Site; those that the device may be sent to for are named. No endpoint, no keys."""
    reachable = device.status == Device.Status.ACTIVE
    return {
        "device_id": public_ids.encode("dev", device.pk),
        "status": Device.Status(device.status).name.lower(),
        "browser": device.browser or None,
        "browser_version": device.browser_version or None,
        "os": device.os or None,
        "form": device.form or None,
        "language": device.language or None,
        "time_zone": device.time_zone or None,
        "country": device.country or None,
        "tags": device.tags,
        "subscribed_at": rfc3339(device.subscribed_at),
        "last_seen_at": rfc3339(device.last_seen_at),
        "allowed": [one.key for one in purposes if reachable and device.allowed >> one.bit & 1],
    }
