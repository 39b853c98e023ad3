"""What every view of the browser API shares: origins, limits, JSON, problems. No cookies, no sessions.

Browsers send `Origin` with every POST and with every read from another origin; what comes without one is no page. So
the check protects people's browsers from other people's pages, it does not say who calls.
"""

import logging
import math
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from pushplatform.api.parsing import parse_json
from pushplatform.api.problems import Problem, invalid, problem_response
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.devices import WrongSecret
from subscribers.errors import Conflict, Invalid, NotFound
from subscribers.models import Device
from subscribers.views.limit import Limit

MAX_BODY: Final = 65_536
"""Octets."""

PREFLIGHT_SECONDS: Final = 7200

Act = Callable[[HttpRequest, Any], HttpResponse]
Find = Callable[[str], tuple[Any, Site]]

log = logging.getLogger(__name__)
limit = Limit()


def of_site(**acts: Act) -> Callable[..., HttpResponse]:
    """A view below `sites/<id>/`, by method; each act gets the request and the Site."""
    return _view(_find_site, acts)


def of_device(**acts: Act) -> Callable[..., HttpResponse]:
    """A view below `devices/<id>/`, by method; each act gets the request and the Device, yet to be authenticated."""
    return _view(_find_device, acts)


def body_of(request: HttpRequest) -> Any:
    """The JSON of the request; raises Problem."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise Problem("body_too_large", f"The body is longer than {MAX_BODY:,} octets.")
    return parse_json(request.body, max_body=MAX_BODY)


def _view(find: Find, acts: dict[str, Act]) -> Callable[..., HttpResponse]:
    by_method = {method.upper(): act for method, act in acts.items()}

    @csrf_exempt
    def view(request: HttpRequest, public_id: str) -> HttpResponse:
        try:
            subject, site = find(public_id)
            origin = _origin(request, site)
        except Problem as problem:
            return problem_response(request, problem)
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = ", ".join(by_method)
            response["Access-Control-Allow-Headers"] = "Content-Type"
            response["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        else:
            response = _answer(request, by_method, subject)
        if origin:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"
        patch_vary_headers(response, ["Origin"])
        return response

    return view


def _answer(request: HttpRequest, by_method: dict[str, Act], subject: Any) -> HttpResponse:
    try:
        act = by_method.get(request.method or "")
        if act is None:
            raise Problem("method_not_allowed", headers={"Allow": ", ".join([*by_method, "OPTIONS"])})
        seconds = limit.wait(request.META.get("REMOTE_ADDR", ""), settings.BROWSER_API_PER_MINUTE)
        if seconds:
            raise Problem("rate_limited", headers={"Retry-After": str(math.ceil(seconds))})
        return act(request, subject)
    except Problem as problem:
        return problem_response(request, problem)
    except Invalid as error:
        return problem_response(request, invalid(error.errors, _only_code(error)))
    except WrongSecret as error:
        return problem_response(request, Problem(error.code, error.detail))
    except Conflict as error:
        return problem_response(request, Problem(error.code, error.detail))
    except NotFound:
        return problem_response(request, Problem("not_found"))
    except Exception:
        log.exception("a call of the browser API failed")
        return problem_response(request, Problem("internal_error"))


def _only_code(error: Invalid) -> str:
    """What the script on the page acts on stands at the top of the answer when it is the only thing wrong."""
    only = error.errors[0].code if len(error.errors) == 1 else ""
    return only if only in SPOKEN_ALONE else ""


SPOKEN_ALONE: Final = frozenset(
    {
        "wrong_signature",
        "identity_expired",
        "identity_in_future",
        "identity_before_logout",
        "not_identified",
        "unknown_key",
        "key_retired",
    }
)


def _find_site(public_id: str) -> tuple[Site, Site]:
    try:
        site = Site.objects.filter(id=public_ids.decode("site", public_id)).first()
    except public_ids.UnknownId:
        site = None
    if site is None:
        raise Problem("not_found", "There is no such Site.")
    return site, site


def _find_device(public_id: str) -> tuple[Device, Site]:
    try:
        number = public_ids.decode("dev", public_id)
    except public_ids.UnknownId:
        raise Problem("not_found", "There is no such device.") from None
    device = Device.objects.select_related("site", "subscription").filter(id=number).first()
    if device is None:
        raise Problem("not_found", "There is no such device.")
    return device, device.site


def _origin(request: HttpRequest, site: Site) -> str | None:
    origin: str | None = request.headers.get("Origin")
    if origin is not None and origin not in site.origins:
        raise Problem("origin_not_allowed", "This page's origin is not one of the Site's; add it in the admin.")
    return origin
