"""Erases a person everywhere: subscribers/forgetting.py, and every copy in what was sent to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import connection, transaction

from campaigns.models import Delivery, Message
from pushplatform.api.idempotency import KEPT
from pushplatform.api.models import Idempotency
from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import contacts, forgetting, person
from subscribers.errors import NotFound
from subscribers.models import Contact, Device, ErasedContact
from subscribers.person import Person


@dataclass(frozen=True, slots=True)
class Erased:
    """`removed`: how many things of each kind this call deleted or emptied. `remains`: what is kept, and why."""

    external_id: str
    at: datetime
    removed: dict[str, int] = field(default_factory=dict)
    remains: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "external_id": self.external_id,
            "status": "erased",
            "erased_at": rfc3339(self.at),
            "removed": self.removed,
            "remains": self.remains,
        }


def erase(site: Site, external_id: str, now: datetime, *, journaled: bool = True) -> Erased:
    """Doing it twice is harmless, and says when it was done. Raises NotFound for somebody nobody has heard of, and
    Conflict contact_merged for an id that is another person's now."""
    with transaction.atomic():
        found = person.lock(site.id, external_id).get(external_id)
        if found is None:
            return _erased_before(site, external_id, now)
        return _erase(site, found, now, journaled)


def erase_device(device: Device, now: datetime, *, journaled: bool = True) -> None:
    """Erases what is known of one browser; what the CRM tells of its person is the CRM's to erase."""
    with transaction.atomic():
        forgetting.forget_device(device, now, journaled=journaled)
        _forget_copies(device.site, [], [device.pk], now)
        _forget_in_log(Device, [device.pk])


def _erase(site: Site, found: Person, now: datetime, journaled: bool) -> Erased:
    deliveries = Delivery.objects.filter(contact_id__in=found.contact_ids).count()
    # The contact goes first: after it nobody writes about it any more.
    forgotten = forgetting.forget(found, now, journaled=journaled)
    copies = _forget_copies(site, found.external_ids, found.device_ids, now)
    _forget_in_log(Contact, found.contact_ids)
    _forget_in_log(Device, found.device_ids)
    removed = {
        "devices": forgotten.devices,
        "evidence": forgotten.evidence,
        "events": forgotten.behaviour,
        **copies,
    }
    return Erased(found.external_ids[0], now, removed, _remains(forgotten.ledger_lines, deliveries))


def _erased_before(site: Site, external_id: str, now: datetime) -> Erased:
    """What was sent to an id that is no contact, or not any more, is erased all the same."""
    mark = contacts.erasure_mark(site.id, external_id)
    known = ErasedContact.objects.filter(site=site, external_id_hmac=mark).first()
    if known is None and external_id in (gone := contacts.gone(site, [external_id])):
        raise gone[external_id]
    copies = _forget_copies(site, [external_id], [], now)
    if known is None:
        if not copies["recipients"]:
            raise NotFound
        known = forgetting.mark(site, mark, now)
    return Erased(external_id, known.at, {"devices": 0, "evidence": 0, "events": 0, **copies}, _remains(0, 0))


def _remains(lines: int, deliveries: int) -> list[dict[str, Any]]:
    return [
        {
            "what": "consent_ledger",
            "count": lines,
            "detail": "Decisions under numbers: purpose, time, source, wording, origin of the page. No id, no text.",
        },
        {
            "what": "deliveries",
            "count": deliveries,
            "detail": "That something was sent, and when, under numbers that lead to nobody any more: for statistics.",
        },
        {
            "what": "erasure_mark",
            "count": 1,
            "detail": "A keyed hash of the external_id, in the database and its privacy journal, so that the person "
            "does not come back unasked.",
        },
        {
            "what": "backups",
            "count": None,
            "detail": "Those made before are not changed; `manage.py after_restore` erases again what one brings back.",
        },
    ]


def _forget_copies(site: Site, external_ids: Sequence[str], device_ids: Sequence[int], now: datetime) -> dict[str, int]:
    """Empties what API calls said of the person: params, ids, stored answers, and texts made for them alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct r.message_id from recipient r join message m on m.id = r.message_id"
            " where m.site_id = %s and (r.external_id = any(%s::text[]) or r.device_id = any(%s::bigint[]))",
            [site.id, list(external_ids), list(device_ids)],
        )
        message_ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "update recipient set external_id = null, params = '{}', rule = null where message_id = any(%s)"
            " and (external_id = any(%s::text[]) or device_id = any(%s::bigint[]))",
            [message_ids, list(external_ids), list(device_ids)],
        )
        recipients = cursor.rowcount
        # Recipients emptied now or by an earlier erasure have neither; of others something is known.
        cursor.execute(
            "select id from message m where id = any(%s) and campaign_id is null and not exists ("
            "  select from recipient r where r.message_id = m.id and (r.external_id is not null"
            "    or r.device_id is not null and not r.device_id = any(%s)))",
            [message_ids, list(device_ids)],
        )
        alone = [row[0] for row in cursor.fetchall()]
    answers = _forget_answers(site, message_ids, set(alone), set(external_ids), now)
    for message in Message.objects.filter(pk__in=alone):
        options = {name: value for name, value in message.options.items() if name != "collapse_key"}
        Message.objects.filter(pk=message.pk).update(content={}, correlation_id="", options=options)
    return {"recipients": recipients, "message_texts": len(alone), "stored_answers": answers}


def _forget_answers(
    site: Site, message_ids: Sequence[int], alone: set[int], external_ids: set[str], now: datetime
) -> int:
    """Stored answers name their recipients; one that was about this person alone goes with its key."""
    recent = Message.objects.filter(pk__in=message_ids, created_at__gt=now - KEPT - timedelta(days=1))
    by_id = {public_ids.encode("msg", pk): (pk, at) for pk, at in recent.values_list("pk", "created_at")}
    with connection.cursor() as cursor:
        # An answer is stored in the transaction of its message, so the index on its time finds it.
        cursor.execute(
            "select i.id, m.public_id from unnest(%s::text[], %s::timestamptz[]) m(public_id, at) join idempotency i"
            " on i.site_id = %s and i.created_at between m.at - interval '1 minute' and m.at + interval '10 minutes'"
            " and i.answer ->> 'id' = m.public_id",
            [list(by_id), [at for _, at in by_id.values()], site.id],
        )
        found = dict(cursor.fetchall())
    for stored in Idempotency.objects.filter(pk__in=found):
        if by_id[found[stored.pk]][0] in alone:
            stored.delete()
            continue
        for result in stored.answer.get("results", ()):
            if result.get("external_id") in external_ids:
                result["external_id"] = None
        stored.save(update_fields=["answer"])
    return len(found)


def _forget_in_log(model: Any, ids: Sequence[int]) -> None:
    """The admin's log names what was changed."""
    entries = LogEntry.objects.filter(
        content_type__app_label=model._meta.app_label,
        content_type__model=model._meta.model_name,
        object_id__in=[str(one) for one in ids],
    )
    entries.update(object_repr="erased", change_message="")
