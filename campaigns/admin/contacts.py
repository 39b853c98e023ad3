"""Contacts: who is this, what may we send, what did we send?"""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns.admin.contact_names import name_of
from campaigns.admin.person_messages import messages_of
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from subscribers.admin.consents import ledger_of, state_of_contact
from subscribers.admin.words import device_name
from subscribers.models import Contact, Device

SHOWN_DEVICES = 20


@admin.register(Contact)
class ContactAdmin(SiteScopedAdmin):
    can_delete = False
    list_display = ("external_id", "name", "reachable", "shown_tags", "owner", "language", "changed_at")
    search_fields = ("external_id",)
    search_help_text = "A CRM id: in full, or how it begins"
    ordering = ("external_id",)

    def of_current_site(self, request: HttpRequest, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        active = Count("devices", filter=Q(devices__status=Device.Status.ACTIVE))
        return super().of_current_site(request, queryset).annotate(active_device_count=active)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        term = search_term.strip()
        return (queryset.filter(external_id__startswith=term) if term else queryset), False

    @display(description="Name", empty_value="")
    def name(self, contact: Contact) -> str | None:
        return name_of(contact)

    @display(description="Active devices")
    def reachable(self, contact: Contact) -> int:
        return contact.active_device_count

    @display(description="Tags", empty_value="")
    def shown_tags(self, contact: Contact) -> str | None:
        return ", ".join(contact.tags) or None

    @display(description="Changed", ordering="updated_at")
    def changed_at(self, contact: Contact) -> str | None:
        return when(contact.updated_at)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.SEE)
        devices = list(contact.devices.order_by("status", "-last_seen_at")[:SHOWN_DEVICES])
        for device in devices:
            device.shown_name = device_name(device)
        return self.page(
            request,
            "campaigns/contact.html",
            title=contact.external_id,
            obj=contact,
            contact=contact,
            name=name_of(contact),
            local_time=local_time(contact),
            devices=devices,
            consents=state_of_contact(contact, devices),
            ledger=ledger_of(contact, devices),
            course=messages_of(contact, devices),
        )


def local_time(contact: Contact) -> Any:
    """What time it is where the person is; None when nobody knows."""
    try:
        return timezone.now().astimezone(ZoneInfo(contact.time_zone)) if contact.time_zone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
