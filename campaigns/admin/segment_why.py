"""Why is somebody in a segment, or not: one person's devices, each rule with what was found."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from campaigns import explaining
from campaigns.admin.contact_names import name_of
from campaigns.admin.segment_count import Asked, Refused, asked_for, broken_exclusion
from campaigns.explaining import DeviceExplained, Explained, Step
from pushplatform.sites import public_ids
from pushplatform.sites.admin.scope import when
from subscribers.admin.words import device_name
from subscribers.models import Contact, Device
from subscribers.segments import DefinitionError

_DECIDED: Final = {"granted": "yes", "withdrawn": "withdrawn"}
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_WHERE: Final = {"device": "in this browser", "contact": "told by the CRM"}


def why(request: HttpRequest) -> JsonResponse:
    """POST what `asked_for` reads, and `who`: a CRM id, or the id of a device. The caller has made sure that personal
    data may be seen."""
    try:
        asked = asked_for(request)
        devices = _devices_of(request.POST.get("who", "").strip(), asked)
        found = explaining.explain(asked.audience, devices, asked.purpose, timezone.now())
    except Refused as refused:
        return refused.answer
    except DefinitionError:  # its own was read already
        return JsonResponse({"error": f"{broken_exclusion(asked)}."}, status=422)
    except LookupError as error:
        return JsonResponse({"error": str(error.args[0])}, status=422)
    contact = devices[0].contact if devices else None
    shown = {device.pk: device_name(device) for device in devices}
    return JsonResponse(
        {
            "who": (name_of(contact) or contact.external_id) if contact else "A browser that nobody is linked to",
            "contact": contact.pk if contact else None,
            "devices": [_device(one, shown[one.device_id], asked) for one in found],
        }
    )


def _devices_of(who: str, asked: Asked) -> list[Device]:
    """All devices of the person meant; raises LookupError with a sentence."""
    known = Device.objects.select_related("contact").filter(site=asked.site, status__lt=Device.Status.REPLACED)
    if not who:
        raise LookupError("Write a CRM id, or the id of a device.")
    if who.startswith("dev_"):
        try:
            device = known.filter(pk=public_ids.decode("dev", who)).first()
        except public_ids.UnknownId:
            device = None
        if device is None:
            raise LookupError("No device of this Site has this id.")
        return list(known.filter(contact=device.contact).order_by("pk")) if device.contact_id else [device]
    contact = Contact.objects.filter(site=asked.site, external_id=who[:255]).first()
    if contact is None:
        raise LookupError("No contact of this Site has this CRM id.")
    devices = list(known.filter(contact=contact).order_by("pk"))
    if not devices:
        raise LookupError(f"{name_of(contact) or contact.external_id} has no device: nothing can be sent there.")
    return devices


def _device(found: DeviceExplained, name: str, asked: Asked) -> dict[str, Any]:
    return {
        "name": name,
        "reached": found.reached,
        "rules": list(_lines(found.rule, 0)),
        "steps": [
            {"verdict": step.verdict, "words": words} for step in found.steps if (words := _step_words(step, asked))
        ],
    }


def _lines(rule: Explained, depth: int) -> Iterator[dict[str, Any]]:
    """The rules below each other; groups are headings, the rules of another segment stay inside it."""
    heading = {"all": "All of these", "any": "At least one of these", "not": "Not"}.get(rule.kind)
    yield {
        "at": rule.pointer,
        "depth": depth,
        "verdict": rule.verdict,
        "words": heading or rule.words,
        "found": _found_words(rule.found) if rule.kind == "test" else None,
    }
    for inner in rule.rules:
        yield from _lines(inner, depth + 1)


def _found_words(found: Any) -> str:
    if found is None or found in ("", []):
        return "nothing"
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, list):
        return ", ".join(map(str, found))
    if isinstance(found, str) and _MOMENT.match(found):
        return str(when(datetime.fromisoformat(found)))
    return str(found)


def _step_words(step: Step, asked: Asked) -> str:
    match step.name:
        case "consent" if asked.purpose is not None:
            decided = ", ".join(f"{_DECIDED[word]} {_WHERE[scope]}" for scope, word in (step.found or {}).items())
            return f"Consent to {asked.purpose.title}: {decided or 'never asked'}"
        case "active":
            return f"The device is {str(step.found).lower()}"
        case "exclusions" if asked.without:
            names = ", ".join(f"“{one.name}”" for one in asked.without)
            return f"{'Not in' if step.verdict else 'Left out by'} {names}"
        case "device_choice" if asked.audience.devices != "all":
            return "Chosen among the person's devices" if step.verdict else "Another device of the person is chosen"
    return ""
