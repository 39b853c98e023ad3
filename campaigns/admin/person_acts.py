"""What an administrator does about a whole person: export, merge, erase."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from campaigns import erasing, exporting, merging
from pushplatform.sites.access import Right
from subscribers.errors import Conflict, Invalid, NotFound
from subscribers.models import Contact


class PersonActs:
    """Pages of the contacts' admin."""

    admin_site: Any
    object_for: Any
    log_change: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        acts = {"export": self.export, "merge": self.merge, "erase": self.erase}
        own = [
            path(f"<path:object_id>/{name}/", view(act), name=f"subscribers_contact_{name}")
            for name, act in acts.items()
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]  # of the admin that it is mixed into

    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.ADMINISTER)
        response = JsonResponse(
            exporting.export(contact, timezone.now()), json_dumps_params={"indent": 2, "ensure_ascii": False}
        )
        response["Content-Disposition"] = f'attachment; filename="contact-{contact.pk}.json"'
        self.log_change(request, contact, "Exported")
        return response

    def merge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.ADMINISTER)
        if request.method != "POST":
            return _page_of(contact)
        into = request.POST.get("into", "").strip()
        try:
            merged = merging.merge(contact.site, contact.external_id, into, timezone.now()).contact
        except Invalid:
            messages.error(request, f"There is no other contact with the CRM id {into[:255]}.")
            return _page_of(contact)
        except (NotFound, Conflict):
            messages.error(request, "Somebody was faster: this contact is not there any more.")
            return HttpResponseRedirect(reverse("admin:subscribers_contact_changelist"))
        self.log_change(request, merged, f"Merged contact {contact.pk} into this one")
        messages.success(request, f"They are one contact now: {merged.external_id}.")
        return _page_of(merged)

    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = self.object_for(request, object_id, Right.ADMINISTER)
        if request.method != "POST":
            return _page_of(contact)
        if request.POST.get("confirm", "").strip() != contact.external_id:
            messages.error(request, "Nothing was erased: the CRM id was not written as it is.")
            return _page_of(contact)
        erased = erasing.erase(contact.site, contact.external_id, timezone.now())
        LogEntry.objects.create(  # not log_deletion, which writes down whom
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(Contact),
            object_id=str(contact.pk),
            object_repr="erased",
            action_flag=DELETION,
            change_message="Erased",
        )
        devices = erased.removed["devices"]
        messages.success(request, f"The person is erased, with {devices} device{'' if devices == 1 else 's'}.")
        return HttpResponseRedirect(reverse("admin:subscribers_contact_changelist"))


def _page_of(contact: Contact) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:subscribers_contact_change", args=[contact.pk]))
