"""Every answer carries `X-Request-Id`, the caller's own where it sent a sound one."""

import re
import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

SOUND = re.compile(r"[A-Za-z0-9_.\-]{8,64}")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if SOUND.fullmatch(given) else secrets.token_hex(12)  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response
