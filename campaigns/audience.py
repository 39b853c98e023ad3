"""Who gets a message: segments less exclusions, consent, active devices, the device rule. Counted, and made Batches.

The rules become SQL over the alias `d` (device) and what they read; the same text counts and freezes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from django.conf import settings
from django.db import connection

from campaigns.device_choice import DeviceChoice
from campaigns.models import Lane, Message
from campaigns.segment_fields import CATALOGUE
from subscribers import segments
from subscribers.models import Device, Purpose, Segment
from subscribers.segments.rule import AnyOf


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
    """Who is meant, with the definitions of the segments as they were: it can be kept with a Message.

    `devices`: a device rule as JSON; raises ValueError when it is none. `saved`: the segments that the definitions
    refer to, by id; None reads them as they are now. `bit`: of the purpose; None, for previews, asks no consent.
    """

    site_id: int
    bit: int | None
    include: tuple[dict[str, Any], ...]
    exclude: tuple[dict[str, Any], ...]
    devices: Any = "all"
    now: datetime | None = None
    """What "within 30 days" counts back from; None is the present."""
    saved: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, site_id: int, segment_ids: Iterable[int], excluded_ids: Iterable[int], purpose: Purpose, devices: Any
    ) -> Self:
        """The audience of saved segments; raises UnknownSegment, ValueError for an unknown device rule, and
        segments.DefinitionError for a segment that cannot be worked out."""
        DeviceChoice.of(devices)
        include, exclude = list(dict.fromkeys(segment_ids)), list(dict.fromkeys(excluded_ids))
        known = dict(
            Segment.objects.filter(site_id=site_id, archived=False, id__in=[*include, *exclude]).values_list(
                "id", "definition"
            )
        )
        if missing := [id_ for id_ in [*include, *exclude] if id_ not in known]:
            raise UnknownSegment(missing)
        saved = segments.referred_to([known[i] for i in [*include, *exclude]], site_id, CATALOGUE)
        definitions = tuple(known[i] for i in include), tuple(known[i] for i in exclude)
        return cls(site_id, purpose.bit, *definitions, devices, saved=saved)

    def as_json(self) -> dict[str, Any]:
        return {
            "bit": self.bit,
            "include": list(self.include),
            "exclude": list(self.exclude),
            "devices": self.devices,
            "saved": self.saved,
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
            frozen.get("saved"),
        )

    @property
    def choice(self) -> DeviceChoice:
        return DeviceChoice.of(self.devices)

    def compiled(self, *, by_sets: bool = False) -> "Selection":
        """The query of this audience; raises segments.DefinitionError. `by_sets`: as of Compiler, for `counting`."""
        compiler = segments.Compiler(self.now, by_sets=by_sets)
        include = self._any_of(self.include, compiler, required=True)
        exclude = self._any_of(self.exclude, compiler, required=False)
        if self.choice.reads_statistics:
            compiler.read("s")
        return Selection(self, compiler, include, exclude)

    def counting(self) -> tuple[str, list[Any]]:
        """`Selection.counting` in the way that is faster for this Site; raises segments.DefinitionError."""
        return self.compiled(by_sets=segments.sets_pay_off(self.site_id)).counting()

    def selection(self, within: str = "true", within_params: Sequence[Any] = ()) -> tuple[str, list[Any]]:
        """`compiled().query()`: its text and parameters."""
        return self.compiled().query(within, within_params)

    def _any_of(
        self, definitions: Sequence[dict[str, Any]], compiler: segments.Compiler, *, required: bool
    ) -> segments.Sql:
        """The condition that one of the segments holds; of no segments none does."""
        rules = tuple(segments.parse(one, self.site_id, CATALOGUE, saved=self.saved) for one in definitions)
        return compiler.condition(AnyOf(rules), required=required)


class Selection(NamedTuple):
    """The devices that the segments of an audience match, as a query that can be narrowed."""

    audience: Audience
    compiler: segments.Compiler
    include: segments.Sql
    exclude: segments.Sql

    @property
    def is_slow_in_steps(self) -> bool:
        """Whether it reads facts that cannot be narrowed to a range of devices: each step would read all of them."""
        return not self.compiler.can_be_narrowed

    def query(
        self,
        within: str = "true",
        within_params: Sequence[Any] = (),
        *,
        devices: str = "device",
        narrow: str = "",
        narrow_params: Sequence[Any] = (),
    ) -> tuple[str, list[Any]]:
        """Its text and parameters. `within`: a condition on a device `d`; `narrow`: the same on its id, as in
        `between %s and %s`, by which facts are narrowed; `devices`: the relation instead of all devices.

        Its columns: id, cid, service, vapid_key_id, last_seen_at, consents, active, excluded, fits (the device rule),
        and clicked, shown where the device rule asks for them.
        """
        choice, bit = self.audience.choice, self.audience.bit
        fits, fits_params = choice.fits()
        joins = self.compiler.joins(narrow, narrow_params)
        include, exclude = (self.compiler.settled(one, narrow, narrow_params) for one in (self.include, self.exclude))
        engaged = ", coalesce(s.clicked, 0) clicked, coalesce(s.shown, 0) shown" if choice.reads_statistics else ""
        sql = f"""
            select d.id, coalesce(d.contact_id, 0) cid, d.service, d.vapid_key_id, d.last_seen_at,
                   {"true" if bit is None else f"d.allowed & {1 << bit} <> 0"} consents,
                   d.status = {Device.Status.ACTIVE:d} active,
                   ({exclude.text}) is true excluded, {fits} fits{engaged}
            from {devices} d {joins.text}
            where d.site_id = %s and d.status < {Device.Status.REPLACED:d} and ({within}) and ({include.text})"""
        params = [*exclude.parameters, *fits_params, *joins.parameters]
        return sql, [*params, self.audience.site_id, *within_params, *include.parameters]

    def counting(self) -> tuple[str, list[Any]]:
        """The query, with its parameters, whose one row `waterfall_of` reads.

        Its people are bits, 64 numbers of contacts in a group: several processes count them side by side, and nothing
        is sorted. That takes half as long as counting distinct numbers.
        """
        selection, params = self.query()
        sets = self.compiler.sets()
        sql = f"""
            select coalesce(sum(matched), 0), coalesce(sum(with_consent), 0), coalesce(sum(active), 0),
                   coalesce(sum(after_exclusions), 0), coalesce(sum(fitting), 0),
                   coalesce(sum(unlinked), 0) + coalesce(sum(bit_count(people::bit(64))), 0)
            from ({sets.text} select {STEPS}, count(*) filter (where {CHOSEN}) fitting,
                      count(*) filter (where {CHOSEN} and cid = 0) unlinked,
                      bit_or(1::bigint << (cid & 63)::int) filter (where {CHOSEN} and cid <> 0) people
                  from ({selection}) m group by {", ".join(segments.page("cid"))}) pages"""
        return sql, [*sets.parameters, *params]


CHOSEN: Final = "consents and active and not excluded and fits"
"""What of a selection is sent to."""

STEPS: Final = """count(*) matched, count(*) filter (where consents) with_consent,
    count(*) filter (where consents and active) active,
    count(*) filter (where consents and active and not excluded) after_exclusions"""
"""The waterfall's figures of a selection, down to the device rule."""


def count(
    site_id: int, segment_ids: Iterable[int], excluded_ids: Iterable[int], purpose: Purpose, devices_rule: Any = "all"
) -> Waterfall:
    """How many are left after each step, exactly; raises UnknownSegment and segments.DefinitionError."""
    return count_audience(Audience.of(site_id, segment_ids, excluded_ids, purpose, devices_rule))


def count_audience(audience: Audience) -> Waterfall:
    """The same of an audience at hand."""
    query, params = audience.counting()
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return waterfall_of(cursor.fetchone(), audience.choice)


def waterfall_of(row: Sequence[Any], choice: DeviceChoice) -> Waterfall:
    matched, with_consent, active, after_exclusions, fitting, people = map(int, row)
    return Waterfall(matched, with_consent, active, after_exclusions, people if choice.picks_one else fitting, people)


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
