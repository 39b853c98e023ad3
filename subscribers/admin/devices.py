"""Devices: to look at. Endpoint, keys and secret are never shown; only browsers change a device."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter, display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display as unfold_display

from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from pushplatform.sites.public_ids import UnknownId, decode, encode
from subscribers.admin.consents import ledger_of, state_of_device
from subscribers.admin.words import device_name, service_name
from subscribers.models import Device, DeviceStats

STATUS_COLOURS = {"Active": "success", "Unsubscribed": "", "Gone": "warning", "Replaced": "", "Erased": ""}


class LinkedFilter(SimpleListFilter):
    title = "linked to a contact"
    parameter_name = "linked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Linked"), ("no", "Anonymous")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(contact__isnull=self.value() == "no")


class FormFilter(SimpleListFilter):
    title = "form"
    parameter_name = "form"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("desktop", "Desktop"), ("mobile", "Mobile"), ("tablet", "Tablet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        return queryset.filter(form=self.value()) if self.value() else queryset


@admin.register(Device)
class DeviceAdmin(SiteScopedAdmin):
    can_add = can_change = can_delete = False
    list_display = ("what", "linked_contact", "shown_status", "language", "country", "seen_at")
    list_display_links = ("what",)
    list_filter = ("status", FormFilter, LinkedFilter)
    search_fields = ("contact__external_id",)
    search_help_text = "A CRM id or a device id (dev_…), in full"
    list_select_related = ("contact",)
    ordering = ("-last_seen_at",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Device], search_term: str
    ) -> tuple[QuerySet[Device], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=decode("dev", term)), False
        except UnknownId:
            return queryset.filter(contact__external_id=term), False

    @display(description="Device")
    def what(self, device: Device) -> str:
        return device_name(device)

    @display(description="Contact", empty_value="anonymous", ordering="contact__external_id")
    def linked_contact(self, device: Device) -> Any:
        return device.contact

    @unfold_display(description="Status", label=STATUS_COLOURS)
    def shown_status(self, device: Device) -> str:
        return device.get_status_display().split(" by ")[0].split(":")[0]

    @display(description="Last seen", ordering="last_seen_at")
    def seen_at(self, device: Device) -> str | None:
        return when(device.last_seen_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        device = self.object_for(request, object_id, Right.SEE)
        return self.page(
            request,
            "subscribers/device.html",
            title=self.what(device),
            obj=device,
            device=device,
            public_id=encode("dev", device.pk),
            service=service_name(device.service),
            status=self.shown_status(device),
            stats=DeviceStats.objects.filter(pk=device.pk).first(),
            consents=state_of_device(device),
            ledger=ledger_of(None, [device]),
        )
