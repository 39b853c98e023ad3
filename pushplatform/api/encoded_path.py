"""Ids of other systems in paths: percent-encoded, a slash (`%2F`) included.

Servers decode a path before anybody can tell an encoded slash from one between two parts. Where the caller encoded
one, the path is matched as it was sent, and `path_part` decodes each part of it.
"""

from collections.abc import Callable
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse

PREFIX = "/api/"


class EncodedSlashMiddleware:
    """Keeps `%2F` apart from `/` under PREFIX; needs a server that gives the ASGI `raw_path`, as uvicorn does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        raw: bytes = getattr(request, "scope", {}).get("raw_path") or b""
        if b"%2f" in raw.lower() and raw.isascii() and raw.startswith(PREFIX.encode()):
            request.path_info = raw.partition(b"?")[0].decode()
            request.path_as_sent = True
        return self.get_response(request)


def path_part(request: HttpRequest, part: str) -> str:
    """What the caller meant with this part of the path."""
    plain = getattr(request, "_request", request)
    return unquote(part) if getattr(plain, "path_as_sent", False) else part
