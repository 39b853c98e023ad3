"""The admin tells every time in the time zone of the Site it is about."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from pushplatform.sites.access import current_site


class SiteTimeMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(reverse("admin:index")) or not request.user.is_authenticated:
            return self.get_response(request)
        site = current_site(request)
        with timezone.override(ZoneInfo(site.time_zone) if site else None):
            return self.get_response(request)
