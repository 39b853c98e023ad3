"""What the segment builder offers: the fields of the Site, their operators in words, and how a value is typed."""

from typing import Any

from pushplatform.sites.models import Site
from pushplatform.sites.public_ids import encode
from subscribers.admin.words import BROWSERS, SYSTEMS
from subscribers.models import Attribute, Segment
from subscribers.segments import DEVICE_AND_CONTACT_FIELDS, Field

WORDS = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of",
    "gt": "is more than", "gte": "is at least", "lt": "is less than", "lte": "is at most",
    "has": "include", "has_not": "do not include", "has_any": "include one of", "has_none": "include none of",
    "contains": "includes", "not_contains": "does not include", "contains_any": "includes one of",
    "contains_none": "includes none of", "within": "within the last", "not_within": "longer ago than",
    "before": "before", "after": "after", "is_set": "is known", "is_not_set": "is not known",
}  # fmt: skip
DATE_WORDS = {"gt": "is after", "gte": "is on or after", "lt": "is before", "lte": "is on or before"}
INPUTS = {"none": ("is_set", "is_not_set"), "span": ("within", "not_within"), "date": ("before", "after")}
LISTS = ("in", "not_in", "has_any", "has_none", "contains_any", "contains_none")
YES_OR_NO = ("device.subscribed", "device.identified")
CHOICES = {
    "device.browser": list(BROWSERS.items()),
    "device.os": list(SYSTEMS.items()),
    "device.form": [("desktop", "Computer"), ("mobile", "Phone"), ("tablet", "Tablet")],
}


def fields_of(site: Site) -> list[dict[str, Any]]:
    """The fields in groups, as the page's script reads them."""
    types = dict(Attribute.objects.filter(site=site).values_list("key", "type"))
    return [_field(field, types) for field in DEVICE_AND_CONTACT_FIELDS.of_site(site.pk)]


def segments_of(site: Site, but: Segment | None) -> list[dict[str, str]]:
    """Other segments that a rule may refer to."""
    found = Segment.objects.filter(site=site, archived=False).exclude(pk=but.pk if but else None).order_by("name")
    return [{"id": encode("seg", segment.pk), "name": segment.name} for segment in found]


def _field(field: Field, types: dict[str, str]) -> dict[str, Any]:
    kind = _kind(field.name, types)
    words = WORDS | (DATE_WORDS if kind == "date" else {})
    # A yes-or-no is asked with its answer: "is not" would say the same twice.
    operators = [op for op in field.operators if not (kind == "boolean" and op == "ne")]
    return {
        "name": field.name,
        "title": field.title[:1].upper() + field.title[1:],
        "group": _group(field.name),
        "choices": CHOICES.get(field.name, []),
        "operators": [{"op": op, "words": words.get(op, op), "input": _input(op, kind)} for op in operators],
    }


def _kind(name: str, types: dict[str, str]) -> str:
    if name in YES_OR_NO or name.startswith("consent."):
        return "boolean"
    if name.startswith("contact.attributes."):
        return types.get(name.removeprefix("contact.attributes."), "string")
    return "string"


def _input(op: str, kind: str) -> str:
    for name, operators in INPUTS.items():
        if op in operators:
            return name
    if op in LISTS:
        return "numbers" if kind == "number" else "list"
    return {"number": "number", "date": "date", "boolean": "boolean"}.get(kind, "text")


def _group(name: str) -> str:
    if name.startswith("contact.attributes."):
        return "What the CRM tells"
    return {"contact": "Contact", "device": "Device", "consent": "Consent"}[name.partition(".")[0]]
