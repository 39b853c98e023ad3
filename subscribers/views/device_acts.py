"""What pages tell of a browser: tags that the Site lets them set, and events. With the device's secret."""

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from pushplatform.api.fields import Fields
from pushplatform.api.problems import FieldError, pointer
from pushplatform.sites.models import Site
from subscribers import events, links
from subscribers.contacts import MOST_TAGS, tags_faults
from subscribers.models import Device, PageTag, Purpose
from subscribers.views.crm import counted, failed
from subscribers.views.registering import nothing_else, proven

MOST_EVENTS: Final = 50


def tag(request: HttpRequest, device: Device) -> HttpResponse:
    """Answers with the tags that the device has now."""
    body, errors = proven(request, device)
    add, remove = _tags(body, "add"), _tags(body, "remove")
    allowed = set(PageTag.objects.filter(site_id=device.site_id, tag__in=add).values_list("tag", flat=True))
    for number, one in enumerate(add):
        if one not in allowed and not errors:
            detail = "The Site does not let pages set this tag; allow it in the admin."
            errors.append(FieldError(pointer("add", number), "tag_not_allowed", detail))
    nothing_else(body, errors)
    with transaction.atomic():
        links.lock([], [device.pk])
        device.refresh_from_db(fields=["tags"])
        device.tags = sorted({*device.tags, *add} - set(remove))[:MOST_TAGS]
        device.save(update_fields=["tags"])
    return JsonResponse({"tags": device.tags})


def _tags(body: Fields, name: str) -> list[str]:
    tags = body.any(name)
    if tags is None:
        return []
    if not isinstance(tags, list):
        body.wrong(name, "invalid_type", f"{name} must be a list of texts.")
        return []
    faults = tags_faults(tags, f"/{name}")
    body.errors.extend(FieldError(*fault) for fault in faults)
    return [] if faults else tags


def report_events(request: HttpRequest, device: Device) -> HttpResponse:
    """Each is stored for this browser, and for the person it is linked to, where they agreed to be measured."""
    body, errors = proven(request, device)
    raw = body.any("events", required=True)
    if raw is not None and not (isinstance(raw, list) and 0 < len(raw) <= MOST_EVENTS):
        body.wrong("events", "invalid_value", f"events must be a list of 1 to {MOST_EVENTS} objects.")
    nothing_else(body, errors)
    now = timezone.now()
    measured = device.site.measurement == Site.Measurement.EVERYONE or bool(device.allowed >> Purpose.MEASUREMENT & 1)
    wrong: list[list[FieldError]] = [[] for _ in raw]
    sound = []
    for no, one in enumerate(raw):
        event = events.parse_event(Fields(one, wrong[no], "events", no), now) if isinstance(one, dict) else None
        if not isinstance(one, dict):
            wrong[no].append(FieldError(pointer("events", no), "invalid_type", "It must be an object."))
        if event is not None and measured:
            sound.append((no, events.of_device(event, device.pk, device.contact_id)))
    words = events.store(device.site_id, [event for _, event in sound])
    status = {no: word for (no, _), word in zip(sound, words, strict=True)}
    results = [_result(no, wrong[no], status) for no in range(len(raw))]
    return JsonResponse({"results": results, "counts": counted(results)})


def _result(no: int, errors: list[FieldError], status: dict[int, str]) -> dict[str, Any]:
    return failed(errors) if errors else {"status": status.get(no, "not_measured")}
