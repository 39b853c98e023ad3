"""The people a CRM knows: the rules of what they are, and who does not come back unasked."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.errors import Conflict, Fault, Invalid, NotFound
from subscribers.models import Contact, ErasedContact, MergedContact

LONGEST_ID: Final = 255
MOST_TAGS: Final = 100
LONGEST_TAG: Final = 64
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


class Erased(Conflict):
    def __init__(self) -> None:
        super().__init__("contact_erased", "This person was erased and does not come back unasked.")


def known_or_new(site: Site, external_id: str) -> Contact:
    """The contact with this CRM id, made when nobody has heard of it.

    Raises Invalid, and Conflict: contact_erased, contact_merged.
    """
    contact = Contact.objects.filter(site=site, external_id=external_id).first()
    if contact is None:
        if faults := external_id_faults(external_id):
            raise Invalid(faults)
        Contact.objects.bulk_create([Contact(site=site, external_id=external_id)], ignore_conflicts=True)
        if refused := gone(site, [external_id]):  # after the insert: it waits for an erasure or a merge under way
            Contact.objects.filter(site=site, external_id=external_id).delete()
            raise refused[external_id]
        contact = Contact.objects.get(site=site, external_id=external_id)
    return contact


def find(site: Site, external_id: str) -> Contact:
    """The contact with this CRM id; raises NotFound, and Conflict contact_merged that names who the person is now."""
    contact = Contact.objects.filter(site=site, external_id=external_id).first()
    if contact is not None:
        return contact
    refused = gone(site, [external_id]).get(external_id)
    raise refused if refused is not None and refused.code == "contact_merged" else NotFound


def gone(site: Site, external_ids: Collection[str]) -> dict[str, Conflict]:
    """Those of the CRM ids that were erased or merged into another, with what is said of them."""
    marks = {erasure_mark(site.id, one): one for one in external_ids}
    erased = ErasedContact.objects.filter(site=site, external_id_hmac__in=list(marks))
    refused: dict[str, Conflict] = {
        marks[bytes(mark)]: Erased() for mark in erased.values_list("external_id_hmac", flat=True)
    }
    merged = MergedContact.objects.filter(site=site, external_id__in=list(external_ids))
    for external_id, into in merged.values_list("external_id", "into__external_id"):
        refused[external_id] = Merged(into)
    return refused


class Merged(Conflict):
    """The person is known by the CRM id `into` now."""

    def __init__(self, into: str):
        super().__init__("contact_merged", f"This contact was merged into {into!r}.")
        self.into = into


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


def language_faults(language: str) -> list[Fault]:
    """What is wrong with a language; an empty text is none."""
    if language and (len(language) > 35 or not LANGUAGE.fullmatch(language)):
        return [Fault("/language", "invalid_language", "must be a language tag such as en or pt-BR")]
    return []


def time_zone_faults(time_zone: str) -> list[Fault]:
    """What is wrong with a time zone; an empty text is none."""
    if time_zone and not is_time_zone(time_zone):
        return [Fault("/time_zone", "unknown_time_zone", "must be a time zone such as Europe/Warsaw")]
    return []


def _is_tag(tag: Any) -> bool:
    return (
        isinstance(tag, str)
        and 0 < len(tag) <= LONGEST_TAG
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in tag)
    )


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
