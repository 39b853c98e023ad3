"""What the segment builder offers: the fields of the Site, their operators in words, and how a value is typed."""

from typing import Any

from campaigns.segment_picker import picker
from pushplatform.sites.models import Site
from pushplatform.sites.public_ids import encode
from subscribers.models import Segment

INPUTS = {
    "none": "none", "text": "text", "texts": "list", "choice": "text", "choices": "list", "number": "number",
    "numbers": "numbers", "date": "date", "dates": "list", "moment": "date", "span": "span", "boolean": "boolean",
    "ahead": "number", "count": "number",
}  # fmt: skip
"""How this page asks for what an operator takes; what is not here it does not offer."""


def fields_of(site: Site) -> list[dict[str, Any]]:
    """The fields in groups, as the page's script reads them."""
    offered = [_field(field) for field in picker(site.pk)["fields"] if field["name"] != "event"]
    return [field for field in offered if field["operators"]]


def segments_of(site: Site, but: Segment | None) -> list[dict[str, str]]:
    """Other segments that a rule may refer to."""
    found = Segment.objects.filter(site=site, archived=False).exclude(pk=but.pk if but else None).order_by("name")
    return [{"id": encode("seg", segment.pk), "name": segment.name} for segment in found]


def _field(field: dict[str, Any]) -> dict[str, Any]:
    operators = [one for one in field["operators"] if one["input"] in INPUTS]
    # A yes-or-no is asked with its answer: "is not" would say the same twice.
    operators = [one for one in operators if not (one["input"] == "boolean" and one["op"] == "ne")]
    choices = [one["choices"] for one in operators if one["input"] == "choice"]
    return field | {
        "choices": choices[0] if choices else [],
        "operators": [{"op": one["op"], "words": one["words"], "input": INPUTS[one["input"]]} for one in operators],
    }
