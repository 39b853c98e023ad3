"""All addresses of the platform but receipts and health, which `asgi.py` answers in front of Django."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import defaults

from campaigns import urls as campaigns
from campaigns.views import description
from pushplatform.api.problem_pages import problem_page
from pushplatform.api.problems import Problem, is_for_programs, problem_response

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include([*description.routes(campaigns.api), *campaigns.api])),
    path("push/v1/", include("subscribers.urls")),
    path("problems/<slug:code>", problem_page),
    *campaigns.urlpatterns,
]


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        detail = "No call has this address. It ends without a slash; an id in it is percent-encoded, a slash as %2F."
        return problem_response(request, Problem("not_found", detail))
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return problem_response(request, Problem("bad_request"))
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_for_programs(request):
        return problem_response(request, Problem("internal_error"))
    return defaults.server_error(request)


handler400, handler404, handler500 = bad_request, not_found, server_error
