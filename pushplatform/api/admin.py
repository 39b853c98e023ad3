"""The request log as operators see it: a list with filters, nothing to change."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from pushplatform.api.models import RequestLine
from pushplatform.api.request_log import PATH, route_of
from pushplatform.sites.access import Right, current_site, is_superuser
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from pushplatform.sites.models import ApiKey


class _Chosen(admin.SimpleListFilter):
    """A filter whose choices the subclass gives, and narrows the list by."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[RequestLine]) -> QuerySet[RequestLine]:
        return queryset if self.value() is None else queryset.filter(self.condition(str(self.value())))

    def condition(self, value: str) -> Q:
        raise TypeError("a subclass says what a choice means")


class StatusFilter(_Chosen):
    title, parameter_name = "status", "answered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("2", "Done (2xx)"), ("4", "Refused (4xx)"), ("429", "Too many (429)"), ("5", "Failed (5xx)")]

    def condition(self, value: str) -> Q:
        if value not in ("2", "4", "5"):
            return Q(status=429)
        return Q(status__gte=int(value) * 100, status__lt=int(value) * 100 + 100)


class TimeFilter(_Chosen):
    title, parameter_name = "time", "within"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Last hour"), ("24", "Last day"), ("168", "Last week")]

    def condition(self, value: str) -> Q:
        hours = int(value) if value in ("1", "24", "168") else 1
        return Q(at__gte=timezone.now() - timedelta(hours=hours))


class RouteFilter(_Chosen):
    title, parameter_name = "route", "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(route, route) for route in sorted(_routes())]

    def condition(self, value: str) -> Q:
        return Q(route=value)


class KeyFilter(_Chosen):
    title, parameter_name = "key", "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        keys = ApiKey.objects.filter(client__site=current_site(request)).select_related("client")
        return [
            (key.prefix, f"pp_{key.prefix}_… ({key.client})") for key in keys.order_by("client", "-created_at")[:50]
        ]

    def condition(self, value: str) -> Q:
        return Q(key_prefix=value)


def _routes() -> set[str]:
    """The routes of the API, from its addresses."""
    found = set()

    def walk(patterns: list[Any], before: str) -> None:
        for one in patterns:
            route = before + str(one.pattern)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, route)
            elif isinstance(one, URLPattern) and f"/{route}".startswith(PATH):
                found.add(route_of(route))

    walk(get_resolver().url_patterns, "")
    return found


@admin.register(RequestLine)
class RequestLineAdmin(SiteScopedAdmin):
    """Calls with a key of the Site; those without a key that is known belong to no Site, superusers see them."""

    site_lookup = "site_id"
    sees = Right.ADMINISTER
    can_add = can_change = can_delete = False
    list_display = ("shown_at", "method", "route", "status", "ms", "items", "shown_key", "request_id")
    list_filter = (StatusFilter, TimeFilter, RouteFilter, KeyFilter)
    search_fields = ("=request_id", "=key_prefix")
    search_help_text = "A request_id, or the prefix of a key."
    ordering = ("-at",)
    show_full_result_count = False

    def of_current_site(self, request: HttpRequest, queryset: QuerySet[RequestLine]) -> QuerySet[RequestLine]:
        site = current_site(request)
        of_nobody = Q(site_id=None) if is_superuser(request.user) else Q(pk=None)
        return queryset.filter(Q(site_id=site.pk) | of_nobody) if site else queryset.none()

    def site_id_of(self, obj: Model) -> int:
        return getattr(obj, "site_id", None) or 0

    @display(description="At", ordering="at")
    def shown_at(self, line: RequestLine) -> str | None:
        return when(line.at)

    @display(description="Key", ordering="key_prefix")
    def shown_key(self, line: RequestLine) -> str:
        return f"pp_{line.key_prefix}_…" if line.key_prefix else "none"
