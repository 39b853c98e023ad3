"""Forgets a person: devices unlinked and silenced, everything told of them deleted. Pseudonymous lines remain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from pushplatform.sites.models import Site
from subscribers import journal, ledger, links
from subscribers.contacts import erasure_mark
from subscribers.ledger import Decided
from subscribers.models import (
    Behaviour,
    Decision,
    Device,
    DeviceStats,
    ErasedContact,
    MergedContact,
    Purpose,
    Scope,
    Subscription,
)
from subscribers.person import Person


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of a person there was; `ledger_lines` are what remains."""

    devices: int
    evidence: int
    behaviour: int
    ledger_lines: int


def forget(person: Person, now: datetime, *, journaled: bool = True) -> Forgotten:
    """Part of the caller's transaction, in which `person` was locked. Ends with the contact itself deleted, which
    waits for everybody who is writing something about it."""
    site_id, devices = person.contact.site_id, person.device_ids
    marks = [erasure_mark(site_id, one) for one in person.external_ids]
    if journaled:
        journal.write([journal.erased(site_id, person.contact.pk, marks, devices, now)])
    former = _former_devices(person.contact_ids)
    silence(person.purposes, devices, now)
    ErasedContact.objects.bulk_create(
        [ErasedContact(site_id=site_id, external_id_hmac=mark, at=now) for mark in marks], ignore_conflicts=True
    )
    MergedContact.objects.filter(into=person.contact).delete()
    leave_lists(person.contact.pk)
    person.contact.delete()
    behaviour, _ = Behaviour.objects.filter(contact_id__in=person.contact_ids).delete()
    evidence, lines = _forget_evidence(person.contact_ids, [*devices, *former])
    return Forgotten(len(devices), evidence, behaviour + _behaviour_of(devices), lines)


def mark(site: Site, mark: bytes, now: datetime) -> ErasedContact:
    """Remembers an erased CRM id that is no contact, so that it does not become one unasked."""
    journal.write([journal.erased(site.id, 0, [mark], [], now)])
    return ErasedContact.objects.create(site=site, external_id_hmac=mark, at=now)


def forget_device(device: Device, now: datetime, *, journaled: bool = True) -> None:
    """The person erases this browser: it is let go of, silenced and forgotten. Who they are to the CRM is untouched."""
    with transaction.atomic():
        purposes = list(
            Purpose.objects.raw("select * from purpose where site_id = %s order by id for share", [device.site_id])
        )
        links.lock([], [device.pk])
        if journaled:
            journal.write([journal.erased(device.site_id, 0, [], [device.pk], now)])
        silence(sorted(purposes, key=lambda purpose: purpose.bit), [device.pk], now)
        _behaviour_of([device.pk])
        _forget_evidence([], [device.pk])


def silence(purposes: Sequence[Purpose], device_ids: Sequence[int], now: datetime) -> None:
    """Withdraws every purpose in these browsers, locked by the caller, and deletes what they are reached by."""
    ledger.record(
        [
            Decided(
                site_id=purpose.site_id,
                scope=Scope(Scope.DEVICE),
                subject_id=device_id,
                purpose_id=purpose.pk,
                decision=Decision(Decision.WITHDRAWN),
                source="erasure",
            )
            for device_id in device_ids
            for purpose in purposes
        ],
        now,
        journaled=False,
    )
    Subscription.objects.filter(device_id__in=device_ids).delete()
    DeviceStats.objects.filter(device_id__in=device_ids).delete()
    Device.objects.filter(id__in=device_ids).update(
        status=Device.Status.ERASED,
        contact=None,
        browser="",
        browser_version="",
        os="",
        form="",
        language="",
        time_zone="",
        country="",
        tags=[],
    )


def leave_lists(contact_id: int) -> None:
    """Takes the contact from the uploaded lists, whose figures say how many are in them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "with gone as (delete from contact_list_member where contact_id = %s returning list_id)"
            " update contact_list l set members = l.members - 1 from gone where l.id = gone.list_id",
            [contact_id],
        )


def _behaviour_of(device_ids: Sequence[int]) -> int:
    return Behaviour.objects.filter(device_id__in=device_ids).delete()[0]


def _former_devices(contact_ids: Sequence[int]) -> list[int]:
    """Browsers that said yes to being linked to this person and are anonymous now: where, and from which address."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct d.id from consent_state s join device d on d.id = s.subject_id"
            " where s.scope = 1 and s.contact_id = any(%s) and d.contact_id is null order by d.id",
            [list(contact_ids)],
        )
        return [row[0] for row in cursor.fetchall()]


def _forget_evidence(contact_ids: Sequence[int], device_ids: Sequence[int]) -> tuple[int, int]:
    """How many proofs were deleted, and how many lines of the ledger remain without one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id from consent_record where scope = 2 and subject_id = any(%s)"
            " or scope = 1 and subject_id = any(%s)",
            [list(contact_ids), list(device_ids)],
        )
        lines = [row[0] for row in cursor.fetchall()]
        cursor.execute("delete from consent_evidence where record_id = any(%s)", [lines])
        return cursor.rowcount, len(lines)
