"""What is to be done after a backup was restored: people's later wishes count, and nothing is sent a second time."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from campaigns import control, erasing
from campaigns.models import Campaign, Message
from pushplatform.sites.models import Site
from subscribers import contacts, journal, ledger
from subscribers.ledger import Decided
from subscribers.models import ConsentState, Contact, Decision, Device, ErasedContact, Purpose, Scope

UNDER_WAY: Final = (Message.Status.FREEZING, Message.Status.SENDING)


@dataclass(slots=True)
class Restored:
    """What was done. `unknown`: journal lines about people or browsers that the backup does not have."""

    paused: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    unscheduled: list[int] = field(default_factory=list)
    erased: int = 0
    withdrawn: int = 0
    unknown: int = 0


def after_restore(folder: Path, now: datetime) -> Restored:
    """To be called before anything else runs on the restored database; doing it twice is harmless.

    First everything that was being sent when the backup was taken is paused, so that nothing goes while the journal is
    replayed; then it is cancelled: most of it was sent after the backup, and nobody knows which. So is what was
    scheduled for a time that has passed meanwhile.
    """
    done = Restored()
    _pause(done)
    lines = list(journal.read(folder))
    _replay_erasures([line for line in lines if line["act"] in ("erased", "recreated")], done)
    _replay_withdrawals([line for line in lines if line["act"] == "withdrawn"], now, done)
    _cancel(now, done)
    return done


def _pause(done: Restored) -> None:
    with transaction.atomic():
        going = Message.objects.filter(finished_at=None, status__in=UNDER_WAY)
        done.paused = list(going.order_by("pk").values_list("pk", flat=True))
        going.update(status=Message.Status.PAUSED)
        Campaign.objects.filter(status=Campaign.Status.SENDING).update(status=Campaign.Status.PAUSED)


def _cancel(now: datetime, done: Restored) -> None:
    """A campaign whose time has passed becomes a draft again, for somebody to decide."""
    passed = Message.objects.filter(finished_at=None, status=Message.Status.SCHEDULED, send_at__lte=now)
    paused = Message.objects.filter(finished_at=None, status=Message.Status.PAUSED)
    for message_id in sorted({*passed.values_list("pk", flat=True), *paused.values_list("pk", flat=True)}):
        control.cancel(message_id, now)
        done.cancelled.append(message_id)
    scheduled = Campaign.objects.filter(status=Campaign.Status.SCHEDULED, send_at__lte=now)
    done.unscheduled = list(scheduled.order_by("pk").values_list("pk", flat=True))
    scheduled.update(status=Campaign.Status.DRAFT)


def _replay_erasures(lines: list[Any], done: Restored) -> None:
    """The last word about a CRM id counts: erased, or brought back on purpose."""
    last = {(line["site"], mark): line["id"] for line in lines for mark in line["marks"]}
    sites = Site.objects.in_bulk({line["site"] for line in lines})
    for line in lines:
        site = sites.get(line["site"])
        if site is None or line["act"] != "erased":
            continue
        at = datetime.fromisoformat(line["at"])
        standing = [bytes.fromhex(mark) for mark in line["marks"] if last[line["site"], mark] == line["id"]]
        erased = _erase_contact(site, line, standing, at)
        for device_id in _devices_of(line):
            erasing.erase_device(Device.objects.select_related("site").get(pk=device_id), at, journaled=False)
            erased = True
        ErasedContact.objects.bulk_create(
            [ErasedContact(site=site, external_id_hmac=mark, at=at) for mark in standing], ignore_conflicts=True
        )
        done.erased += erased


def _erase_contact(site: Site, line: Any, standing: list[bytes], at: datetime) -> bool:
    """Erases the contact of a line where it is the very person."""
    contact = Contact.objects.filter(site=site, pk=line["contact"]).first()
    if contact is None or contacts.erasure_mark(site.pk, contact.external_id) not in standing:
        return False
    erasing.erase(site, contact.external_id, at, journaled=False)
    return True


def _devices_of(line: Any) -> list[int]:
    """The browsers of a line that the backup has, still with what they were reached by."""
    marks = dict(line["devices"])
    found = journal.device_marks(marks)
    return [device_id for device_id, mark in marks.items() if mark and found.get(device_id) == mark]


def _replay_withdrawals(lines: list[Any], now: datetime, done: Restored) -> None:
    purposes = Purpose.objects.in_bulk({line["purpose"] for line in lines})
    for line in lines:
        purpose, scope = purposes.get(line["purpose"]), Scope(line["scope"])
        marks = (journal.device_marks if scope == Scope.DEVICE else journal.contact_marks)([line["subject"]])
        if purpose is None or not line["mark"] or marks.get(line["subject"]) != line["mark"]:
            done.unknown += 1
            continue
        at = datetime.fromisoformat(line["at"])
        state = ConsentState.objects.filter(scope=scope, subject_id=line["subject"], purpose_id=purpose.pk).first()
        if state is not None and (state.at, state.decision) >= (at, Decision.WITHDRAWN):
            continue  # the backup has it, or something newer
        decided = Decided(
            site_id=purpose.site_id,
            scope=scope,
            subject_id=line["subject"],
            purpose_id=purpose.pk,
            decision=Decision(Decision.WITHDRAWN),
            source="journal",
            claimed_at=at,
        )
        ledger.record([decided], now, journaled=False)
        done.withdrawn += 1
