"""Makes and changes contacts, one or a thousand, in a fixed number of queries; a wrong one stops no other."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from pushplatform.sites.models import Site
from subscribers import attribute_types, journal
from subscribers.contacts import (
    Erased,
    erasure_mark,
    external_id_faults,
    gone,
    language_faults,
    tags_faults,
    time_zone_faults,
)
from subscribers.errors import Conflict, Fault, Invalid
from subscribers.models import Contact, ErasedContact, MergedContact

MOST_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Given:
    """A contact as it is to be; what is None stays as it is, an empty text or list empties.

    `attributes` replace the old ones, with `merge` they are merged into them; one that is null is taken away.
    `recreate`: bring back a person who was erased or merged into another.
    """

    external_id: Any
    attributes: Mapping[str, Any] | None = None
    tags: Iterable[Any] | None = None
    language: str | None = None
    time_zone: str | None = None
    owner: str | None = None
    merge: bool = False
    recreate: bool = False


@dataclass(slots=True)
class Upserted:
    """What came of one: the `contact` and whether it is new or `changed`, or else its `faults` or the `conflict`."""

    contact: Contact | None = None
    created: bool = False
    changed: bool = False
    faults: list[Fault] = field(default_factory=list)
    conflict: Conflict | None = None

    @property
    def failed(self) -> bool:
        return bool(self.faults) or self.conflict is not None


def upsert(site: Site, external_id: str, **given: Any) -> Contact:
    """Makes or changes the contact with this CRM id, as Given says; raises Invalid, and Conflict contact_erased or
    contact_merged."""
    contact = raise_faults(upsert_many(site, [Given(external_id, **given)], timezone.now())[0]).contact
    assert contact is not None
    return contact


def raise_faults(upserted: Upserted) -> Upserted:
    if upserted.faults:
        raise Invalid(upserted.faults)
    if upserted.conflict is not None:
        raise upserted.conflict
    return upserted


def upsert_many(site: Site, given: Sequence[Given], now: datetime) -> list[Upserted]:
    """One Upserted for each, in their order; the same contact may come twice, the later one wins."""
    answers = [Upserted() for _ in given]
    types = attribute_types.catalogue_of(site)
    new: dict[str, str] = {}
    for one, answer in zip(given, answers, strict=True):
        answer.faults = _faults(one, types.plus(new))
        if not answer.faults:
            new |= types.plus(new).discovered(one.attributes or {})
    with transaction.atomic():
        if new:
            types = attribute_types.discover(site, new)
            for one, answer in zip(given, answers, strict=True):
                answer.faults = answer.faults or _faults(one, types)  # others may have been faster with another type
        _write(site, [pair for pair in zip(given, answers, strict=True) if not pair[1].faults], now)
    return answers


def _faults(one: Given, types: attribute_types.Catalogue) -> list[Fault]:
    faults = external_id_faults(one.external_id)
    faults += attribute_types.faults_of(one.attributes or {}, types)
    faults += tags_faults(one.tags or ())
    faults += language_faults(one.language or "") + time_zone_faults(one.time_zone or "")
    return faults + (external_id_faults(one.owner, "/owner") if one.owner else [])


def _write(site: Site, sound: Sequence[tuple[Given, Upserted]], now: datetime) -> None:
    ids = sorted({one.external_id for one, _ in sound})
    _bring_back(site, {one.external_id for one, _ in sound if one.recreate}, now)
    made = _insert(site, ids, now)
    refused = gone(site, ids)  # after the insert: it waits for an erasure or a merge under way
    if unasked := made & refused.keys():
        Contact.objects.filter(site=site, external_id__in=unasked).delete()
    locked = Contact.objects.select_for_update(no_key=True).filter(site=site, external_id__in=ids).order_by("id")
    contacts = {contact.external_id: contact for contact in locked}
    changed: dict[int, Contact] = {}
    for one, answer in sound:
        contact = contacts.get(one.external_id)
        if contact is None:
            answer.conflict = refused.get(one.external_id) or Erased()
            continue
        answer.contact, answer.created = contact, one.external_id in made
        made.discard(one.external_id)
        answer.changed = _apply(one, contact)
        if answer.changed:
            contact.updated_at = now
            changed[contact.pk] = contact
    if changed:
        _update(list(changed.values()))


def _bring_back(site: Site, external_ids: set[str], now: datetime) -> None:
    """Lets the ids that were erased or merged away be used again."""
    if not external_ids:
        return
    marks = {erasure_mark(site.id, one) for one in external_ids}
    if ErasedContact.objects.filter(site=site, external_id_hmac__in=list(marks)).delete()[0]:
        journal.write([journal.recreated(site.id, mark, now) for mark in sorted(marks)])
    MergedContact.objects.filter(site=site, external_id__in=list(external_ids)).delete()


def _insert(site: Site, external_ids: list[str], now: datetime) -> set[str]:
    """Makes those that are missing; in one order, so that two requests at once wait for each other in it too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into contact (site_id, external_id, attributes, tags, owner, language, time_zone, created_at,"
            " updated_at) select %s, e, '{}', '{}', '', '', '', %s, %s from unnest(%s::text[]) e"
            " where not exists (select from contact c where c.site_id = %s and c.external_id = e) order by e"
            " on conflict do nothing returning external_id",
            [site.id, now, now, external_ids, site.id],
        )
        return {row[0] for row in cursor.fetchall()}


def _apply(one: Given, contact: Contact) -> bool:
    """Makes the contact what is given; whether anything about it is new."""
    values: dict[str, Any] = {}
    if one.attributes is not None:
        old = contact.attributes if one.merge else {}
        values["attributes"] = {key: value for key, value in {**old, **one.attributes}.items() if value is not None}
    if one.tags is not None:
        values["tags"] = sorted(set(one.tags))
    values |= {name: value for name in ("language", "time_zone", "owner") if (value := getattr(one, name)) is not None}
    changed = [name for name, value in values.items() if not _same(getattr(contact, name), value)]
    for name in changed:
        setattr(contact, name, values[name])
    return bool(changed)


def _same(old: Any, new: Any) -> bool:
    """True and 1 are equal to Python, and different to JSON."""
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _update(contacts: Sequence[Contact]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "update contact c set attributes = u.attributes::jsonb,"
            " tags = array(select jsonb_array_elements_text(u.tags::jsonb)), owner = u.owner, language = u.language,"
            " time_zone = u.time_zone, updated_at = %s"
            " from unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
            " as u(id, attributes, tags, owner, language, time_zone) where c.id = u.id",
            [
                contacts[0].updated_at,
                [one.pk for one in contacts],
                [json.dumps(one.attributes) for one in contacts],
                [json.dumps(one.tags) for one in contacts],
                [one.owner for one in contacts],
                [one.language for one in contacts],
                [one.time_zone for one in contacts],
            ],
        )
