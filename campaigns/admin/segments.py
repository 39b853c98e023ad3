"""Segments: rules as rows or as JSON, with a live count."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter, display
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from campaigns.admin import segment_count, segment_fields
from campaigns.models import Campaign
from campaigns.segment_fields import parse
from pushplatform.sites.access import Right, may
from pushplatform.sites.admin.scope import SiteScopedAdmin, site_for
from pushplatform.sites.models import Site
from subscribers.models import Purpose, Segment
from subscribers.segments import DefinitionError, describe

LONGEST = 100_000
"""Characters of a definition."""


class SegmentForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget({"placeholder": "Active pros in Warsaw", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label="Note",
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="What it is for. Optional.",
    )
    definition = forms.CharField(max_length=LONGEST, widget=forms.Textarea, strip=True)

    def __init__(self, *args: Any, site: Site, segment: Segment | None, **kwargs: Any):
        self.site, self.segment = site, segment
        self.faults: list[dict[str, str]] = []
        if segment is not None:
            kwargs["initial"] = {
                "name": segment.name,
                "description": segment.description,
                "definition": json.dumps(segment.definition, ensure_ascii=False, indent=2),
            }
        else:
            kwargs["initial"] = {"definition": '{"all": []}'}
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip()
        others = Segment.objects.filter(site=self.site, name=name, archived=False)
        if others.exclude(pk=self.segment.pk if self.segment else None).exists():
            raise forms.ValidationError("Another segment has this name. Choose one that tells them apart.")
        return name

    def clean_definition(self) -> Any:
        try:
            definition = json.loads(self.cleaned_data["definition"])
            parse(definition, self.site.pk, segment_id=self.segment.pk if self.segment else None)
        except DefinitionError as error:
            self.faults = _faults(error)
            raise forms.ValidationError([f"{fault['at']}: {fault['detail']}" for fault in self.faults]) from None
        except (ValueError, RecursionError):
            raise forms.ValidationError("This is no JSON. A comma or a quotation mark may be missing.") from None
        return definition


class InUseFilter(SimpleListFilter):
    title = "archived"
    parameter_name = "archived"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Archived")]

    def choices(self, changelist: Any) -> Any:
        choices = list(super().choices(changelist))
        choices[0]["display"] = "In use"
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        return queryset.filter(archived=self.value() == "yes")


@admin.register(Segment)
class SegmentAdmin(SiteScopedAdmin):
    changes = Right.COMPOSE
    list_display = ("name", "in_words", "campaign_count")
    list_filter = (InUseFilter,)
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        return super().get_queryset(request).select_related("site").annotate(uses=Count("used_by"))

    @display(description="Who is in it")
    def in_words(self, segment: Segment) -> str:
        return words_of(segment)

    @display(description="Campaigns")
    def campaign_count(self, segment: Segment) -> int:
        return segment.uses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("count/", view(self.count), name="subscribers_segment_count"),
            path("<path:object_id>/archive/", view(self.archive), name="subscribers_segment_archive"),
        ]
        return [*own, *super().get_urls()]

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        return self._edit(request, site, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        segment = self.object_for(request, object_id, Right.SEE if request.method == "GET" else Right.COMPOSE)
        return self._edit(request, segment.site, segment)

    def _edit(self, request: HttpRequest, site: Site, segment: Segment | None) -> HttpResponse:
        form = SegmentForm(request.POST if request.method == "POST" else None, site=site, segment=segment)
        if request.method == "POST" and form.is_valid():
            saved = segment or Segment(site=site)
            for name in ("name", "description", "definition"):
                setattr(saved, name, form.cleaned_data[name])
            saved.save()
            if segment is None:
                self.log_addition(request, saved, [{"added": {}}])
            else:
                self.log_change(request, saved, [{"changed": {"fields": form.changed_data}}])
            messages.success(request, f"“{saved.name}” is saved.")
            return HttpResponseRedirect(reverse("admin:subscribers_segment_changelist"))
        used_by = Campaign.objects.filter(campaign_segments__segment=segment).order_by("-pk")[:5] if segment else []
        return self.page(
            request,
            "campaigns/segment.html",
            title=segment.name if segment else "New segment",
            obj=segment,
            site=site,
            segment=segment,
            form=form,
            faults=form.faults,
            may_write=may(request.user, Right.COMPOSE, site),
            may_delete=segment is not None and self.has_delete_permission(request, segment) and not segment.uses,
            used_by=used_by,
            fields=segment_fields.fields_of(site),
            others=segment_fields.segments_of(site, segment),
            purposes=Purpose.objects.filter(site=site, archived=False, bit__gt=Purpose.MEASUREMENT).order_by("bit"),
            count_address=f"{reverse('admin:subscribers_segment_count')}?_site={site.pk}",
        )

    def count(self, request: HttpRequest) -> JsonResponse:
        """What a definition matches: POST `definition` (JSON), `purpose` and `segment` (numbers, optional)."""
        if request.method != "POST":
            raise Http404
        site = site_for(request, Right.SEE)
        number = request.POST.get("segment", "")
        try:
            definition = json.loads(request.POST.get("definition", "")[:LONGEST])
            rule = parse(definition, site.pk, segment_id=int(number) if number.isdigit() else None)
        except DefinitionError as error:
            return JsonResponse({"faults": _faults(error)}, status=422)
        except (ValueError, RecursionError):
            return JsonResponse({"faults": [{"at": "", "detail": "this is no JSON yet"}]}, status=422)
        wanted = request.POST.get("purpose", "")
        purpose = Purpose.objects.filter(site=site, pk=int(wanted)).first() if wanted.isdigit() else None
        return JsonResponse(segment_count.count(site, rule, purpose))

    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Puts a segment away, or takes it back: an archived one cannot be chosen, and stays where it was used."""
        segment = self.object_for(request, object_id, Right.COMPOSE)
        if request.method == "POST":
            segment.archived = not segment.archived
            segment.save(update_fields=["archived", "updated_at"])
            self.log_change(request, segment, "Archived" if segment.archived else "Taken back into use")
            messages.success(request, f"“{segment.name}” is {'archived' if segment.archived else 'in use again'}.")
        return HttpResponseRedirect(reverse("admin:subscribers_segment_change", args=[segment.pk]))


def words_of(segment: Segment) -> str:
    """The rule in plain English; what is wrong, where it cannot be worked out."""
    try:
        words = describe(parse(segment.definition, segment.site_id, segment_id=segment.pk))
    except DefinitionError as error:
        return f"Cannot be worked out: {error.errors[0].detail}"
    return f"{words[:1].upper()}{words[1:]}"


def _faults(error: DefinitionError) -> list[dict[str, str]]:
    return [{"at": fault.pointer, "detail": fault.detail} for fault in error.errors]
