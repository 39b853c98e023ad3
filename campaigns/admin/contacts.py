"""Contacts: who is this, what may we send, what did we send?"""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from campaigns.admin import why_not
from campaigns.admin.contact_form import ContactForm
from campaigns.admin.contact_names import name_of
from campaigns.admin.person_acts import PersonActs
from campaigns.admin.person_messages import messages_of
from campaigns.models import Message
from pushplatform.sites.access import Right, may
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from pushplatform.sites.models import Site
from subscribers import ledger
from subscribers.admin.consents import ledger_of, state_of_contact
from subscribers.admin.words import attribute_text, device_name
from subscribers.models import Contact, Decision, Device, Purpose, Scope

SHOWN_DEVICES = 20


@admin.register(Contact)
class ContactAdmin(PersonActs, SiteScopedAdmin):
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

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<path:object_id>/edit/", view(self.edit), name="subscribers_contact_edit"),
            path("<path:object_id>/withdraw/", view(self.withdraw), name="subscribers_contact_withdraw"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.SEE)
        devices = list(contact.devices.order_by("status", "-last_seen_at")[:SHOWN_DEVICES])
        for device in devices:
            device.shown_name = device_name(device)
        asked, answer = self._ask(request, contact)
        return self.page(
            request,
            "campaigns/contact.html",
            title=contact.external_id,
            obj=contact,
            contact=contact,
            name=name_of(contact),
            attributes={key: attribute_text(value) for key, value in contact.attributes.items()},
            local_time=local_time(contact),
            devices=devices,
            consents=state_of_contact(contact, devices),
            ledger=ledger_of(contact, devices),
            course=messages_of(contact, devices),
            may_administer=may(request.user, Right.ADMINISTER, contact.site_id),
            askable=why_not.messages_to_ask_about(contact),
            asked=asked,
            answer=answer,
        )

    def _ask(self, request: HttpRequest, contact: Contact) -> tuple[Message | None, str]:
        """The answer to "why did this person not get …?", where the address asks it."""
        wanted = request.GET.get("why", "")
        if not wanted.isdigit() or len(wanted) > 18:
            return None, ""
        message = Message.objects.filter(pk=int(wanted), site_id=contact.site_id).select_related("purpose").first()
        return message, why_not.why_not(contact, message) if message else ""

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        return self._edit(request, site, None)

    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.ADMINISTER)
        return self._edit(request, contact.site, contact)

    def _edit(self, request: HttpRequest, site: Site, contact: Contact | None) -> HttpResponse:
        form = ContactForm(request.POST if request.method == "POST" else None, site=site, contact=contact)
        saved = form.save() if request.method == "POST" and form.is_valid() else None
        if saved is not None:
            if contact is None:
                self.log_addition(request, saved, [{"added": {}}])
            else:
                self.log_change(request, saved, [{"changed": {"fields": form.changed_data}}])
            messages.success(request, f"{saved.external_id} is saved.")
            return HttpResponseRedirect(reverse("admin:subscribers_contact_change", args=[saved.pk]))
        title = f"Edit {contact.external_id}" if contact else "New contact"
        return self.page(request, "campaigns/contact_edit.html", title=title, obj=contact, contact=contact, form=form)

    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Records that the person told us, outside any browser, to stop. A grant needs the person's own act."""
        contact = self.object_for(request, object_id, Right.ADMINISTER)
        wanted = request.POST.get("purpose", "")
        purpose = Purpose.objects.filter(site_id=contact.site_id, pk=int(wanted) if wanted.isdigit() else 0).first()
        if request.method == "POST" and purpose is not None:
            told = request.POST.get("told", "").strip()[:1000]
            decided = ledger.Decided(
                site_id=contact.site_id,
                scope=Scope(Scope.CONTACT),
                subject_id=contact.pk,
                purpose_id=purpose.pk,
                decision=Decision(Decision.WITHDRAWN),
                source="admin",
                evidence={"recorded_by": request.user.get_username()} | ({"told": told} if told else {}),
            )
            ledger.record([decided], timezone.now())
            self.log_change(request, contact, f"Recorded a withdrawal of {purpose.key}")
            messages.success(request, f"“{purpose.title}” is withdrawn. What is queued for it is not sent.")
        return HttpResponseRedirect(reverse("admin:subscribers_contact_change", args=[contact.pk]))


def local_time(contact: Contact) -> Any:
    """What time it is where the person is; None when nobody knows."""
    try:
        return timezone.now().astimezone(ZoneInfo(contact.time_zone)) if contact.time_zone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
