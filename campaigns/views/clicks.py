"""The click redirect, for browsers that navigate without the service worker."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from campaigns import clicks


@require_safe
def click(request: HttpRequest, token: str) -> HttpResponse:
    """`GET /c/{token}?a=<button>`: counts the click, then leads on. HEAD only looks."""
    target = clicks.follow(token, request.GET.get("a"), timezone.now(), count=request.method == "GET")
    if target is None:
        response = render(request, "campaigns/unknown_link.html", status=404)
    else:
        response = HttpResponseRedirect(target)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
