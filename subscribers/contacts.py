"""The people a CRM knows."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from django.db import transaction

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import attribute_types
from subscribers.errors import Conflict, Fault, Invalid
from subscribers.models import Contact, ErasedContact

LONGEST_ID: Final = 255
MOST_TAGS: Final = 100
LONGEST_TAG: Final = 64
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


def upsert(
    site: Site,
    external_id: str,
    *,
    attributes: Mapping[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    owner: str | None = None,
    merge: bool = False,
    recreate: bool = False,
) -> Contact:
    """Makes or changes the contact with this CRM id; what is None stays as it is.

    `attributes` replace the old ones, with `merge` they are merged into them; one that is null is taken away.
    `recreate`: bring back a person who was erased. Raises Invalid, and Conflict `contact_erased`.
    """
    faults = external_id_faults(external_id)
    known = attribute_types.catalogue(site.id) if attributes else {}
    faults += attribute_types.faults_of(attributes or {}, known)
    values = _values(tags, language, time_zone, owner, faults)
    if faults:
        raise Invalid(faults)
    with transaction.atomic():
        if attributes:
            known = attribute_types.discover(site.id, attributes, known)
            if faults := attribute_types.faults_of(attributes, known):
                raise Invalid(faults)
        contact = Contact.objects.select_for_update(no_key=True).filter(site=site, external_id=external_id).first()
        contact = contact or _made(site, external_id, recreate=recreate)
        if attributes is not None:
            old = contact.attributes if merge else {}
            contact.attributes = {key: value for key, value in {**old, **attributes}.items() if value is not None}
        for name, value in values.items():
            setattr(contact, name, value)
        contact.save()
    return contact


def known_or_new(site: Site, external_id: str) -> Contact:
    """The contact with this CRM id, made when nobody has heard of it; raises Invalid and Conflict `contact_erased`."""
    contact = Contact.objects.filter(site=site, external_id=external_id).first()
    if contact is None:
        if faults := external_id_faults(external_id):
            raise Invalid(faults)
        contact = _made(site, external_id)
    return contact


def external_id_faults(external_id: Any, at: str = "/external_id") -> list[Fault]:
    """What is wrong with a CRM id: 1 to 255 characters, NFC, no control characters. Case counts."""
    if not isinstance(external_id, str):
        return [Fault(at, "invalid_type", "must be a text")]
    if not 0 < len(external_id) <= LONGEST_ID:
        return [Fault(at, "invalid_external_id", f"must have 1 to {LONGEST_ID} characters")]
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in external_id):
        return [Fault(at, "invalid_external_id", "must have no control characters")]
    if not unicodedata.is_normalized("NFC", external_id):
        return [Fault(at, "invalid_external_id", "must be in Unicode's normal form C; normalize it before it is sent")]
    return []


def erasure_mark(site_id: int, external_id: str) -> bytes:
    """By what an erased CRM id is known again: its HMAC, from which it cannot be had back."""
    return public_ids.digest(f"erased contact\0{site_id}\0{external_id}")


def is_time_zone(name: str) -> bool:
    return name in _time_zones()


def tags_faults(tags: Iterable[Any], at: str = "/tags") -> list[Fault]:
    """What is wrong with tags: at most 100, each 1 to 64 characters without control characters."""
    tags = list(tags)
    if len(tags) > MOST_TAGS:
        return [Fault(at, "too_many_tags", f"must be at most {MOST_TAGS}")]
    detail = f"must be a text of 1 to {LONGEST_TAG} characters without control characters"
    return [Fault(f"{at}/{number}", "invalid_tag", detail) for number, tag in enumerate(tags) if not _is_tag(tag)]


def _is_tag(tag: Any) -> bool:
    return (
        isinstance(tag, str)
        and 0 < len(tag) <= LONGEST_TAG
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in tag)
    )


def _values(
    tags: Iterable[str] | None, language: str | None, time_zone: str | None, owner: str | None, faults: list[Fault]
) -> dict[str, Any]:
    """The plain members that are given; what is wrong with them is added to `faults`."""
    values: dict[str, Any] = {}
    if tags is not None:
        tags = list(tags)
        faults += (wrong := tags_faults(tags))
        values["tags"] = [] if wrong else sorted(set(tags))
    if language is not None:
        if language and (len(language) > 35 or not LANGUAGE.fullmatch(language)):
            faults.append(Fault("/language", "invalid_language", "must be a language tag such as en or pt-BR"))
        values["language"] = language
    if time_zone is not None:
        if time_zone and not is_time_zone(time_zone):
            faults.append(Fault("/time_zone", "unknown_time_zone", "must be a time zone such as Europe/Warsaw"))
        values["time_zone"] = time_zone
    if owner is not None:
        if owner:
            faults += external_id_faults(owner, "/owner")
        values["owner"] = owner
    return values


def _made(site: Site, external_id: str, *, recreate: bool = False) -> Contact:
    erased = ErasedContact.objects.filter(site=site, external_id_hmac=erasure_mark(site.id, external_id))
    if recreate:
        erased.delete()
    elif erased.exists():
        raise Conflict("contact_erased", "This person was erased and does not come back unasked.")
    Contact.objects.bulk_create([Contact(site=site, external_id=external_id)], ignore_conflicts=True)
    return Contact.objects.get(site=site, external_id=external_id)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
