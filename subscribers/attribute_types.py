"""The Site's typed catalogue of contact attributes: discovered on first use, and held to ever after.

A locked catalogue takes no new names: a misspelt one is refused instead of becoming an attribute of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any, Final

from pushplatform.sites.models import Site
from subscribers.errors import Fault
from subscribers.models import Attribute, AttributeLock, Contact

KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MOST_KEYS: Final = 200
"""Attributes that a Site may have."""
MOST_STRAYS: Final = 1_000
LONGEST_TEXT: Final = 1000
MOST_IN_LIST: Final = 100
LARGEST_NUMBER: Final = 10**15

Type = Attribute.Type

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WANTED: Final = {
    Type.STRING: f"a text of at most {LONGEST_TEXT} characters",
    Type.NUMBER: f"a number between -{LARGEST_NUMBER:.0e} and {LARGEST_NUMBER:.0e}",
    Type.BOOLEAN: "true or false",
    Type.DATE: "a date such as 2026-03-31",
    Type.STRINGS: f"a list of at most {MOST_IN_LIST} texts of at most {LONGEST_TEXT} characters",
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The Site's attributes: types by key; `locked`: no others are taken."""

    types: Mapping[str, str]
    locked: bool = False

    def plus(self, new: Mapping[str, str]) -> "Catalogue":
        return replace(self, types={**self.types, **new}) if new else self

    def discovered(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The types of those attributes, all sound, that are not known yet."""
        new = {key: guess(value) for key, value in values.items() if value is not None and key not in self.types}
        return {key: type_ for key, type_ in new.items() if type_ is not None}


def faults_of(values: Mapping[str, Any], known: Catalogue, at: str = "/attributes") -> list[Fault]:
    """What is wrong with attributes; null is never wrong, it clears."""
    faults = []
    for key, value in values.items():
        pointer = f"{at}/{key[:200].replace('~', '~0').replace('/', '~1')}"
        if not KEY.fullmatch(key):
            detail = "its name must be 1 to 64 of a-z, A-Z, 0-9 and _, and not begin with a digit"
            faults.append(Fault(pointer, "invalid_key", detail))
        elif value is None:
            continue
        elif key not in known.types and known.locked:
            detail = (
                f"the Site has no attribute {key} and its catalogue is locked; add it in the admin or mend its name"
            )
            faults.append(Fault(pointer, "unknown_attribute", detail))
        elif (type_ := known.types.get(key) or guess(value)) is None:
            faults.append(Fault(pointer, "invalid_type", f"must be {', '.join(_WANTED.values())}"))
        elif not fits(value, str(type_)):
            as_what = f"the attribute {key} is known as {Type(type_).label.lower()}: it" if key in known.types else "it"
            faults.append(Fault(pointer, "invalid_type", f"{as_what} must be {_WANTED[Type(type_)]}"))
    if len(known.types.keys() | values.keys()) > MOST_KEYS:
        detail = f"a Site has at most {MOST_KEYS} attributes; use fewer different names"
        faults.append(Fault(at, "too_many_attributes", detail))
    return faults


def guess(value: Any) -> str | None:
    """The type that a new attribute gets from its first value; None when it can have none."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return "strings"
    if isinstance(value, str):
        return "date" if _is_date(value) else "string"
    return None


def fits(value: Any, type_: str) -> bool:
    match type_:
        case Type.NUMBER:
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            return plain and abs(value) <= LARGEST_NUMBER  # which no NaN is
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.DATE:
            return _is_date(value)
        case Type.STRINGS:
            return isinstance(value, list) and len(value) <= MOST_IN_LIST and all(map(_is_text, value))
    return _is_text(value)


def discover(site: Site, new: Mapping[str, str]) -> Catalogue:
    """Adds attributes with their types to the catalogue; returns it as it is then: others may have been faster."""
    Attribute.objects.bulk_create(
        [Attribute(site=site, key=key, type=type_) for key, type_ in sorted(new.items())], ignore_conflicts=True
    )
    return catalogue_of(site)


def strays(attribute: Attribute, type_: str) -> int:
    """How many contacts have a value of this attribute that is none of that type; counts to MOST_STRAYS."""
    found = Contact.objects.filter(site_id=attribute.site_id, attributes__has_key=attribute.key)
    values = found.values_list("attributes", flat=True).iterator(chunk_size=2_000)
    wrong = (1 for attributes in values if not fits(attributes[attribute.key], type_))
    return sum(islice(wrong, MOST_STRAYS))


def lock(site: Site, *, locked: bool) -> None:
    """A locked catalogue takes no new names from CRMs; people still add them in the admin."""
    if locked:
        AttributeLock.objects.get_or_create(site=site)
    else:
        AttributeLock.objects.filter(site=site).delete()


def catalogue_of(site: Site) -> Catalogue:
    types = dict(Attribute.objects.filter(site=site).values_list("key", "type"))
    return Catalogue(types, AttributeLock.objects.filter(site=site).exists())


def _is_text(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= LONGEST_TEXT
        and "\0" not in value
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(_DATE.fullmatch(value)) and bool(date.fromisoformat(value))
    except ValueError:
        return False
