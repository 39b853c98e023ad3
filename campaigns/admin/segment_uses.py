"""Which saved segments ask about a list."""

from collections.abc import Iterator
from typing import Any

from pushplatform.sites import public_ids
from subscribers.models import ContactList, Segment


def uses_of_list(found: ContactList) -> list[Segment]:
    """The segments of its Site with a rule about this list, archived ones included."""
    own = public_ids.encode("lst", found.pk)
    segments = Segment.objects.filter(site_id=found.site_id).order_by("name")
    return [one for one in segments if own in _lists(one.definition)]


def _lists(definition: Any) -> Iterator[str]:
    if isinstance(definition, list):
        for one in definition:
            yield from _lists(one)
    elif isinstance(definition, dict):
        if definition.get("field") == "contact.list":
            value = definition.get("value")
            yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))
        for name in ("all", "any", "not"):
            yield from _lists(definition.get(name))
