"""What a segment may ask: fields, families of fields that depend on the Site, and catalogues of both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from subscribers.models import Attribute, Purpose


class Sql(NamedTuple):
    """A boolean expression over the aliases `d` (device) and `c` (its contact, left-joined), with its parameters.

    It may be null, which counts as false: `compile.py` takes care of it under `not`.
    """

    text: str
    parameters: tuple[Any, ...] = ()


class Wrong(Exception):
    """A member of a rule cannot be used; `member` names it."""

    def __init__(self, member: str, code: str, detail: str):
        super().__init__(detail)
        self.member = member
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to ask a field.

    `parse` takes the rule's `members` (beside field and op) and returns the value or raises Wrong; `sql` gets that
    value and the present time; `say` puts it in words that follow the field's title: "is one of pro, team".
    """

    parse: Callable[[Mapping[str, Any]], Any]
    sql: Callable[[Any, datetime], Sql]
    say: Callable[[Any], str]
    members: frozenset[str] = frozenset({"value"})


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a segment may ask about. `title` reads well before its operators' words."""

    name: str
    title: str
    operators: Mapping[str, Operator]


class Surroundings:
    """What a Site brings to its segments: its attributes and purposes, read once and only when asked for."""

    def __init__(self, site_id: int):
        self.site_id = site_id

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        return {attribute.key: attribute for attribute in Attribute.objects.filter(site_id=self.site_id)}

    @cached_property
    def purposes(self) -> dict[str, Purpose]:
        return {purpose.key: purpose for purpose in Purpose.objects.filter(site_id=self.site_id)}


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

    def with_fields(self, *more: Field) -> "Catalogue":
        return replace(self, fields={**self.fields, **{field.name: field for field in more}})

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
                raise Wrong("field", f"unknown_{family.what}", f"there is no {family.what} {key!r}; known: {known}")
        known = ", ".join([*sorted(self.fields), *(f"{family.prefix}…" for family in self.families)])
        raise Wrong("field", "unknown_field", f"there is no field {name!r}; known: {known}")

    def of_site(self, site_id: int) -> list[Field]:
        """Every field that segments of this Site may use, for field pickers."""
        surroundings = Surroundings(site_id)
        found = list(self.fields.values())
        for family in self.families:
            found += filter(None, (family.find(key, surroundings) for key in sorted(family.keys(surroundings))))
        return found
