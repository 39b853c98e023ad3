"""Uploaded lists of CRM ids, as a field: whether a person stands in one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from pushplatform.sites import public_ids
from subscribers.models import ContactList
from subscribers.segments.fields import Field, Operator, Sql, Surroundings, Wrong, found_in
from subscribers.segments.operators import opposed
from subscribers.segments.values import many, one


class List(NamedTuple):
    id: int
    name: str

    def __str__(self) -> str:
        return f"“{self.name}”"


def _read(value: Any, site: Surroundings) -> List:
    try:
        found = ContactList.objects.filter(pk=public_ids.decode("lst", value), site_id=site.site_id).first()
    except (public_ids.UnknownId, AttributeError):
        found = None
    if found is None:
        raise Wrong("value", "unknown_list", "is no list of this Site")
    return List(found.pk, found.name)


def _among(value: tuple[List, ...], now: datetime) -> Sql:
    ids = [one.id for one in value]
    return found_in("d.contact_id", "contact_id", "contact_list_member", "list_id = any(%s)", (ids,))


def _is(value: List, now: datetime) -> Sql:
    return _among((value,), now)


_OPERATORS: Mapping[str, Operator] = {
    **opposed("eq", "ne", one("list", _read), _is, "contains the person:", "does not contain the person:"),
    **opposed("in", "not_in", many("lists", _read), _among, "contains the person:", "does not contain the person:"),
}

CONTACT_LIST: Final = Field("contact.list", "list", _OPERATORS, group="Contact")
