"""Devices: one browser installation on one Site each, its subscription, and what the person decides in it."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction

from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import b64url
from subscribers import identity, ledger, links
from subscribers.decisions import known_purposes, lines_everywhere, lines_here, lock
from subscribers.errors import Conflict, Fault, Invalid, NotFound
from subscribers.identity import Linked
from subscribers.ledger import Decided
from subscribers.models import Device, Subscription
from subscribers.registration import Claim, Registration
from subscribers.time_zones import country_of

Status = Device.Status


@dataclass(frozen=True, slots=True)
class Registered:
    """`created`: a new device, else a known one refreshed. `linked`: None when nobody was said to be signed in."""

    device_id: int
    secret: str = field(repr=False)
    created: bool
    identified: bool
    linked: Linked | None


class WrongSecret(Conflict):
    """The secret is not this device's: the call does not come from that installation."""


def register(site: Site, registration: Registration, now: datetime) -> Registered:
    """Makes or refreshes the device of a browser, records its decisions and links it; raises Invalid.

    Only the secret of a device changes it. Without it the same endpoint makes a new, unlinked device, and the one that
    had the endpoint becomes `replaced`.
    """
    who, said = registration.identity, registration.said
    if who:
        identity.check(site, who, now)
    with transaction.atomic():
        key, known = _vapid_key(site, registration.application_server_key), known_purposes(site, said)
        _one_at_a_time(site, registration.endpoint_hash)
        contact = identity.known_contact(site, who)
        claimed, owner = _claimed(site, registration.claim), _owner(site, registration.endpoint_hash)
        lock(claimed, said, owner, contact_id=contact and contact.id)
        claimed = claimed and _claimed(site, registration.claim)  # as it is now that it is locked
        contact = identity.still_there(contact)
        if owner is not None and (claimed is None or owner.id != claimed.id):
            _replace(owner)
        secret = registration.claim.secret if claimed is not None and registration.claim else _new_secret()
        device = _written(site, claimed, registration, key, secret, now)
        if who:
            identity.check_after_logout(device, device.subscription, who)
            identity.let_go_of_others(device, contact, now)
        _record(device, lines_here(device, said, known), now)
        linked = identity.link(site, device, who, contact) if who else None
        _record(device, lines_everywhere(device, said, known), now)
    return Registered(device.id, secret, claimed is None, device.contact_id is not None, linked)


def authenticate(device: Device, secret: str) -> None:
    """Raises WrongSecret when this is not the device's secret, NotFound for one that is replaced or erased."""
    if not hasattr(device, "subscription"):
        raise NotFound
    if not _is_secret_of(device.subscription, secret):
        raise WrongSecret("wrong_device_secret", "device_secret is not the secret of this device.")


def unsubscribe(device_id: int, now: datetime) -> None:
    """Stops all notifications on this device and lets go of the person; a later registration brings it back."""
    with transaction.atomic():
        links.lock([], [device_id])
        Device.objects.filter(id=device_id).update(status=Status.UNSUBSCRIBED)
        _empty([device_id])
        links.cut([device_id], now)


def mark_gone(answered: Sequence[tuple[int, bytes]], now: datetime) -> list[int]:
    """Retires the active devices whose very subscription (its endpoint's hash) answered that it is gone (404, 410).

    A device that has subscribed anew since lives on. Returns the ids of those retired. Part of the caller's
    transaction; locks the devices in the order of their ids.
    """
    if not answered:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        links.lock([], [device_id for device_id, _ in answered])
        cursor.execute(
            "select d.id from device d join subscription s on s.device_id = d.id"
            " join unnest(%s::bigint[], %s::bytea[]) as a(id, hash) on a.id = d.id and a.hash = s.endpoint_hash"
            " where d.status = %s order by d.id",
            [[one for one, _ in answered], [bytes(hash_) for _, hash_ in answered], Status.ACTIVE],
        )
        gone = [row[0] for row in cursor.fetchall()]
        Device.objects.filter(id__in=gone).update(status=Status.GONE)
        _empty(gone)
    return gone


# --- the steps of registering -------------------------------------------------------------------------------------


def _vapid_key(site: Site, public_key: bytes) -> VapidKey:
    key = VapidKey.objects.filter(site=site, public_key=public_key).first()
    if key is None:
        detail = "application_server_key is not a key of this Site; subscribe with vapid_public_key of the config"
        raise Invalid([Fault("/application_server_key", "unknown_key", detail)])
    if key.state == VapidKey.State.RETIRED:
        detail = "application_server_key is retired; unsubscribe, then subscribe with vapid_public_key of the config"
        raise Invalid([Fault("/application_server_key", "key_retired", detail)])
    return key


def _one_at_a_time(site: Site, endpoint_hash: bytes) -> None:
    """Two registrations of one endpoint at once: the second waits and then finds the first."""
    with connection.cursor() as cursor:
        number = int.from_bytes(endpoint_hash[:8], "big", signed=True) ^ site.id
        cursor.execute("select pg_advisory_xact_lock(%s)", [number])


def _claimed(site: Site, claim: Claim | None) -> Device | None:
    """The device that the installation says it is, when its secret proves it."""
    if claim is None:
        return None
    device = Device.objects.select_related("subscription").filter(site=site, id=claim.device_id).first()
    proven = device is not None and hasattr(device, "subscription") and _is_secret_of(device.subscription, claim.secret)
    return device if proven else None


def _owner(site: Site, endpoint_hash: bytes) -> Device | None:
    return Device.objects.filter(subscription__site=site, subscription__endpoint_hash=endpoint_hash).first()


def _replace(owner: Device) -> None:
    Device.objects.filter(id=owner.id).update(status=Status.REPLACED)
    Subscription.objects.filter(device_id=owner.id).delete()


def _written(
    site: Site, device: Device | None, registration: Registration, key: VapidKey, secret: str, now: datetime
) -> Device:
    """The device and its subscription as the browser says they are."""
    known = device is not None
    device = device or Device(site=site, subscribed_at=now)
    if device.status != Status.ACTIVE:
        device.subscribed_at = now
    agent = registration.agent
    device.status, device.last_seen_at = Status.ACTIVE, now
    device.service, device.vapid_key = registration.endpoint.service, key
    device.browser, device.browser_version, device.os, device.form = agent
    device.language, device.time_zone = registration.language, registration.time_zone
    device.country = country_of(registration.time_zone)
    device.save()
    device.subscription = Subscription(
        device=device,
        site=site,
        endpoint=registration.endpoint.url,
        endpoint_hash=registration.endpoint_hash,
        p256dh=registration.keys.p256dh,
        auth=registration.keys.auth,
        secret_hash=hashlib.sha256(secret.encode()).digest(),
        page=registration.said.page.path,
        identity_issued_at=device.subscription.identity_issued_at if known else None,
    )
    device.subscription.save(force_insert=not known, force_update=known)
    return device


def _record(device: Device, lines: list[Decided], now: datetime) -> None:
    if lines:
        ledger.record(lines, now)
        device.refresh_from_db(fields=["contact_id"])  # a decision may have cut the link


def _new_secret() -> str:
    return b64url(secrets.token_bytes(32))


def _is_secret_of(subscription: Subscription, secret: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), bytes(subscription.secret_hash))


def _empty(device_ids: Sequence[int]) -> None:
    """Takes endpoint and keys away from subscriptions; the hashes stay, by which the installation is known again."""
    Subscription.objects.filter(device_id__in=device_ids).update(endpoint="", p256dh=b"", auth=b"")
