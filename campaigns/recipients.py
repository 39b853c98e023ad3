"""Who of an API call's recipients is sent to, on which devices, and why not: in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from campaigns.device_rule import Candidate, needs_engagement
from campaigns.send_request import RecipientRequest
from pushplatform.sites import public_ids
from subscribers.models import Decision, Device, Purpose, Scope

REASONS_IN_ORDER: Final = (
    "unknown_contact",
    "unknown_device",
    "duplicate_recipient",
    "invalid_params",
    "personal_data_withdrawn",
    "no_active_device",
    "device_gone",
    "no_matching_device",
    "consent_withdrawn",
    "consent_missing",
)
"""Why a recipient is skipped at once; of several the first is told."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of one recipient: `devices` to send to, or the `reason` (a code of api.md) why there are none."""

    request: RecipientRequest
    contact_id: int | None
    device_id: int | None
    devices: Sequence[Candidate] = ()
    reason: str | None = None


@dataclass(slots=True)
class _Known:
    """What the database knows of all recipients together."""

    contacts: dict[str, int]
    devices: dict[int, Candidate]
    by_contact: dict[int, list[Candidate]]
    withdrawn: set[tuple[int, int]]
    """(scope, subject) with a withdrawal for the purpose."""
    personal_data_withdrawn: set[int]
    """Contacts."""
    engagement: dict[int, tuple[int, int]] = field(default_factory=dict)


def decide(
    site_id: int, purpose: Purpose, personal_data_id: int | None, requests: Sequence[RecipientRequest]
) -> list[Decided]:
    """One Decided for each request, in their order. A device gets a Message once: whoever comes first has it."""
    device_ids = [_device_id(request.device_id) for request in requests]
    known = _look_up(site_id, purpose, personal_data_id, requests, [id_ for id_ in device_ids if id_ is not None])
    bit = 1 << purpose.bit
    seen: set[str] = set()
    taken: set[int] = set()
    decided = []
    for request, device_id in zip(requests, device_ids, strict=True):
        if request.external_id is not None:
            one = _decide_contact(request, known, bit, request.external_id in seen, taken)
            seen.add(request.external_id)
        else:
            one = _decide_device(request, device_id, known, bit, taken)
        taken.update(device.id for device in one.devices)
        decided.append(one)
    return decided


def _decide_contact(request: RecipientRequest, known: _Known, bit: int, again: bool, taken: set[int]) -> Decided:
    contact_id = known.contacts.get(request.external_id or "")
    devices = known.by_contact.get(contact_id or 0, [])
    reason = _first_reason(
        ("unknown_contact", contact_id is None),
        ("duplicate_recipient", again),
        ("invalid_params", not request.params_fit),
        ("personal_data_withdrawn", contact_id in known.personal_data_withdrawn),
        ("no_active_device", not devices),
    )
    if reason is not None:
        return Decided(request, contact_id, None, reason=reason)
    chosen, reason = _choose(request, devices, known, bit, taken)
    return Decided(request, contact_id, None, chosen, reason)


def _decide_device(
    request: RecipientRequest, device_id: int | None, known: _Known, bit: int, taken: set[int]
) -> Decided:
    device = known.devices.get(device_id or 0)
    reason = _first_reason(
        ("unknown_device", device is None),
        ("duplicate_recipient", device_id in taken),
        ("invalid_params", not request.params_fit),
        ("device_gone", device is not None and device.status != Device.Status.ACTIVE),
    )
    if reason is not None or device is None:
        return Decided(request, device.contact_id or None if device else None, device_id, reason=reason)
    chosen, reason = _choose(request, [device], known, bit, taken)
    return Decided(request, device.contact_id or None, device_id, chosen, reason)


def _first_reason(*conditions: tuple[str, bool]) -> str | None:
    return next((reason for reason, holds in conditions if holds), None)


def _choose(
    request: RecipientRequest, devices: Sequence[Candidate], known: _Known, bit: int, taken: set[int]
) -> tuple[Sequence[Candidate], str | None]:
    """The devices of the recipient's rule that may be sent to, or the reason why there are none."""
    matching = [device for device in devices if request.rule.matches(device)]
    if not matching:
        return (), "no_matching_device"
    allowed = [device for device in matching if device.allowed & bit]
    if not allowed:
        return (), "consent_withdrawn" if _any_withdrawn(matching, known) else "consent_missing"
    chosen = [device for device in request.rule.choose(allowed, known.engagement) if device.id not in taken]
    return (chosen, None) if chosen else ((), "duplicate_recipient")


def _any_withdrawn(devices: Sequence[Candidate], known: _Known) -> bool:
    return any(
        (Scope.DEVICE, device.id) in known.withdrawn
        or (device.contact_id and (Scope.CONTACT, device.contact_id) in known.withdrawn)
        for device in devices
    )


def _device_id(text: str | None) -> int | None:
    """The number of a public device id; None for what is none, which nobody has."""
    try:
        return None if text is None else public_ids.decode("dev", text)
    except public_ids.UnknownId:
        return None


def _look_up(
    site_id: int,
    purpose: Purpose,
    personal_data_id: int | None,
    requests: Sequence[RecipientRequest],
    device_ids: list[int],
) -> _Known:
    external_ids = list({request.external_id for request in requests if request.external_id is not None})
    with connection.cursor() as cursor:
        # An erasure waits for the end of this call, else what is written now about the person would outlive it.
        cursor.execute(
            "select external_id, id from contact where site_id = %s and external_id = any(%s::text[])"
            " order by id for key share",
            [site_id, external_ids],
        )
        contacts = dict(cursor.fetchall())
        cursor.execute(
            "select id, coalesce(contact_id, 0), status, allowed, service, vapid_key_id, form, browser, last_seen_at"
            " from device where site_id = %s and (contact_id = any(%s) and status = %s or id = any(%s)) order by id",
            [site_id, list(contacts.values()), Device.Status.ACTIVE, device_ids],
        )
        devices = [Candidate(*row) for row in cursor.fetchall()]
        subjects = {device.contact_id for device in devices} | set(contacts.values())
        cursor.execute(
            "select scope, subject_id, purpose_id from consent_state where decision = %s and ("
            "scope = %s and subject_id = any(%s) and purpose_id = any(%s)"
            " or scope = %s and subject_id = any(%s) and purpose_id = %s)",
            [
                Decision.WITHDRAWN,
                Scope.CONTACT, list(subjects - {0}), [purpose.pk, personal_data_id],
                Scope.DEVICE, [device.id for device in devices], purpose.pk,
            ],
        )  # fmt: skip
        rows = cursor.fetchall()
    active = Device.Status.ACTIVE
    by_contact: dict[int, list[Candidate]] = defaultdict(list)
    for device in devices:
        if device.contact_id and device.status == active:
            by_contact[device.contact_id].append(device)
    return _Known(
        contacts=contacts,
        devices={device.id: device for device in devices},
        by_contact=by_contact,
        withdrawn={(scope, subject) for scope, subject, about in rows if about == purpose.pk},
        personal_data_withdrawn={
            subject for scope, subject, about in rows if about == personal_data_id and scope == Scope.CONTACT
        },
        engagement=_engagement(requests, devices),
    )


def _engagement(requests: Sequence[RecipientRequest], devices: Sequence[Candidate]) -> dict[int, tuple[int, int]]:
    if not needs_engagement([request.rule for request in requests]):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "select device_id, clicked, shown from device_stats where device_id = any(%s)",
            [[device.id for device in devices]],
        )
        return {device_id: (clicked, shown) for device_id, clicked, shown in cursor.fetchall()}
