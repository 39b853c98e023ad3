"""What a person decides in a browser, as lines of the ledger; "everywhere" counts for all devices of who is linked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from pushplatform.sites.models import Site
from subscribers import ledger, links, purposes
from subscribers.errors import Fault, Invalid
from subscribers.ledger import Decided
from subscribers.models import Device, Purpose, Scope, Wording
from subscribers.registration import Said

Known = Mapping[str, Purpose]


def decide(device: Device, said: Said, now: datetime) -> dict[str, str]:
    """Records what was decided in this browser; returns what counts there now, by purpose key. Raises Invalid."""
    with transaction.atomic():
        known = known_purposes(device.site, said)
        lock(device, said)
        device.refresh_from_db(fields=["contact_id"])
        ledger.record([*lines_here(device, said, known), *lines_everywhere(device, said, known)], now)
    return ledger.state(Scope.DEVICE, device.id)


def known_purposes(site: Site, said: Said) -> Known:
    """The purposes that are decided about, share-locked; raises Invalid for unknown ones and for foreign wordings."""
    known = purposes.locked(site.id, [choice.purpose for choice in said.choices])
    about = dict(
        Wording.objects.filter(id__in=[one.wording_id for one in said.choices]).values_list("id", "purpose_id")
    )
    faults = []
    for choice in said.choices:
        if choice.purpose not in known:
            detail = f"the Site has no purpose {choice.purpose!r}; the config lists them"
            faults.append(Fault(f"{choice.at}/purpose", "unknown_purpose", detail))
        elif about.get(choice.wording_id) != known[choice.purpose].id:
            detail = f"wording_id is no wording of {choice.purpose!r}; take it from the config"
            faults.append(Fault(f"{choice.at}/wording_id", "unknown_wording", detail))
    if faults:
        raise Invalid(faults)
    return known


def lock(device: Device | None, said: Said, *others: Device | None, contact_id: int | None = None) -> None:
    """Locks, in the one order, all that decisions in this browser may change, beside other devices and a contact."""
    contacts = {contact_id, device.contact_id if device is not None and said.everywhere.choices else None} - {None}
    links.lock([one for one in contacts if one is not None], [one.id for one in (device, *others) if one is not None])


def lines_here(device: Device, said: Said, known: Known) -> list[Decided]:
    """The decisions in the scope of this browser."""
    return _lines(device.site_id, Scope.DEVICE, device.id, said, known)


def lines_everywhere(device: Device, said: Said, known: Known) -> list[Decided]:
    """Those that are to count for all devices of the person; raises Invalid where nobody is linked."""
    everywhere = said.everywhere
    if not everywhere.choices:
        return []
    if device.contact_id is None:
        detail = "only a person who is signed in and linked can decide for all devices; leave it out"
        raise Invalid([Fault(f"{one.at}/everywhere", "not_identified", detail) for one in everywhere.choices])
    return _lines(device.site_id, Scope.CONTACT, device.contact_id, everywhere, known)


def _lines(site_id: int, scope: Any, subject_id: int, said: Said, known: Known) -> list[Decided]:
    evidence = {**said.evidence, "path": said.page.path} if said.page.path else said.evidence
    return [
        Decided(
            site_id=site_id,
            scope=scope,
            subject_id=subject_id,
            purpose_id=known[choice.purpose].id,
            decision=choice.decision,
            source="browser",
            wording_id=choice.wording_id,
            page=said.page.origin,
            evidence=evidence,
        )
        for choice in said.choices
    ]
