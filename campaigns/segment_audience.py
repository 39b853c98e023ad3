"""The audience of an API call that names segments, not people: frozen in the background, as a campaign's is."""

from collections.abc import Sequence
from typing import Any

from campaigns.audience import Audience, UnknownSegment
from campaigns.send_request import AudienceRequest, SendRequest
from pushplatform.api.problems import FieldError, Problem, invalid
from pushplatform.sites.models import Site
from subscribers.models import Device, Purpose
from subscribers.segments import DefinitionError


def read(request: SendRequest, asked: AudienceRequest, site: Site, purpose: Purpose) -> Audience:
    """The audience with the segments' definitions as they are now. Raises Problem 422."""
    try:
        return Audience.of(site.pk, asked.segments, asked.exclude, purpose, _rule(request))
    except UnknownSegment as unknown:
        raise _unknown(asked, unknown.ids) from None
    except DefinitionError as error:
        detail = f"A segment cannot be worked out: {'; '.join(one.detail for one in error.errors)}"
        raise invalid([("/audience", "broken_segment", detail)]) from None
    except ValueError as error:
        raise invalid([("/devices", "invalid_value", f"devices {error}.")]) from None


def last_device_id() -> int:
    """Where the freezing of an audience that begins now ends."""
    return Device.objects.order_by("-id").values_list("id", flat=True).first() or 0


def _rule(request: SendRequest) -> Any:
    """Which of a person's devices are chosen, as the audience keeps it."""
    rule = request.rule
    if rule.ids is not None:
        detail = "devices cannot name ids for an audience of segments; name the devices in recipients."
        raise invalid([("/devices", "invalid_value", detail)])
    described = {"form": rule.forms, "browser": rule.browsers}
    return {name: sorted(values) for name, values in described.items() if values} or rule.pick


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
