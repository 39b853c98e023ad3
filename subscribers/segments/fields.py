"""What a segment may ask: fields, families of fields that depend on the Site, and catalogues of both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pushplatform.sites.models import Site
from subscribers.models import Attribute, Purpose

NARROW: Final = "{narrow}"
"""Where a Table's query, after all its parameters, can be narrowed to some devices: `and <column> …`, or nothing."""

MEMBER: Final = "{member}"
"""Where a Sql asks a Member, which stands at that place among its parameters."""


class Member(NamedTuple):
    """Whether `column` is among the `ids` that a relation has `where` a condition holds.

    `column`: d.id or d.contact_id. No row is joined, none counted, and it may be asked under `not` as well.
    """

    column: str
    ids: str
    relation: str
    where: str
    parameters: tuple[Any, ...]

    @property
    def of_devices(self) -> bool:
        return self.column == "d.id"


class Table(NamedTuple):
    """A query to join to each device, with one row for a device at most, which a test reads as `facts1.`.

    `on` joins it, written with `facts.` for itself; `device` is its column of device ids, by which NARROW narrows it.
    """

    query: str
    on: str
    parameters: tuple[Any, ...] = ()
    device: str = ""


class Sql(NamedTuple):
    """A boolean expression over the aliases d (device), c (its contact), s (its device_stats), u (its subscription)
    and facts1, facts2 (its `tables`), all left-joined, with its parameters.

    It may be null, which counts as false: `compile.py` takes care of it under `not`.
    """

    text: str
    parameters: tuple[Any, ...] = ()
    tables: tuple[Table, ...] = ()


UNKNOWN: Final = Sql("null")

STATISTICS: Final = "device_stats s"
CONTACTS: Final = "contact c"


def found_in(column: str, ids: str, relation: str, where: str, parameters: tuple[Any, ...]) -> Sql:
    """A Member as an expression."""
    return Sql(MEMBER, (Member(column, ids, relation, where, parameters),))


def of_statistics(condition: str, parameters: tuple[Any, ...]) -> Sql:
    """Whether the device has statistics that meet a condition on `s`, which is not met without a row."""
    return found_in("d.id", "s.device_id", STATISTICS, condition, parameters)


def written(sql: Sql, write: Callable[[Member], Sql]) -> Sql:
    """The same with every Member written out."""
    first, *rest = sql.text.split(MEMBER)
    parts, parameters = [first], list[Any]()
    for one in sql.parameters:
        if not isinstance(one, Member):
            parameters.append(one)
            continue
        member = write(one)
        parts += [member.text, rest.pop(0)]
        parameters += member.parameters
    return Sql("".join(parts), tuple(parameters))


class Wrong(Exception):
    """A member of a rule cannot be used; `member` is the pointer to it within the rule."""

    def __init__(self, member: str, code: str, detail: str):
        super().__init__(detail)
        self.member = member
        self.code = code
        self.detail = detail


class Surroundings:
    """What a Site brings to its segments, each read once and only when asked for."""

    def __init__(self, site_id: int):
        self.site_id = site_id

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        return {attribute.key: attribute for attribute in Attribute.objects.filter(site_id=self.site_id)}

    @cached_property
    def purposes(self) -> dict[str, Purpose]:
        return {purpose.key: purpose for purpose in Purpose.objects.filter(site_id=self.site_id)}

    @cached_property
    def zone(self) -> ZoneInfo:
        """Days begin and end in it."""
        return ZoneInfo(self._site[0])

    @cached_property
    def measures_everyone(self) -> bool:
        """Whether receipts tell of a device even where the person did not agree to be measured."""
        return self._site[1] == Site.Measurement.EVERYONE

    @cached_property
    def _site(self) -> tuple[str, int]:
        return Site.objects.values_list("time_zone", "measurement").get(pk=self.site_id)


@dataclass(frozen=True, slots=True)
class Takes:
    """What an operator takes beside field and op. `parse` returns the value or raises Wrong.

    `input`: how a form asks for it: none, text, texts, number, numbers, range (two numbers), date, dates, days (two
    dates), moment, moments (two), span, boolean, choice, choices, ahead (a number of days), count, counts (two).
    """

    input: str
    parse: Callable[[Mapping[str, Any], Surroundings], Any]
    members: frozenset[str] = frozenset({"value"})
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to ask a field.

    `sql` gets the value that `takes` parsed and the present time; `words` stand before the value: "is one of"; `say`
    puts both in words that follow the field's title, None: the words and the value; `found` is what was compared, for
    explanations, None: the field's own.
    """

    takes: Takes
    sql: Callable[[Any, datetime], Sql]
    words: str
    say: Callable[[Any], str] | None = None
    found: Callable[[Any, datetime], Sql] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a segment may ask about. `title` reads well before its operators' words.

    `found`: its value, an expression like a Sql's; `group`: where field pickers put it; `suggests`: whether values of
    its own are worth offering.
    """

    name: str
    title: str
    operators: Mapping[str, Operator]
    found: Sql = UNKNOWN
    group: str = "Device"
    suggests: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """Fields that begin with `prefix` and depend on the Site. `what` names one of them: "attribute"."""

    prefix: str
    what: str
    find: Callable[[str, Surroundings], Field | None]
    keys: Callable[[Surroundings], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All fields that a definition may use."""

    fields: Mapping[str, Field]
    families: tuple[Family, ...] = ()

    def with_families(self, *more: Family) -> "Catalogue":
        return replace(self, families=(*self.families, *more))

    def find(self, name: str, surroundings: Surroundings) -> Field:
        """The field of this name; raises Wrong, saying what there is instead."""
        if name in self.fields:
            return self.fields[name]
        for family in self.families:
            if name.startswith(family.prefix):
                key = name.removeprefix(family.prefix)
                if found := family.find(key, surroundings):
                    return found
                known = ", ".join(sorted(family.keys(surroundings))) or "none yet"
                detail = f"there is no {family.what} {key[:64]!r}; known: {known}"
                raise Wrong("field", f"unknown_{family.what}", detail)
        known = ", ".join([*sorted(self.fields), *(f"{family.prefix}…" for family in self.families)])
        raise Wrong("field", "unknown_field", f"there is no field {name[:64]!r}; known: {known}")

    def of_site(self, site_id: int) -> list[Field]:
        """Every field that segments of this Site may use, for field pickers."""
        surroundings = Surroundings(site_id)
        found = list(self.fields.values())
        for family in self.families:
            found += filter(None, (family.find(key, surroundings) for key in sorted(family.keys(surroundings))))
        return found
