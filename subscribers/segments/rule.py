"""A segment as a value: what `definition.py` parses, `compile.py` makes SQL of and `describe.py` says in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from subscribers.segments.fields import Field


@dataclass(frozen=True, slots=True)
class All:
    """Every rule holds; of none, everyone's."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one rule holds; of none, nobody's."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The rule does not hold; unknown is not, too."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison; `value` is what the field's operator parsed."""

    __test__ = False  # not one of pytest's

    field: Field
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Saved:
    """Another segment of the same Site, as it is now."""

    id: int
    name: str
    rule: Rule = field(repr=False)


Rule = All | AnyOf | Not | Test | Saved

NOBODY = AnyOf(())
