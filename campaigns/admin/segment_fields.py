"""What the field picker of the segment builder tells of a field: how many have it, and its commonest values."""

from typing import Any, Final

from django.http import HttpRequest, JsonResponse

from campaigns.audience import Audience
from campaigns.previewing import Superseded, preview
from campaigns.segment_fields import CATALOGUE
from campaigns.segment_picker import suggest
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import site_for
from pushplatform.sites.models import Site
from subscribers.segments.fields import Field, Surroundings, Wrong

LONGEST_SEARCH: Final = 100
PATIENCE_MS: Final = 500

# What "has it" means where an operator for it lacks: the first of these that the field knows.
_HAVING: Final[tuple[dict[str, Any], ...]] = (
    {"op": "is_set"}, {"op": "gte", "value": 1}, {"op": "eq", "value": "granted"}, {"op": "eq", "value": True},
)  # fmt: skip


def values(request: HttpRequest) -> JsonResponse:
    """GET `field` and `q`: the commonest values that contain it; with `about` also how many devices have the field.

    A newer question of the same `tab` ends this one, which then answers 409.
    """
    site = site_for(request, Right.SEE)
    name, text = request.GET.get("field", ""), request.GET.get("q", "").replace("\0", "")[:LONGEST_SEARCH]
    token = f"{request.user.pk} {request.GET.get('tab', '')[:64]}"
    try:
        field = CATALOGUE.find(name, Surroundings(site.pk))
        found = suggest(site.pk, name, text, f"{token} {'about' if 'about' in request.GET else 'values'}")
    except Wrong:
        return JsonResponse({"values": [], "exact": True, "have": None})
    except Superseded:
        return JsonResponse({"superseded": True}, status=409)
    have = _have(site, field, f"{token} field") if "about" in request.GET else None
    return JsonResponse({"values": found.values, "exact": found.exact, "have": have})


def _have(site: Site, field: Field, token: str) -> str | None:
    """How many devices have it, in words; None where that cannot be said."""
    rule = next((one for one in _HAVING if one["op"] in field.operators and _fits(one, field)), None)
    if rule is None or field.name == "event":
        return None
    try:
        found = preview(
            Audience(site.pk, None, ({"field": field.name, **rule},), ()), token=token, patience_ms=PATIENCE_MS
        )
    except Superseded:
        return None
    if found.waterfall is None:
        return found.words if found.few else None
    return f"{found.waterfall.matched:,}" if found.exact else f"about {round(found.waterfall.matched, -2):,}"


def _fits(rule: dict[str, Any], field: Field) -> bool:
    operator = field.operators[rule["op"]]
    if rule["op"] == "gte":
        return operator.takes.input == "count"
    choices = [value for value, _ in operator.takes.choices]
    return rule["op"] == "is_set" or str(rule["value"]).lower() in choices
