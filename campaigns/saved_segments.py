"""Saved segments: written, copied, put away and taken away; where they are used, and how large they were day by day."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from campaigns.audience import Audience
from campaigns.models import Campaign
from campaigns.previewing import PATIENCE_MS, Preview, preview
from campaigns.segment_fields import parse, understand
from pushplatform.sites import public_ids
from subscribers.errors import Conflict, Fault, Invalid
from subscribers.models import Segment, SegmentSize
from subscribers.segments import DefinitionError

LONGEST_NAME: Final = 100
LONGEST_DESCRIPTION: Final = 1000
NIGHTLY_PATIENCE_MS: Final = 60_000
KEPT_DAYS: Final = 800
AT_ONCE: Final = 5_000
"""Rows of an export that are fetched at once."""

log = logging.getLogger(__name__)


def save(segment: Segment) -> Segment:
    """Writes a segment whose name is free and whose definition can be understood; raises Invalid."""
    faults = _name_faults(segment)
    try:
        parse(segment.definition, segment.site_id, segment_id=segment.pk)
    except DefinitionError as error:
        faults += [Fault(f"/definition{one.pointer}", one.code, one.detail) for one in error.errors]
    if faults:
        raise Invalid(faults)
    segment.save()
    return segment


def _name_faults(segment: Segment) -> list[Fault]:
    segment.name = segment.name.strip()
    if not 0 < len(segment.name) <= LONGEST_NAME:
        return [Fault("/name", "out_of_range", f"must have 1 to {LONGEST_NAME} characters")]
    others = Segment.objects.filter(site_id=segment.site_id, name=segment.name, archived=False)
    if not segment.archived and others.exclude(pk=segment.pk).exists():
        return [Fault("/name", "name_taken", "is another segment's: choose one that tells them apart")]
    return []


def duplicate(segment: Segment) -> Segment:
    """A copy under a name of its own."""
    taken = set(Segment.objects.filter(site_id=segment.site_id).values_list("name", flat=True))
    endings = [" (copy)", *(f" (copy {number})" for number in range(2, len(taken) + 3))]
    names = (f"{segment.name[: LONGEST_NAME - len(ending)]}{ending}" for ending in endings)
    return Segment.objects.create(
        site_id=segment.site_id,
        name=next(name for name in names if name not in taken),
        description=segment.description,
        definition=segment.definition,
    )


def used_by(segment: Segment) -> tuple[list[Campaign], list[Segment]]:
    """The campaigns that include or exclude it, newest first, and the segments that refer to it."""
    campaigns = Campaign.objects.filter(campaign_segments__segment=segment).order_by("-pk")
    return list(campaigns), _referring_to(segment)


def _referring_to(segment: Segment) -> list[Segment]:
    own = public_ids.encode("seg", segment.pk)
    others = Segment.objects.filter(site_id=segment.site_id).exclude(pk=segment.pk).order_by("name")
    return [other for other in others if own in _references(other.definition)]


def _references(definition: Any) -> Iterator[str]:
    if isinstance(definition, list):
        for one in definition:
            yield from _references(one)
    elif isinstance(definition, dict):
        if isinstance(definition.get("segment"), str):
            yield definition["segment"]
        for name in ("all", "any", "not"):
            yield from _references(definition.get(name))


@transaction.atomic
def delete(segment: Segment) -> None:
    """Takes away a segment that nothing uses; raises Conflict `segment_in_use`, naming who does."""
    campaigns, segments_ = used_by(segment)
    if campaigns or segments_:
        names = ", ".join(f"“{one}”" for one in [*campaigns[:3], *segments_[:3]])
        raise Conflict("segment_in_use", f"It is used by {names}. Archive it instead, or take it out there first.")
    segment.delete()


def size(segment: Segment, *, patience_ms: int = PATIENCE_MS) -> Preview:
    """How many devices and people it holds now, whatever they agreed to; raises DefinitionError."""
    audience = Audience(segment.site_id, None, (segment.definition,), ())
    return preview(audience, patience_ms=patience_ms)


def measure_sizes(now: datetime) -> int:
    """Notes today's size of every segment in use, exact ones only; how many there are. Sites have their own days."""
    measured = 0
    for segment in Segment.objects.filter(archived=False).select_related("site").order_by("pk"):
        if understand(segment.definition, segment.site_id).problem:
            continue  # its page says so
        found = size(segment, patience_ms=NIGHTLY_PATIENCE_MS)
        if found.waterfall is None or not found.exact:
            log.warning("segment %s: it was not counted within %s ms", segment.pk, NIGHTLY_PATIENCE_MS)
            continue
        day = now.astimezone(ZoneInfo(segment.site.time_zone)).date()
        figures = {"devices": found.waterfall.matched, "people": found.waterfall.people}
        if not SegmentSize.objects.filter(segment=segment, day=day).update(**figures):
            SegmentSize.objects.bulk_create([SegmentSize(segment=segment, day=day, **figures)], ignore_conflicts=True)
        measured += 1
    SegmentSize.objects.filter(day__lt=(now - timedelta(days=KEPT_DAYS)).date()).delete()
    return measured


MEMBER_COLUMNS: Final = ("device_id", "external_id", "browser", "os", "form", "language", "last_seen_at")


def members(segment: Segment) -> Iterator[Sequence[str]]:
    """Every device of the segment in the order of ids, as rows of texts under MEMBER_COLUMNS; raises DefinitionError.

    Whoever calls it has the right to see personal data and notes the export in the audit log.
    """
    query, params = Audience(segment.site_id, None, (segment.definition,), ()).selection()
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"""select d.id, coalesce(c.external_id, ''), d.browser, d.os, d.form, d.language, d.last_seen_at
                from ({query}) m join device d on d.id = m.id left join contact c on c.id = d.contact_id
                order by d.id""",
            params,
        )
        while rows := cursor.fetchmany(AT_ONCE):
            for id_, external_id, *rest, seen in rows:
                yield public_ids.encode("dev", id_), safe_cell(external_id), *map(safe_cell, rest), seen.isoformat()


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
