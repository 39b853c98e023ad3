"""Uploaded lists of CRM ids, which segments may ask about."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from campaigns.admin.segment_uses import uses_of_list
from pushplatform.sites.access import Right, may
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from pushplatform.sites.models import Site
from subscribers import list_uploads
from subscribers.errors import Invalid
from subscribers.models import ContactList

SHOWN_UNKNOWN: Final = 100
SHOWN_FAULTS: Final = 20


class UploadForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Staff", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label="CSV file",
        allow_empty_file=True,
        widget=forms.ClearableFileInput({"accept": ".csv,.txt,text/csv", "class": "pp-input"}),
        help_text="UTF-8, at most 1,000,000 rows. Its first line names the columns, one of them external_id.",
    )

    def __init__(self, *args: Any, contact_list: ContactList | None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if contact_list is not None:
            del self.fields["name"]


@admin.register(ContactList)
class ContactListAdmin(SiteScopedAdmin):
    changes = Right.COMPOSE
    list_display = ("name", "members_count", "unknown_count", "uploaded_at")
    search_fields = ("name",)
    list_before_template = "campaigns/segment_lists_intro.html"
    ordering = ("name",)
    sortable_by = ("name",)

    @display(description="People")
    def members_count(self, found: ContactList) -> str:
        return f"{found.members:,}"

    @display(description="Unknown ids")
    def unknown_count(self, found: ContactList) -> str:
        return f"{found.unknown:,}"

    @display(description="Uploaded", ordering="created_at")
    def uploaded_at(self, found: ContactList) -> str | None:
        return when(found.created_at)

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        return self._edit(request, site, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        found = self.object_for(request, object_id, Right.SEE if request.method == "GET" else Right.COMPOSE)
        return self._edit(request, found.site, found)

    def _edit(self, request: HttpRequest, site: Site, found: ContactList | None) -> HttpResponse:
        posted = request.method == "POST"
        form = UploadForm(*([request.POST, request.FILES] if posted else []), contact_list=found)
        report = self._upload(request, site, found, form) if posted and form.is_valid() else None
        faults = getattr(form, "file_faults", [])
        if report is not None:
            found = report.contact_list
            form = UploadForm(contact_list=found)
        page = self.page(
            request,
            "campaigns/segment_list.html",
            title=found.name if found else "Upload a list",
            obj=found,
            site=site,
            contact_list=found,
            form=form,
            report=report,
            unknown=report.unknown[:SHOWN_UNKNOWN] if report else [],
            all_unknown=[list(one) for one in report.unknown] if report else [],
            faults=faults[:SHOWN_FAULTS],
            more_faults=max(0, len(faults) - SHOWN_FAULTS),
            may_write=may(request.user, Right.COMPOSE, site),
            used_by=uses_of_list(found) if found else [],
        )
        if faults:
            page.status_code = 422
        return page

    def _upload(
        self, request: HttpRequest, site: Site, found: ContactList | None, form: UploadForm
    ) -> list_uploads.Uploaded | None:
        """What the upload came to; None when the file cannot be used, which the form then says."""
        file = form.cleaned_data["file"].file
        try:
            if found is None:
                report = list_uploads.upload(site, form.cleaned_data["name"], file)
                self.log_addition(request, report.contact_list, [{"added": {}}])
            else:
                report = list_uploads.replace(found, file)
                self.log_change(request, found, f"Uploaded anew: {report.rows} rows")
        except Invalid as error:
            form.file_faults = [fault.detail for fault in error.errors if fault.pointer != "/name"]
            for fault in error.errors:
                if fault.pointer == "/name":
                    form.add_error("name", f"The name {fault.detail}.")
            return None
        return report

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """A million people in a list need no line each, and stay contacts."""
        counts = {"uploaded list": len(objs), "people in it, who stay contacts": sum(one.members for one in objs)}
        return [f"Uploaded list: {one.name}" for one in objs], counts, set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """A list that a segment asks about stays: the segment would match nobody."""
        found = self.object_for(request, object_id, Right.COMPOSE)
        with transaction.atomic():
            uses = uses_of_list(found)
            if uses:
                names = ", ".join(f"“{one.name}”" for one in uses[:3])
                messages.error(request, f"“{found.name}” is used by {names}. Take it out there first.")
                return HttpResponseRedirect(reverse("admin:subscribers_contactlist_change", args=[found.pk]))
            return super().delete_view(request, object_id, extra_context)
