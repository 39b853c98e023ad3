"""`POST /push/v1/sites/{site}/devices` and what an installation may do with its device."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from pushplatform.api.fields import Fields, refuse
from pushplatform.api.problems import FieldError, Problem
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers import decisions, devices, identity
from subscribers.models import Device
from subscribers.registration import Reach, parse_identity, parse_registration, parse_said
from subscribers.user_agent import parse_agent
from subscribers.views.browser_api import body_of


def register(request: HttpRequest, site: Site) -> HttpResponse:
    """201 for a new device, 200 for a refreshed one. `identified` says whether it is linked to a CRM id now."""
    registration = parse_registration(
        body_of(request),
        origins=site.origins,
        reach=_reach(),
        agent=parse_agent(request.headers),
        evidence=_evidence(request),
    )
    made = devices.register(site, registration, timezone.now())
    answer = {
        "device_id": public_ids.encode("dev", made.device_id),
        "device_secret": made.secret,
        "identified": made.identified,
    }
    if made.linked is not None and made.linked.refusal:
        answer["not_identified_because"] = made.linked.refusal
    return JsonResponse(answer, status=201 if made.created else 200)


def identify(request: HttpRequest, device: Device) -> HttpResponse:
    body, errors = proven(request, device)
    who = parse_identity(body)
    if who is None or errors:
        refuse(errors)
    else:
        linked = identity.identify(device.site, device.id, who, timezone.now())
        if linked.refusal:
            raise Problem(linked.refusal)
    return JsonResponse({"identified": True})


def log_out(request: HttpRequest, device: Device) -> HttpResponse:
    nothing_else(*proven(request, device))
    identity.log_out(device.id, timezone.now())
    return HttpResponse(status=204)


def consents(request: HttpRequest, device: Device) -> HttpResponse:
    """Answers with what counts in this browser now, by purpose."""
    body, errors = proven(request, device)
    said = parse_said(body, errors, device.site.origins, _evidence(request))
    if not errors and not said.choices:
        body.wrong("consents", "required", "consents is missing: say what was decided.")
    nothing_else(body, errors)
    return JsonResponse({"consents": decisions.decide(device, said, timezone.now())})


def unsubscribe(request: HttpRequest, device: Device) -> HttpResponse:
    nothing_else(*proven(request, device))
    devices.unsubscribe(device.id, timezone.now())
    return HttpResponse(status=204)


def proven(request: HttpRequest, device: Device) -> tuple[Fields, list[FieldError]]:
    """The body, once its secret has proven that it comes from this installation; raises NotFound and WrongSecret."""
    errors: list[FieldError] = []
    body = Fields(body_of(request), errors)
    secret = body.text("device_secret", required=True)
    refuse(errors)
    devices.authenticate(device, secret or "")
    return body, errors


def nothing_else(body: Fields, errors: list[FieldError]) -> None:
    body.refuse_unknown()
    refuse(errors)


def _reach() -> Reach:
    hosts = settings.PUSH_ALLOWED_HOSTS | settings.PUSH_HOSTS_ROUTED.keys()
    return Reach(frozenset(hosts), settings.PUSH_ALLOW_LOOPBACK)


def _evidence(request: HttpRequest) -> dict[str, Any]:
    """Proof of who decided, kept until it is erased."""
    said = {"address": request.META.get("REMOTE_ADDR", ""), "user_agent": request.headers.get("User-Agent", "")[:500]}
    return {name: value for name, value in said.items() if value}
