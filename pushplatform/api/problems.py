"""Errors as `application/problem+json` (RFC 9457): one exception, one shape, one place where others are mapped."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from pushplatform.api.problem_codes import PROBLEMS
from pushplatform.api.request_id import request_id_of

CONTENT_TYPE = "application/problem+json"
AWAY_SECONDS = 5
"""How long a caller is asked to wait while the database does not answer."""

log = logging.getLogger(__name__)


class FieldError(NamedTuple):
    """One thing wrong with the body: where (RFC 6901 JSON pointer), a stable code, a sentence."""

    pointer: str
    code: str
    detail: str


class Problem(Exception):
    """An answer that is an error: raise it anywhere below a view.

    `code`: a key of PROBLEMS; `detail`: a sentence about this very case; `status`: None takes the code's own.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int | None = None,
        errors: Sequence[tuple[str, str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(code)
        self.code = code
        self.status = status or PROBLEMS[code].status
        self.errors = [FieldError(*error) for error in errors]
        self.detail = detail or (self.errors[0].detail if self.errors else PROBLEMS[code].what_to_do)
        self.headers = dict(headers or {})


def invalid(errors: Sequence[tuple[str, str, str]], code: str = "") -> Problem:
    """The 422 of a body with these errors; its code is `code`, else that of an only error, else `invalid_request`."""
    only = errors[0][1] if len(errors) == 1 else ""
    known = code or (only if only in _SPOKEN_ALONE else "invalid_request")
    return Problem(known, status=422, errors=errors)


# Errors that clients branch on: they stand at the top of the answer too when nothing else is wrong.
_SPOKEN_ALONE = frozenset(
    {
        "unknown_purpose", "too_many_recipients", "unknown_wording", "payload_too_large", "other_purpose",
        "unknown_segment", "broken_segment", "unknown_campaign", "campaign_not_ready", "not_supported",
    }
)  # fmt: skip


def pointer(*path: str | int) -> str:
    """The JSON pointer of a path (RFC 6901): `pointer("recipients", 3)` is `/recipients/3`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def problem_body(problem: Problem, request_id: str) -> dict[str, Any]:
    known = PROBLEMS.get(problem.code)
    body: dict[str, Any] = {
        "type": f"{settings.BASE_URL}/problems/{problem.code}",
        "title": known.title if known else HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [error._asdict() for error in problem.errors]
    return body


def problem_response(request: HttpRequest, problem: Problem) -> JsonResponse:
    """The answer for views that are not REST framework's."""
    body = problem_body(problem, request_id_of(request))
    return JsonResponse(body, status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """What REST framework calls for every exception of a view."""
    request = context["request"]
    problem = _mapped(error, context)
    if problem is None or problem.status >= 500:
        log.exception("request %s failed", request_id_of(request))
        problem = problem or Problem("internal_error")
    body = problem_body(problem, request_id_of(request))
    return Response(body, problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def _mapped(error: Exception, context: dict[str, Any]) -> Problem | None:
    """Exceptions of Django and REST framework as Problems; None for what nobody expected."""
    match error:
        case Problem():
            return error
        case RequestDataTooBig() | exceptions.APIException(status_code=413):
            return Problem("body_too_large")
        case Http404() | exceptions.NotFound():
            return Problem("not_found")
        case exceptions.MethodNotAllowed():
            taken = ", ".join(method for method in context["view"].allowed_methods if method != "OPTIONS")
            return Problem("method_not_allowed", f"{context['request'].method} is not taken here, only {taken}.")
        case exceptions.NotAcceptable():
            return Problem("not_acceptable")
        case exceptions.UnsupportedMediaType():
            return Problem("unsupported_media_type")
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Problem("not_authenticated", headers={"WWW-Authenticate": 'Bearer realm="api"'})
        case PermissionDenied() | exceptions.PermissionDenied():
            return Problem("forbidden", str(error) or "The caller may not do this.")
        case exceptions.Throttled():
            wait = {"Retry-After": str(int(error.wait or 1) + 1)}
            return Problem("rate_limited", headers=wait)
        case exceptions.APIException(status_code=status) if 400 <= status < 500:
            return Problem("bad_request", str(error.detail), status=status)
        case SuspiciousOperation():
            return Problem("bad_request")
        case InterfaceError() | OperationalError():  # the database is away, full, or ended the statement
            return Problem("unavailable", headers={"Retry-After": str(AWAY_SECONDS)})
    return None


PROBLEM_PATHS = ("/api/", "/push/", "/hooks/")
"""Where errors outside of any view are problem+json too; elsewhere they are pages."""


def is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(PROBLEM_PATHS)
