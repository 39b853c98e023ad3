"""API clients and their keys. A key is shown once, on the page that made it; later only its prefix."""

from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import display
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from pushplatform.sites import api_keys
from pushplatform.sites.access import Right
from pushplatform.sites.admin.fields import LinesField
from pushplatform.sites.admin.scope import SiteForm, SiteScopedAdmin
from pushplatform.sites.models import ApiClient, ApiKey, Scope


class ApiClientForm(SiteForm):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget, required=True
    )

    class Meta:
        model = ApiClient
        fields = ("name", "scopes")


def check_range(value: str) -> None:
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValidationError(f"{value} is neither an address nor a range such as 203.0.113.0/24.") from None


class ApiKeyForm(forms.Form):
    expires_on = forms.DateField(
        label="Last day it works",
        required=False,
        widget=UnfoldAdminTextInputWidget({"type": "date"}),
        help_text="Empty: it never expires.",
    )
    allowed_addresses = LinesField(
        label="Allowed addresses",
        required=False,
        check=check_range,
        max_length=43,
        rows=2,
        help_text="Addresses or ranges, one a line. Empty: from anywhere.",
    )
    per_minute = forms.IntegerField(
        label="Units a minute",
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=UnfoldAdminIntegerFieldWidget(),
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        usual = intcomma(settings.API_UNITS_PER_MINUTE)
        self.fields[
            "per_minute"
        ].help_text = (
            f"A call is one unit, and every ten recipients in it another. Empty: {usual}, as the platform is set."
        )

    @classmethod
    def of(cls, key: ApiKey) -> dict[str, Any]:
        """The form's values of a key."""
        day = timezone.localdate(key.expires_at) if key.expires_at else None
        return {"expires_on": day, "allowed_addresses": key.allowed_addresses, "per_minute": key.per_minute}

    def said(self) -> dict[str, Any]:
        """What the form says, as api_keys takes it."""
        chosen = {name: self.cleaned_data[name] for name in ("allowed_addresses", "per_minute")}
        return {**chosen, "expires_at": self.expires_at()}

    def clean_expires_on(self) -> Any:
        day = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.localdate():
            raise ValidationError("This day is over. Choose today or a later one.")
        return day

    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return timezone.make_aware(datetime.combine(day, datetime.max.time())) if day else None


@admin.register(ApiClient)
class ApiClientAdmin(SiteScopedAdmin):
    sees = Right.ADMINISTER
    can_delete = False
    form = ApiClientForm
    list_display = ("name", "shown_scopes", "working_keys")
    search_fields = ("name",)
    ordering = ("name",)
    change_form_outer_after_template = "sites/api_keys.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiClient]:
        queryset = super().get_queryset(request)
        works = Q(keys__revoked_at=None) & (Q(keys__expires_at=None) | Q(keys__expires_at__gt=timezone.now()))
        return queryset.annotate(working_key_count=Count("keys", filter=works & Q(keys__isnull=False)))

    @display(description="Scopes")
    def shown_scopes(self, client: ApiClient) -> str:
        return ", ".join(client.scopes)

    @display(description="Keys that work")
    def working_keys(self, client: ApiClient) -> int:
        return client.working_key_count

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<path:object_id>/make-key/", view(self.make_key), name="sites_apiclient_make_key"),
            path("<path:object_id>/change-key/<int:key_id>/", view(self.change_key), name="sites_apiclient_change_key"),
            path("<path:object_id>/revoke/<int:key_id>/", view(self.revoke), name="sites_apiclient_revoke"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        client = self.get_object(request, object_id)
        extra = {"api_keys": _shown_keys(client), "key_form": ApiKeyForm()} if client else {}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def response_add(self, request: HttpRequest, obj: ApiClient, post_url_continue: Any = None) -> HttpResponse:
        messages.success(request, "Saved. Make its first key below.")
        return HttpResponseRedirect(reverse("admin:sites_apiclient_change", args=[obj.pk]))

    def make_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        client = self.object_for(request, object_id, Right.ADMINISTER)
        form = ApiKeyForm(request.POST if request.method == "POST" else None)
        if request.method != "POST" or not form.is_valid():
            return self.page(
                request, "sites/api_key_make.html", title="Make an API key", obj=client, client=client, form=form
            )
        key, text = api_keys.make_key(client, **form.said())
        self.log_change(request, client, f"Made the key {key.prefix}…")
        return self.page(
            request, "sites/api_key_made.html", title="API key made", obj=client, client=client, key=key, secret=text
        )

    def change_key(self, request: HttpRequest, object_id: str, key_id: int) -> HttpResponse:
        client = self.object_for(request, object_id, Right.ADMINISTER)
        key = _key_of(client, key_id)
        posted = request.method == "POST"
        form = ApiKeyForm(request.POST) if posted else ApiKeyForm(initial=ApiKeyForm.of(key))
        if not posted or not form.is_valid():
            title = f"Change the key pp_{key.prefix}_…"
            return self.page(
                request, "sites/api_key_change.html", title=title, obj=client, client=client, key=key, form=form
            )
        if api_keys.change_key(key, **form.said()):
            self.log_change(request, client, f"Changed the key {key.prefix}…")
            messages.success(request, f"The key pp_{key.prefix}_… was changed. It counts from its next call on.")
        else:
            messages.error(request, "The key was revoked meanwhile. Make another.")
        return HttpResponseRedirect(reverse("admin:sites_apiclient_change", args=[client.pk]))

    def revoke(self, request: HttpRequest, object_id: str, key_id: int) -> HttpResponse:
        client = self.object_for(request, object_id, Right.ADMINISTER)
        key = _key_of(client, key_id)
        if request.method == "POST" and api_keys.revoke_key(key, timezone.now()):
            self.log_change(request, client, f"Revoked the key {key.prefix}…")
            messages.success(request, f"The key pp_{key.prefix}_… is revoked and works nowhere any more.")
        return HttpResponseRedirect(reverse("admin:sites_apiclient_change", args=[client.pk]))


def _key_of(client: ApiClient, key_id: int) -> ApiKey:
    key = ApiKey.objects.filter(pk=key_id, client=client).first()
    if key is None:
        raise Http404
    return key


def _shown_keys(client: ApiClient) -> list[dict[str, Any]]:
    """Keys for the page: never the hash."""
    now = timezone.now()
    shown = []
    for key in client.keys.defer("secret_hash").order_by("-created_at"):
        state, colour = "works", "reach"
        if key.revoked_at:
            state, colour = "revoked", ""
        elif key.expires_at and key.expires_at < now:
            state, colour = "expired", "look"
        limit = key.per_minute or settings.API_UNITS_PER_MINUTE
        shown.append({"key": key, "state": state, "colour": colour, "per_minute": limit})
    return shown
