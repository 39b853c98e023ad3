"""What a person decided, as programs read it: what counts now for each purpose, and every line of the ledger."""

from typing import Any, Final

from django.db.models import Q

from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from subscribers import ledger
from subscribers.models import (
    ConsentEvidence,
    ConsentRecord,
    ConsentState,
    Contact,
    Decision,
    Device,
    MergedContact,
    Purpose,
    Scope,
    Wording,
)

MOST_LINES: Final = 1_000


def state_of(contact: Contact) -> list[dict[str, Any]]:
    """By purpose: the CRM's newest word, whether it stands, and on how many devices it may be sent for."""
    standing = ledger.state(Scope.CONTACT, contact.pk)
    states = {one.purpose_id: one for one in ConsentState.objects.filter(scope=Scope.CONTACT, subject_id=contact.pk)}
    active = Device.objects.filter(contact=contact, status=Device.Status.ACTIVE)
    allowed = list(active.values_list("allowed", flat=True))
    purposes = list(Purpose.objects.filter(site_id=contact.site_id).order_by("bit"))
    wordings = Wording.objects.in_bulk({one.wording_id for one in states.values() if one.wording_id})
    rows = []
    for purpose in purposes:
        state = states.get(purpose.pk)
        if state is None and purpose.archived:
            continue
        rows.append(
            {
                "purpose": purpose.key,
                "kind": purpose.kind,
                "decision": Decision(state.decision).name.lower() if state else None,
                "at": rfc3339(state.at) if state else None,
                "wording": wording_json(wordings.get(state.wording_id)) if state and state.wording_id else None,
                "ended_by_newer_wording": state is not None and purpose.key not in standing,
                "devices_allowed": sum(1 for bits in allowed if bits >> purpose.bit & 1),
                "devices_active": len(allowed),
            }
        )
    return rows


def history_of(contact: Contact, *, evidence: bool = False, most: int = MOST_LINES) -> list[dict[str, Any]]:
    """The newest lines about the person and the devices linked to them, newest first; those of contacts that were
    merged into them too. `evidence`: with the proof that is kept of each."""
    merged = list(MergedContact.objects.filter(into=contact).values_list("merged_id", flat=True))
    devices = list(Device.objects.filter(contact=contact).values_list("id", flat=True))
    about = Q(scope=Scope.CONTACT, subject_id__in=[contact.pk, *merged]) | Q(scope=Scope.DEVICE, subject_id__in=devices)
    lines = list(ConsentRecord.objects.filter(about).order_by("-id")[:most])
    purposes = Purpose.objects.in_bulk({one.purpose_id for one in lines})
    wordings = Wording.objects.in_bulk({one.wording_id for one in lines if one.wording_id})
    proofs = ConsentEvidence.objects.in_bulk([one.id for one in lines]) if evidence else {}
    return [
        line_json(one, purposes[one.purpose_id], wordings.get(one.wording_id or 0))
        | ({"evidence": proofs[one.id].body if one.id in proofs else None} if evidence else {})
        for one in lines
    ]


def line_json(line: ConsentRecord, purpose: Purpose, wording: Wording | None) -> dict[str, Any]:
    in_browser = line.scope == Scope.DEVICE
    return {
        "purpose": purpose.key,
        "decision": Decision(line.decision).name.lower(),
        "scope": "device" if in_browser else "contact",
        "device_id": public_ids.encode("dev", line.subject_id) if in_browser else None,
        "occurred_at": rfc3339(line.claimed_at),
        "recorded_at": rfc3339(line.recorded_at),
        "wording": wording_json(wording),
        "source": line.source,
        "page": line.page or None,
        "channel": line.channel,
    }


def wording_json(wording: Wording | None) -> dict[str, Any] | None:
    if wording is None:
        return None
    return {
        "id": public_ids.encode("wrd", wording.pk),
        "version": wording.version,
        "language": wording.language,
        "text": wording.text,
    }
