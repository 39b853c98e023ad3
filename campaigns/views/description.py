"""The description of the CRM API, for programs and for people. Nobody needs a key to read it."""

import hashlib
import json
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import condition, require_safe

from campaigns.description.everything import document_of
from campaigns.views.root import version
from pushplatform.api.description.page import page_of_document

TYPE: Final = "application/json"


def routes(described: list[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """The addresses of the document about these routes, and of its page."""

    @lru_cache(maxsize=2)
    def made(base_url: str) -> tuple[dict[str, Any], bytes, str]:
        document = document_of(described, version())
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return document, text, f'"{hashlib.sha256(text).hexdigest()[:16]}"'

    def etag(request: HttpRequest) -> str:
        return made(settings.BASE_URL)[2]

    @require_safe
    @condition(etag_func=etag)
    def openapi(request: HttpRequest) -> HttpResponse:
        answer = HttpResponse(made(settings.BASE_URL)[1], content_type=TYPE)
        answer["Access-Control-Allow-Origin"] = "*"  # tools that draw descriptions run in browsers
        answer["Cache-Control"] = "no-cache"
        return answer

    @require_safe
    def page(request: HttpRequest) -> HttpResponse:
        return render(request, "api/docs.html", page_of_document(made(settings.BASE_URL)[0]))

    return [path("openapi.json", openapi), path("docs/", page)]
