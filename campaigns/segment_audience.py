"""The audience of an API call that names segments instead of people; it is frozen in the background, as a campaign's."""

from collections.abc import Sequence
from typing import Any

from campaigns.audience import DEVICE_RULES, Audience, UnknownSegment
from campaigns.send_request import AudienceRequest, SendRequest
from pushplatform.api.problems import FieldError, Problem, invalid
from pushplatform.sites.models import Site
from subscribers import segments
from subscribers.models import Device, Purpose
from subscribers.segments import DefinitionError


def read(request: SendRequest, asked: AudienceRequest, site: Site, purpose: Purpose) -> Audience:
    """The audience with the segments' definitions as they are now. Raises Problem 422."""
    pick, narrowing = _rule(request)
    try:
        who = Audience.of(site.pk, asked.segments, asked.exclude, purpose, pick)
    except UnknownSegment as unknown:
        raise _unknown(asked, unknown.ids) from None
    try:
        for definition in (*who.include, *who.exclude):
            segments.parse(definition, site.pk)
    except DefinitionError as error:
        detail = f"A segment cannot be worked out: {'; '.join(one.detail for one in error.errors)}"
        raise invalid([("/audience", "broken_segment", detail)]) from None
    if not narrowing:
        return who
    narrowed = tuple({"all": [definition, *narrowing]} for definition in who.include)
    try:
        segments.parse(narrowed[0], site.pk)
    except DefinitionError as error:
        raise invalid([("/devices", "invalid_value", error.errors[0].detail)]) from None
    return Audience(who.site_id, who.bit, narrowed, who.exclude, who.devices, who.now)


def last_device_id() -> int:
    """Where the freezing of an audience that begins now ends."""
    return Device.objects.order_by("-id").values_list("id", flat=True).first() or 0


def _rule(request: SendRequest) -> tuple[str, list[dict[str, Any]]]:
    """Which of a person's devices is chosen, and the rules that describe devices, as parts of a definition."""
    rule = request.rule
    if rule.ids is not None:
        detail = "devices cannot name ids for an audience of segments; name the devices in recipients."
        raise invalid([("/devices", "invalid_value", detail)])
    if rule.pick not in DEVICE_RULES:
        known = ", ".join(DEVICE_RULES)
        raise invalid([("/devices", "not_supported", f"Of an audience of segments devices may be: {known}.")])
    described = (("device.form", rule.forms), ("device.browser", rule.browsers))
    return rule.pick, [{"field": name, "op": "in", "value": sorted(values)} for name, values in described if values]


def _unknown(asked: AudienceRequest, ids: Sequence[int]) -> Problem:
    named = (("segments", asked.segments), ("exclude", asked.exclude))
    detail = "There is no segment with this id."
    return invalid(
        [
            FieldError(f"/audience/{name}/{number}", "unknown_segment", detail)
            for name, numbers in named
            for number, id_ in enumerate(numbers)
            if id_ in ids
        ]
    )
