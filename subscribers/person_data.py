"""What this app knows of a person, as it is exported."""

import json
from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from subscribers.as_json import contact_json, device_json
from subscribers.consent_history import history_of, state_of
from subscribers.events import id_of
from subscribers.models import Behaviour, Contact, ContactListMember, Device, DeviceStats, Purpose

ALL_LINES = 1_000_000


def of(contact: Contact, devices: Sequence[Device]) -> dict[str, Any]:
    """The contact, its devices without what they are reached by, consents with their proofs, lists and events."""
    purposes = list(Purpose.objects.filter(site_id=contact.site_id).order_by("bit"))
    stats = DeviceStats.objects.in_bulk([device.pk for device in devices])
    pages = dict(Device.objects.filter(contact=contact).values_list("id", "subscription__page"))
    return {
        "contact": contact_json(contact),
        "lists": sorted(ContactListMember.objects.filter(contact=contact).values_list("list__name", flat=True)),
        "devices": [
            {
                **device_json(device, purposes),
                "logged_out_at": rfc3339(device.logout_at),
                "subscribed_on_page": pages.get(device.pk) or None,
                "statistics": _statistics(stats.get(device.pk)),
            }
            for device in devices
        ],
        "consents": {"state": state_of(contact), "history": history_of(contact, evidence=True, most=ALL_LINES)},
        "events": _events(contact, [device.pk for device in devices]),
    }


def _statistics(stats: DeviceStats | None) -> dict[str, Any] | None:
    if stats is None:
        return None
    kinds = ("sent", "received", "shown", "clicked")
    counts = {kind: getattr(stats, kind) for kind in kinds}
    return counts | {f"last_{kind}_at": rfc3339(getattr(stats, f"last_{kind}_at")) for kind in kinds}


def _events(contact: Contact, device_ids: Sequence[int]) -> list[dict[str, Any]]:
    found = Behaviour.objects.filter(Q(contact_id=contact.pk) | Q(device_id__in=device_ids)).order_by("occurred_at")
    return [
        {
            "id": id_of(event),
            "name": event.name,
            "properties": event.properties,
            "occurred_at": rfc3339(event.occurred_at),
            "device_id": public_ids.encode("dev", event.device_id) if event.device_id else None,
        }
        for event in found
    ]


def parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)
