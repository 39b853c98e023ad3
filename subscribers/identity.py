"""Who is signed in on a browser, by the word of the shop's own server (api.md §2)."""

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import links
from subscribers.contacts import known_or_new
from subscribers.errors import Conflict, Fault, Invalid, NotFound
from subscribers.models import Contact, Device, Subscription
from subscribers.registration import Identity

GOOD_FOR: Final = 3600
"""Seconds."""

CLOCKS_DIFFER_BY: Final = 300
"""Seconds that a shop's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What came of an identity: `refusal` is the code of why the browser stays anonymous; None when it is linked."""

    refusal: str | None = None


def signature_of(site: Site, external_id: str, issued_at: int) -> str:
    """Hex HMAC-SHA256 of `v1.<site>.<external_id>.<issued_at>` under the Site's identity secret."""
    text = f"v1.{public_ids.encode('site', site.id)}.{external_id}.{issued_at}"
    return hmac.new(bytes(site.identity_secret), text.encode(), hashlib.sha256).hexdigest()


def check(site: Site, identity: Identity, now: datetime) -> None:
    """Raises Invalid for a wrong signature and for one that is too old or not yet made."""
    age = now.timestamp() - identity.issued_at
    fault = None
    if not hmac.compare_digest(signature_of(site, identity.external_id, identity.issued_at), identity.signature):
        detail = "signature is not the HMAC of v1.<site>.<external_id>.<issued_at> under the Site's identity secret"
        fault = Fault(f"{identity.at}/signature", "wrong_signature", detail)
    elif age > GOOD_FOR:
        detail = "issued_at is over an hour ago; sign anew for each page"
        fault = Fault(f"{identity.at}/issued_at", "identity_expired", detail)
    elif age < -CLOCKS_DIFFER_BY:
        detail = "issued_at is in the future; it is in Unix seconds, and the server's clock must be right"
        fault = Fault(f"{identity.at}/issued_at", "identity_in_future", detail)
    if fault:
        raise Invalid([fault])


def check_after_logout(device: Device, subscription: Subscription, identity: Identity) -> None:
    """Raises Invalid for an identity made before this browser's last logout.

    Signatures count whole seconds: in the second of the logout only those are taken that were not used before it.
    """
    if device.logout_at is None:
        return
    logout = math.floor(device.logout_at.timestamp())
    used = subscription.identity_issued_at or 0
    if identity.issued_at < logout or (identity.issued_at == logout and identity.issued_at <= used):
        detail = "issued_at is before the last logout of this browser; sign anew"
        raise Invalid([Fault(f"{identity.at}/issued_at", "identity_before_logout", detail)])


def known_contact(site: Site, identity: Identity | None) -> Contact | None:
    """The contact that an identity names, if the CRM id is known already."""
    if identity is None:
        return None
    return Contact.objects.filter(site=site, external_id=identity.external_id).first()


def still_there(contact: Contact | None) -> Contact | None:
    """The contact, now that it is locked: it may have been erased, or merged into another, until then."""
    return contact if contact is not None and Contact.objects.filter(id=contact.id).exists() else None


def let_go_of_others(device: Device, contact: Contact | None, now: datetime) -> None:
    """Unlinks the browser, locked by the caller, from anybody but `contact`: somebody else is signed in now."""
    if device.contact_id is not None and (contact is None or device.contact_id != contact.id):
        links.cut([device.id], now)
        device.contact = None


def link(site: Site, device: Device, identity: Identity, contact: Contact | None) -> Linked:
    """Links the browser to the person if both scopes allow it. The caller holds the locks, and let go of others.

    A CRM id nobody has heard of becomes a contact only now, after the yes: the signature proves that the CRM knows it.
    """
    if refusal := links.obstacle(device.id, None if contact is None else contact.id):
        return Linked(refusal)
    if contact is None:
        try:
            contact = known_or_new(site, identity.external_id)
        except Conflict as conflict:
            return Linked(conflict.code)
        if refusal := links.obstacle(device.id, contact.id):  # somebody else made it meanwhile
            return Linked(refusal)
    links.link(device.id, contact.id)
    Subscription.objects.filter(device_id=device.id).update(identity_issued_at=identity.issued_at)
    device.contact = contact
    return Linked()


def identify(site: Site, device_id: int, identity: Identity, now: datetime) -> Linked:
    """Links a browser to who is signed in on it; raises Invalid. Whoever it was linked to before is let go."""
    check(site, identity, now)
    with transaction.atomic():
        contact = known_contact(site, identity)
        links.lock([] if contact is None else [contact.id], [device_id])
        contact = still_there(contact)
        device = Device.objects.select_related("subscription").get(id=device_id)
        if not hasattr(device, "subscription"):
            raise NotFound  # replaced by a newer registration meanwhile
        check_after_logout(device, device.subscription, identity)
        let_go_of_others(device, contact, now)
        return link(site, device, identity, contact)


def log_out(device_id: int, now: datetime) -> None:
    """Cuts the link at once; identities made before now are not taken any more."""
    with transaction.atomic():
        links.lock([], [device_id])
        Device.objects.filter(id=device_id).update(logout_at=now)
        if Device.objects.filter(id=device_id, contact_id__isnull=False).exists():
            links.cut([device_id], now)
