"""Purposes and their wordings. A wording is never edited: what people agreed to stays as they read it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter, display
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteForm, SiteScopedAdmin
from pushplatform.sites.models import Site
from subscribers import purposes
from subscribers.admin.wording_texts import WordingTextsField
from subscribers.errors import Invalid
from subscribers.models import Purpose, Wording


class PurposeForm(SiteForm):
    class Meta:
        model = Purpose
        fields = ("title", "archived")


class NewPurposeForm(forms.Form):
    title = forms.CharField(
        max_length=100, widget=UnfoldAdminTextInputWidget({"placeholder": "Offers"}), help_text="What marketers see."
    )
    key = forms.CharField(
        max_length=64,
        widget=UnfoldAdminTextInputWidget({"placeholder": "offers"}),
        help_text="How shops and CRMs name it. It never changes.",
    )
    kind = forms.ChoiceField(
        choices=Purpose.Kind.choices,
        initial=Purpose.Kind.MARKETING,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="It never changes: an offer never travels as an order update.",
    )
    wording = WordingTextsField(label="Wording")


class NewWordingForm(forms.Form):
    wording = WordingTextsField(label="New wording")
    ends_older = forms.BooleanField(
        label="Ask everybody anew",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="The yeses given to older versions end: for a change of meaning. "
        "Leave it off for a better sentence that means the same.",
    )


class ArchivedFilter(SimpleListFilter):
    title = "archived"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Archived"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        choices = list(super().choices(changelist))
        choices[0]["display"] = "In use"
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Purpose]) -> QuerySet[Purpose]:
        return queryset if self.value() == "all" else queryset.filter(archived=self.value() == "yes")


@admin.register(Purpose)
class PurposeAdmin(SiteScopedAdmin):
    can_delete = False
    form = PurposeForm
    list_display = ("title", "key", "kind", "newest_version")
    list_filter = (ArchivedFilter,)
    ordering = ("bit",)
    fields = ("title", "key", "kind", "archived")
    readonly_fields = ("key", "kind")
    change_form_outer_after_template = "subscribers/wordings.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Purpose]:
        return super().get_queryset(request).annotate(newest=Max("wordings__version"))

    def get_readonly_fields(self, request: HttpRequest, obj: Purpose | None = None) -> tuple[str, ...]:
        built_in = obj is not None and obj.bit in (Purpose.PERSONAL_DATA, Purpose.MEASUREMENT)
        return ("key", "kind", "archived") if built_in else ("key", "kind")

    @display(description="Wording", empty_value="none")
    def newest_version(self, purpose: Purpose) -> str | None:
        newest = purpose.newest
        return f"version {newest}" if newest else None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [path("<path:object_id>/new-wording/", view(self.new_wording), name="subscribers_purpose_new_wording")]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        purpose = self.get_object(request, object_id)
        extra = {"wordings": _by_version(purpose)} if purpose else {}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        posted = request.method == "POST"
        form = NewPurposeForm(request.POST if posted else None)
        form.fields["wording"].initial = {site.default_language: ""}
        if posted and form.is_valid():
            given = form.cleaned_data
            try:
                purpose = purposes.add(site, given["key"].strip(), given["kind"], given["title"], given["wording"])
            except Invalid as refused:
                _beside_fields(form, refused)
            else:
                self.log_addition(request, purpose, [{"added": {}}])
                messages.success(request, f"{purpose.title} can be asked for and sent for now.")
                return HttpResponseRedirect(reverse("admin:subscribers_purpose_changelist"))
        return self.page(
            request,
            "subscribers/purpose_new.html",
            title="New purpose",
            form=form,
            back="subscribers_purpose_changelist",
        )

    def new_wording(self, request: HttpRequest, object_id: str) -> HttpResponse:
        purpose = self.object_for(request, object_id, Right.ADMINISTER)
        form = NewWordingForm(request.POST if request.method == "POST" else None)
        form.fields["wording"].initial = _newest_texts(purpose) or {purpose.site.default_language: ""}
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                version = purposes.add_wording(
                    purpose, given["wording"], timezone.now(), ends_older=given["ends_older"]
                )
            except Invalid as refused:
                _beside_fields(form, refused)
            else:
                ended = ", ending the yeses given to older ones" if given["ends_older"] else ""
                self.log_change(request, purpose, f"Added wording version {version}{ended}")
                messages.success(request, f"Version {version} is asked with from now on.")
                return HttpResponseRedirect(reverse("admin:subscribers_purpose_change", args=[purpose.pk]))
        return self.page(
            request, "subscribers/wording_new.html", title="New wording", obj=purpose, purpose=purpose, form=form
        )


def _by_version(purpose: Purpose) -> list[dict[str, Any]]:
    versions: dict[int, dict[str, Any]] = {}
    for wording in Wording.objects.filter(purpose=purpose).order_by("-version", "language"):
        versions.setdefault(wording.version, {"version": wording.version, "texts": []})["texts"].append(wording)
    return list(versions.values())


def _newest_texts(purpose: Purpose) -> dict[str, str]:
    versions = [one for one in _by_version(purpose) if not one["texts"][0].from_crm]
    return {one.language: one.text for one in versions[0]["texts"]} if versions else {}


def _beside_fields(form: forms.Form, refused: Invalid) -> None:
    """What the domain refused, beside the field it is about."""
    for fault in refused.errors:
        name = fault.pointer.strip("/").split("/")[0]
        form.add_error(name if name in form.fields else None, f"{fault.detail[:1].upper()}{fault.detail[1:]}.")
