"""Every answer carries `X-Request-Id`, the caller's own where it sent a sound one."""

import re
import secrets
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

SOUND = re.compile(r"[A-Za-z0-9_.\-]{8,64}")


def sound_request_id(given: str) -> str:
    """The caller's id where it is sound, else a new one."""
    return given if SOUND.fullmatch(given) else secrets.token_hex(12)


def request_id_of(request: Any) -> str:
    """The id of a Django or REST framework request; one is given to a request that passed no middleware."""
    plain = getattr(request, "_request", request)
    if not hasattr(plain, "request_id"):
        plain.request_id = sound_request_id(plain.headers.get("X-Request-Id", ""))
    return str(plain.request_id)


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request_id_of(request)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response
