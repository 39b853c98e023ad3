"""`GET /problems/{code}`: where the `type` of an error leads. A page for browsers, plain text for readers of logs."""

import json

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from pushplatform.api.description.page import prose
from pushplatform.api.description.problem_answers import example_of
from pushplatform.api.problem_codes import PROBLEMS


@require_safe
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    known = PROBLEMS.get(code)
    if known is None:
        raise Http404
    if request.get_preferred_type(["text/plain", "text/html"]) == "text/html":
        example = json.dumps(example_of(code), indent=2, ensure_ascii=False)
        said = {"code": code, "known": known, "what_to_do": prose(known.what_to_do), "example": example}
        answer = render(request, "api/problem.html", said)
    else:
        text = f"{code} (HTTP {known.status})\n\n{known.title}.\n\nWhat to do: {known.what_to_do}\n"
        answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    patch_vary_headers(answer, ["Accept"])
    return answer
