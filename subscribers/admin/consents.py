"""What a person agreed to, as pages show it: the state by purpose, and the lines of the ledger."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from subscribers.admin.words import device_name
from subscribers.models import (
    ConsentRecord,
    ConsentState,
    Contact,
    Decision,
    Device,
    Purpose,
    Scope,
    Wording,
)

LEDGER_LINES = 50


def state_of_contact(contact: Contact, devices: Sequence[Device]) -> list[dict[str, Any]]:
    """A row per purpose of the Site: what the CRM's word is, what each browser's word is, where it may be sent."""
    subjects = Q(scope=Scope.CONTACT, subject_id=contact.pk)
    if devices:
        subjects |= Q(scope=Scope.DEVICE, subject_id__in=[device.pk for device in devices])
    return _rows(contact.site_id, subjects, devices)


def state_of_device(device: Device) -> list[dict[str, Any]]:
    """The same for one browser; with the CRM's word where it is linked."""
    subjects = Q(scope=Scope.DEVICE, subject_id=device.pk)
    if device.contact_id:
        subjects |= Q(scope=Scope.CONTACT, subject_id=device.contact_id)
    return _rows(device.site_id, subjects, [device])


def _rows(site_id: int, subjects: Q, devices: Sequence[Device]) -> list[dict[str, Any]]:
    by_purpose: dict[int, list[ConsentState]] = {}
    for decided in ConsentState.objects.filter(subjects).order_by("-at"):
        by_purpose.setdefault(decided.purpose_id, []).append(decided)
    active = [device for device in devices if device.status == Device.Status.ACTIVE]
    rows = []
    for purpose in Purpose.objects.filter(site_id=site_id).order_by("bit"):
        decisions = by_purpose.get(purpose.pk, [])
        if purpose.archived and not decisions:
            continue
        allowed = sum(1 for device in active if device.allowed & (1 << purpose.bit))
        rows.append(
            {"purpose": purpose, "newest": decisions[0] if decisions else None, "allowed": allowed}
            | _verdict(decisions, allowed, len(active))
            | {"active": len(active)}
        )
    return rows


def _verdict(decisions: list[ConsentState], allowed: int, active: int) -> dict[str, str]:
    """In words, with the colour's meaning."""
    withdrawn = any(one.decision == Decision.WITHDRAWN for one in decisions)
    if allowed:
        everywhere = "yes" if allowed == active else f"yes, on {allowed} of {active} devices"
        return {"colour": "reach", "word": everywhere}
    if withdrawn:
        return {"colour": "fail", "word": "withdrawn"}
    if decisions:
        return {"colour": "look", "word": "ended by a newer wording" if active else "granted, no active device"}
    return {"colour": "", "word": "never asked"}


def ledger_of(contact: Contact | None, devices: Iterable[Device]) -> list[dict[str, Any]]:
    """The newest lines about a person and their browsers."""
    by_id = {device.pk: device for device in devices}
    subjects = Q(scope=Scope.DEVICE, subject_id__in=list(by_id))
    if contact is not None:
        subjects |= Q(scope=Scope.CONTACT, subject_id=contact.pk)
    lines = list(ConsentRecord.objects.filter(subjects).order_by("-id")[:LEDGER_LINES])
    purposes = Purpose.objects.in_bulk({line.purpose_id for line in lines})
    wordings = Wording.objects.in_bulk({line.wording_id for line in lines if line.wording_id})
    return [
        {
            "line": line,
            "purpose": purposes.get(line.purpose_id),
            "wording": wordings.get(line.wording_id) if line.wording_id else None,
            "who": _whose_word(line, by_id),
            "granted": line.decision == Decision.GRANTED,
        }
        for line in lines
    ]


def _whose_word(line: ConsentRecord, devices: dict[int, Device]) -> str:
    if line.scope == Scope.CONTACT:
        return "The CRM"
    device = devices.get(line.subject_id)
    return f"The person, in {device_name(device)}" if device else "The person, in a browser of before"
