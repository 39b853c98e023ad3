"""What a Site asks consent for, and the exact wordings it asks with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from pushplatform.sites.models import Site
from subscribers.errors import Fault, Invalid
from subscribers.ledger import withdraw_ended
from subscribers.models import Purpose, Wording

MOST = 62
"""Purposes of a Site, archived ones too: one bit each in `device.allowed`."""

KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
LONGEST_WORDING = 2000

DEFAULTS = (
    (
        Purpose.PERSONAL_DATA,
        "personal_data",
        "Knowing who you are",
        "Link this browser to my customer account, so that messages can be about me.",
    ),
    (
        Purpose.MEASUREMENT,
        "measurement",
        "Measuring",
        "Measure for this browser whether messages arrive and are read, so that I get fewer and better ones.",
    ),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A purpose with the wording that is shown for it now."""

    purpose: Purpose
    wording: Wording


def add_site_defaults(site: Site) -> list[Purpose]:
    """The two purposes every Site has: `personal_data` (bit 0), `measurement` (bit 1). Doing it twice is harmless."""
    made = []
    with transaction.atomic():
        for bit, key, title, text in DEFAULTS:
            purpose, new = Purpose.objects.get_or_create(
                site=site, bit=bit, defaults={"key": key, "kind": Purpose.Kind.SERVICE, "title": title}
            )
            if new:
                Wording.objects.create(purpose=purpose, version=1, language="en", text=text)
            made.append(purpose)
    return made


def add(site: Site, key: str, kind: str, title: str, wording: Mapping[str, str]) -> Purpose:
    """A new purpose with the texts of its first wording, by language; raises Invalid."""
    faults = _wording_faults(wording)
    if not KEY.fullmatch(key):
        faults.append(Fault("/key", "invalid_key", "must be 1 to 64 of a-z, 0-9, _ and -, beginning with a letter"))
    if kind not in Purpose.Kind.values:
        faults.append(Fault("/kind", "invalid_kind", f"must be one of {', '.join(Purpose.Kind.values)}"))
    if not 0 < len(title.strip()) <= 100:
        faults.append(Fault("/title", "invalid_title", "must have 1 to 100 characters"))
    if faults:
        raise Invalid(faults)
    with transaction.atomic():
        Site.objects.select_for_update(no_key=True).get(id=site.id)  # two at once must not take the same bit
        if Purpose.objects.filter(site=site, key=key).exists():
            raise Invalid([Fault("/key", "purpose_exists", f"there is a purpose {key} already; choose another key")])
        highest = Purpose.objects.filter(site=site).aggregate(highest=Max("bit"))["highest"]
        bit = max(2, (highest or 0) + 1)
        if bit >= MOST:
            raise Invalid(
                [Fault("/key", "too_many_purposes", f"a Site has at most {MOST} purposes, archived ones too")]
            )
        purpose = Purpose.objects.create(site=site, bit=bit, key=key, kind=kind, title=title.strip())
        _create(purpose, 1, wording, ends_older=False)
    return purpose


def add_wording(purpose: Purpose, wording: Mapping[str, str], now: datetime, *, ends_older: bool = False) -> int:
    """A new version of a wording; with `ends_older` the yeses given to older ones end. Returns the version."""
    if faults := _wording_faults(wording):
        raise Invalid(faults)
    with transaction.atomic():
        purpose = Purpose.objects.select_for_update().get(id=purpose.id)
        newest = Wording.objects.filter(purpose=purpose).aggregate(newest=Max("version"))["newest"]
        version = (newest or 0) + 1
        _create(purpose, version, wording, ends_older=ends_older)
        if ends_older:
            withdraw_ended(purpose, now)
    return version


def add_translation(purpose: Purpose, version: int, language: str, text: str) -> Wording:
    """The text of an existing version in one more language; raises Invalid where it has that language already."""
    faults = _wording_faults({language: text})
    versions = Wording.objects.filter(purpose=purpose, version=version)
    first = versions.first()
    if first is None:
        faults.append(Fault("/version", "unknown_version", f"{purpose.key} has no version {version}"))
    elif versions.filter(language=language).exists():
        faults.append(Fault("/language", "wording_exists", "a wording is never changed; add a new version instead"))
    if faults or first is None:
        raise Invalid(faults)
    return Wording.objects.create(
        purpose=purpose, version=version, language=language, text=text.strip(), ends_older=first.ends_older
    )


def shown(site: Site, languages: Sequence[str]) -> list[Shown]:
    """What the Site asks for now, by bit: of each purpose's newest version the text in the first language it has.

    `measurement` is not asked for where the Site does not need it.
    """
    purposes = Purpose.objects.filter(site=site, archived=False).order_by("bit")
    if site.measurement == Site.Measurement.EVERYONE:
        purposes = purposes.exclude(bit=Purpose.MEASUREMENT)
    texts: dict[int, list[Wording]] = {}
    for wording in Wording.objects.filter(purpose__in=purposes, from_crm=False).order_by("-version", "id"):
        known = texts.setdefault(wording.purpose_id, [])
        if not known or known[0].version == wording.version:
            known.append(wording)
    return [
        Shown(purpose, _best(texts[purpose.id], [*languages, site.default_language]))
        for purpose in purposes
        if purpose.id in texts
    ]


def _best(wordings: list[Wording], languages: Sequence[str]) -> Wording:
    """The first language that there is a text in, exactly or without its region; else any text."""
    texts = {wording.language.lower(): wording for wording in reversed(wordings)}
    wanted = (tag for language in languages for tag in (language.lower(), language.lower().partition("-")[0]))
    return next((texts[tag] for tag in wanted if tag in texts), wordings[0])


def _create(purpose: Purpose, version: int, wording: Mapping[str, str], *, ends_older: bool) -> None:
    Wording.objects.bulk_create(
        Wording(purpose=purpose, version=version, language=language, text=text.strip(), ends_older=ends_older)
        for language, text in wording.items()
    )


def _wording_faults(wording: Mapping[str, str]) -> list[Fault]:
    faults = []
    if not wording:
        faults.append(Fault("/wording", "wording_missing", "give the text that people say yes or no to"))
    for language, text in wording.items():
        if len(language) > 35 or not LANGUAGE.fullmatch(language):
            faults.append(
                Fault("/wording", "invalid_language", f"{language!r} is no language: write it like en or pt-BR")
            )
        if not 0 < len(text.strip()) <= LONGEST_WORDING:
            faults.append(
                Fault(f"/wording/{language}", "invalid_wording", f"must have 1 to {LONGEST_WORDING} characters")
            )
    return faults


def locked(site_id: int, keys: Iterable[str]) -> dict[str, Purpose]:
    """The Site's purposes with these keys, share-locked, so that no wording ends a yes while it is recorded."""
    return {
        purpose.key: purpose
        for purpose in Purpose.objects.raw(
            "select * from purpose where site_id = %s and key = any(%s) and not archived order by id for share",
            [site_id, sorted(set(keys))],
        )
    }
