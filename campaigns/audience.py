"""Who gets a message: segments less exclusions, consent, active devices, the device rule. Counted, and made Batches.

The rule becomes SQL over the aliases `d` (device) and `c` (contact); the same text counts and freezes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from django.conf import settings
from django.db import connection

from campaigns.models import Lane, Message
from subscribers import segments
from subscribers.models import Device, Purpose, Segment

DEVICE_RULES: Final = ("all", "latest")
_READS_CONTACT = re.compile(r"\bc\.")


class UnknownSegment(ValueError):
    """A segment is not there, not of this Site, or archived; `ids` are those."""

    def __init__(self, ids: Sequence[int]):
        super().__init__(f"no such segment: {', '.join(map(str, ids))}")
        self.ids = ids


class Waterfall(NamedTuple):
    """Devices left after each step, and the people behind the last ones; an unlinked device counts as one person."""

    matched: int
    with_consent: int
    active: int
    after_exclusions: int
    after_device_choice: int
    people: int


class Row(NamedTuple):
    """One device of a listed audience; `contact_id` 0 for none."""

    device_id: int
    contact_id: int
    service: int
    vapid_key_id: int
    recipient_no: int | None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is meant, with the definitions of the segments as they were: it can be kept with a Message."""

    site_id: int
    bit: int
    include: tuple[dict[str, Any], ...]
    exclude: tuple[dict[str, Any], ...]
    devices: str = "all"
    now: datetime | None = None
    """What "within 30 days" counts back from; None is the present."""

    @classmethod
    def of(
        cls, site_id: int, segment_ids: Iterable[int], excluded_ids: Iterable[int], purpose: Purpose, devices: str
    ) -> Self:
        """The audience of saved segments; raises UnknownSegment, and ValueError for an unknown device rule."""
        if devices not in DEVICE_RULES:
            raise ValueError(f"devices must be one of {', '.join(DEVICE_RULES)}")
        include, exclude = list(dict.fromkeys(segment_ids)), list(dict.fromkeys(excluded_ids))
        known = dict(
            Segment.objects.filter(site_id=site_id, archived=False, id__in=[*include, *exclude]).values_list(
                "id", "definition"
            )
        )
        if missing := [id_ for id_ in [*include, *exclude] if id_ not in known]:
            raise UnknownSegment(missing)
        return cls(site_id, purpose.bit, tuple(known[i] for i in include), tuple(known[i] for i in exclude), devices)

    def as_json(self) -> dict[str, Any]:
        return {
            "bit": self.bit,
            "include": list(self.include),
            "exclude": list(self.exclude),
            "devices": self.devices,
        }

    @classmethod
    def of_message(cls, message: Message) -> Self:
        frozen = message.audience
        return cls(
            message.site_id,
            frozen["bit"],
            tuple(frozen["include"]),
            tuple(frozen["exclude"]),
            frozen["devices"],
            message.send_at,
        )

    def selection(self, within: str = "true", within_params: Sequence[Any] = ()) -> tuple[str, list[Any]]:
        """A query of the devices that the segments match, and its parameters; `within` narrows it.

        Its columns: id, cid, service, vapid_key_id, last_seen_at, consents, active, excluded.
        """
        include, include_params = self._any_of(self.include)
        exclude, exclude_params = self._any_of(self.exclude)
        contact = "left join contact c on c.id = d.contact_id" if _READS_CONTACT.search(include + exclude) else ""
        sql = f"""
            select d.id, coalesce(d.contact_id, 0) cid, d.service, d.vapid_key_id, d.last_seen_at,
                   d.allowed & %s <> 0 consents, d.status = {Device.Status.ACTIVE:d} active,
                   ({exclude}) is true excluded
            from device d {contact}
            where d.site_id = %s and d.status < {Device.Status.REPLACED:d} and ({within}) and ({include})"""
        return sql, [1 << self.bit, *exclude_params, self.site_id, *within_params, *include_params]

    def _any_of(self, definitions: Sequence[dict[str, Any]]) -> tuple[str, list[Any]]:
        """The condition that one of the segments holds; of no segments none does."""
        rules = [segments.parse(definition, self.site_id) for definition in definitions]
        compiled = [segments.compile_rule(rule, self.now) for rule in rules]
        if not compiled:
            return "false", []
        return " or ".join(f"({sql})" for sql, _ in compiled), [param for _, params in compiled for param in params]


CHOSEN: Final = "consents and active and not excluded"
"""What of a selection is sent to."""

STEPS: Final = """count(*) matched, count(*) filter (where consents) with_consent,
    count(*) filter (where consents and active) active,
    count(*) filter (where consents and active and not excluded) after_exclusions"""
"""The waterfall's figures of a selection, down to the device rule."""


def count(
    site_id: int, segment_ids: Iterable[int], excluded_ids: Iterable[int], purpose: Purpose, devices_rule: str = "all"
) -> Waterfall:
    """How many are left after each step, exactly; raises UnknownSegment and segments.DefinitionError."""
    return count_audience(Audience.of(site_id, segment_ids, excluded_ids, purpose, devices_rule))


def count_audience(audience: Audience) -> Waterfall:
    """The same of an audience at hand."""
    selection, params = audience.selection()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select {STEPS}, count(*) filter (where {CHOSEN} and cid = 0),
                       count(distinct cid) filter (where {CHOSEN} and cid <> 0)
                from ({selection}) m""",
            params,
        )
        matched, with_consent, active, after_exclusions, unlinked, contacts = cursor.fetchone()
    people = unlinked + contacts
    chosen = people if audience.devices == "latest" else after_exclusions
    return Waterfall(matched, with_consent, active, after_exclusions, chosen, people)


def is_empty(audience: Audience) -> bool:
    """Whether nobody would get it; faster than a count."""
    selection, params = audience.selection()
    with connection.cursor() as cursor:
        cursor.execute(f"select exists (select from ({selection}) m where {CHOSEN})", params)
        return not cursor.fetchone()[0]


def insert_batches(message: Message, rows: Iterable[Row | tuple[Any, ...]], lane: Any) -> list[int]:
    """Makes Batches of one push service and VAPID key each for listed devices; returns their ids.

    A device may stand in `rows` once. Batches of a scheduled message wait for its time. The caller counts `targeted`.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    if not columns:
        return []
    not_before = message.send_at if message.status == Message.Status.SCHEDULED else None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""insert into batch ({BATCH_COLUMNS}, recipient_nos, not_before)
                select {BATCH_VALUES}, array_agg(no order by id), coalesce(%s, now())
                from (select *, {SLICE} g from unnest(
                          %s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[], %s::int[]
                      ) x(id, cid, service, vapid_key_id, no)) t
                group by service, vapid_key_id, g order by min(id) returning id""",
            [*batch_values(message, lane), not_before, settings.PUSH_BATCH_SIZE, *columns],
        )
        return [id_ for (id_,) in cursor.fetchall()]


# The parts of every statement that makes Batches out of rows (id, cid, service, vapid_key_id), here and in freezing.py.
BATCH_COLUMNS: Final = "message_id, lane, expires_at, service, vapid_key_id, device_ids, contact_ids, n"
BATCH_VALUES: Final = (
    "%s, %s, %s::timestamptz, service, vapid_key_id, array_agg(id order by id), array_agg(cid order by id), count(*)"
)
SLICE: Final = "(row_number() over (partition by service, vapid_key_id order by id) - 1) / %s"


def batch_values(message: Message, lane: Any) -> list[Any]:
    """The parameters of BATCH_VALUES."""
    return [message.pk, int(Lane(lane)), message.expires_at]
