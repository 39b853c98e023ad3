"""What people do, as a CRM or a page reports it: behaviour for segments and triggers. Each id is taken once."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from pushplatform.api.fields import Fields
from subscribers.models import Behaviour, Contact

MOST_AT_ONCE: Final = 1_000
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
LONGEST_PROPERTIES: Final = 8_192
"""Characters as JSON."""
MOST_PROPERTIES: Final = 100
DEEPEST: Final = 5
OLDEST: Final = timedelta(days=365)
CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)

NO_ID, DEVICE_KEY = "~", "dev:"
STORED, DUPLICATE = "stored", "duplicate"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `occurred_at`; `key` is its id, once per Site. One that a page reports has it behind
    the device's number: no page can take the ids of the CRM's events."""

    name: str
    properties_json: str
    occurred_at: datetime
    key: str
    contact_id: int | None = None
    device_id: int | None = None


def parse_event(fields: Fields, now: datetime) -> Event | None:
    """The event in an object, whose other members the caller has read; None where something is wrong with it.

    One with an `id` needs `occurred_at`, so that a retry is the same event; without an id each call is a new one.
    """
    before = len(fields.errors)
    name = fields.text("name", required=True, most=64)
    if name is not None and not NAME.fullmatch(name):
        detail = "name must be 1 to 64 of A-Z, a-z, 0-9 and _.:- and begin with a letter, such as cart_abandoned."
        fields.wrong("name", "invalid_value", detail)
    key, occurred_at = fields.text("id"), fields.time("occurred_at")
    if key is not None and fields.any("occurred_at") is None:
        fields.wrong("occurred_at", "required", "occurred_at is missing: an event with an id says when it happened.")
    if occurred_at is not None and not now - OLDEST <= occurred_at <= now + CLOCKS_DIFFER_BY:
        detail = f"occurred_at must be within the last {OLDEST.days} days and not in the future."
        fields.wrong("occurred_at", "out_of_range", detail)
    properties = _properties(fields)
    fields.refuse_unknown()
    if len(fields.errors) > before or name is None:
        return None
    return Event(name, properties, occurred_at or now, key or f"{NO_ID}{secrets.token_hex(12)}")


def of_device(event: Event, device_id: int, contact_id: int | None) -> Event:
    """The event as one that a page in this browser reports."""
    return replace(event, device_id=device_id, contact_id=contact_id, key=f"{DEVICE_KEY}{device_id}:{event.key}")


def id_of(event: Behaviour) -> str | None:
    """The id that was given with an event; None where none was."""
    key = event.key
    if event.device_id is not None:
        key = key.removeprefix(f"{DEVICE_KEY}{event.device_id}:")
    return None if key.startswith(NO_ID) else key


def _properties(fields: Fields) -> str:
    raw = fields.any("properties")
    if raw is None:
        return "{}"
    if not isinstance(raw, dict):
        fields.wrong("properties", "invalid_type", "properties must be an object.")
        return "{}"
    text = json.dumps(raw, ensure_ascii=False)
    if len(raw) > MOST_PROPERTIES or len(text) > LONGEST_PROPERTIES or _depth(raw) > DEEPEST:
        detail = (
            f"properties must have at most {MOST_PROPERTIES} members, {LONGEST_PROPERTIES:,} characters of JSON and"
            f" {DEEPEST} levels."
        )
        fields.wrong("properties", "out_of_range", detail)
    return text


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def ids_of(site_id: int, external_ids: Sequence[str]) -> Mapping[str, int]:
    """The ids of the contacts with these CRM ids; who is not there is unknown."""
    found = Contact.objects.filter(site_id=site_id, external_id__in=sorted(set(external_ids)))
    return dict(found.values_list("external_id", "id"))


def store(site_id: int, events: Sequence[Event]) -> list[str]:
    """Stores what is new; STORED or DUPLICATE for each, in their order. In a fixed number of queries."""
    if not events:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        # A contact that is being erased is waited for; who is gone then gets no new event.
        contacts = sorted({event.contact_id for event in events if event.contact_id is not None})
        cursor.execute("select id from contact where id = any(%s) order by id for key share", [contacts])
        there = {row[0] for row in cursor.fetchall()}
        kept = [event for event in events if event.contact_id is None or event.contact_id in there]
        cursor.execute(_INSERT, [site_id, *_columns(kept), site_id])
        new = {row[0] for row in cursor.fetchall()}
    answers = []
    for event in events:
        answers.append(STORED if event.key in new else DUPLICATE)
        new.discard(event.key)  # the same id again in one request
    return answers


_INSERT = """
insert into behaviour (site_id, contact_id, device_id, name, properties, occurred_at, key)
select distinct on (e.key) %s, e.contact_id, e.device_id, e.name, e.properties::jsonb, e.occurred_at, e.key
from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[]) with ordinality
  as e(contact_id, device_id, name, properties, occurred_at, key, no)
where not exists (select from behaviour b where b.site_id = %s and b.key = e.key)
order by e.key, e.no
on conflict do nothing returning key
"""


def _columns(events: Sequence[Event]) -> list[list[Any]]:
    return [
        [one.contact_id for one in events],
        [one.device_id for one in events],
        [one.name for one in events],
        [one.properties_json for one in events],
        [one.occurred_at for one in events],
        [one.key for one in events],
    ]
