"""Segments: rules as rows or as JSON, with a live count, a sample and reasons."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter, display
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from campaigns import saved_segments
from campaigns.admin import segment_count, segment_fields, segment_members, segment_why
from campaigns.admin.segment_form import SegmentForm
from campaigns.segment_fields import parse
from campaigns.segment_picker import picker
from pushplatform.sites import public_ids
from pushplatform.sites.access import Right, may
from pushplatform.sites.admin.scope import SiteScopedAdmin, site_for
from pushplatform.sites.models import Site
from subscribers.models import Contact, Purpose, Segment, SegmentSize
from subscribers.segments import DefinitionError, describe

EXPORTS: Final = Right.ADMINISTER
"""Personal data leaves the platform, as where a contact is exported."""

SHOWN_USES: Final = 10
ASKED: Final = ("count", "sample", "values", "why")
"""What the page of a segment asks for while one writes."""


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
    list_display = ("name", "in_words", "size", "campaign_count")
    list_filter = (InUseFilter,)
    search_fields = ("name", "description")
    list_before_template = "campaigns/segments_intro.html"
    ordering = ("name",)
    sortable_by = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Segment]:
        newest = SegmentSize.objects.filter(segment=OuterRef("pk")).order_by("-day").values("devices")[:1]
        queryset = super().get_queryset(request).select_related("site")
        return queryset.annotate(uses=Count("used_by"), newest_size=Subquery(newest))

    @display(description="Who is in it")
    def in_words(self, segment: Segment) -> str:
        words, is_broken = words_of(segment)
        return format_html('<span class="pp-text-fail">{}</span>', words) if is_broken else words

    @display(description="Devices last counted")
    def size(self, segment: Segment) -> str:
        return "not yet" if segment.newest_size is None else f"{segment.newest_size:,}"

    @display(description="Campaigns")
    def campaign_count(self, segment: Segment) -> int:
        return segment.uses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        acts = {"archive": self.archive, "duplicate": self.duplicate, "members": self.members}
        own = [path(f"{name}/", view(getattr(self, name)), name=f"subscribers_segment_{name}") for name in ASKED]
        own += [
            path(f"<path:object_id>/{name}/", view(act), name=f"subscribers_segment_{name}")
            for name, act in acts.items()
        ]
        return [*own, *super().get_urls()]

    # --- The page
    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        return self._edit(request, site, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        segment = self.object_for(request, object_id, Right.SEE if request.method == "GET" else Right.COMPOSE)
        return self._edit(request, segment.site, segment)

    def _edit(self, request: HttpRequest, site: Site, segment: Segment | None) -> HttpResponse:
        form = SegmentForm(request.POST if request.method == "POST" else None, site=site, segment=segment)
        if request.method == "POST" and form.is_valid() and (saved := form.save()):
            if segment is None:
                self.log_addition(request, saved, [{"added": {}}])
            else:
                self.log_change(request, saved, [{"changed": {"fields": form.changed_data}}])
            messages.success(request, f"“{saved.name}” is saved.")
            return _to(saved)
        user = request.user
        campaigns, segments = saved_segments.used_by(segment) if segment else ([], [])
        return self.page(
            request,
            "campaigns/segment.html",
            title=form.title,
            obj=segment,
            site=site,
            segment=segment,
            form=form,
            may_write=may(user, Right.COMPOSE, site),
            may_export=may(user, EXPORTS, site),
            may_delete=may(user, Right.COMPOSE, site) and segment is not None and not (campaigns or segments),
            used_by=campaigns[:SHOWN_USES],
            used_in=segments[:SHOWN_USES],
            more_uses=max(0, len(campaigns) - SHOWN_USES) + max(0, len(segments) - SHOWN_USES),
            purposes=Purpose.objects.filter(site=site, archived=False, bit__gt=Purpose.MEASUREMENT).order_by("bit"),
            device_choices=segment_count.device_choices(),
            sizes=sizes_of(segment) if segment else [],
            shows_people=self._shows_people(request, site),
            **self._builder(request, site, segment, form),
        )

    def _builder(self, request: HttpRequest, site: Site, segment: Segment | None, form: SegmentForm) -> dict[str, Any]:
        """What the page's script reads, and the segments that a count may leave out."""
        offered = picker(site.pk, segment)
        others = [(public_ids.decode("seg", one["id"]), one["name"]) for one in offered["segments"]]
        addresses = {name: f"{reverse(f'admin:subscribers_segment_{name}')}?_site={site.pk}" for name in ASKED}
        builder = offered | {
            "faults": form.faults,
            "addresses": addresses | {"contact": reverse("admin:subscribers_contact_change", args=[0])},
            "editable": may(request.user, Right.COMPOSE, site),
            "shows_people": self._shows_people(request, site),
        }
        return {"builder": builder, "others": others}

    def _shows_people(self, request: HttpRequest, site: Site) -> bool:
        """Whether this user may see personal data of this Site: who may open its contacts."""
        contacts: Any = self.admin_site.get_model_admin(Contact)
        return may(request.user, contacts.sees, site)

    # --- What it asks for
    def count(self, request: HttpRequest) -> JsonResponse:
        return segment_count.count(request)

    def values(self, request: HttpRequest) -> JsonResponse:
        return segment_fields.values(request)

    def sample(self, request: HttpRequest) -> JsonResponse:
        self._need_people(request)
        return segment_count.sample(request)

    def why(self, request: HttpRequest) -> JsonResponse:
        self._need_people(request)
        return segment_why.why(request)

    def _need_people(self, request: HttpRequest) -> None:
        if request.method != "POST":
            raise Http404
        if not self._shows_people(request, site_for(request, Right.SEE)):
            raise PermissionDenied

    # --- Acts
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Puts a segment away, or takes it back: an archived one cannot be chosen, and stays where it was used."""
        segment = self.object_for(request, object_id, Right.COMPOSE)
        if request.method == "POST":
            others = Segment.objects.filter(site=segment.site, name=segment.name, archived=False)
            if segment.archived and others.exists():
                messages.error(request, "Another segment has this name by now. Rename one of them first.")
                return _to(segment)
            segment.archived = not segment.archived
            segment.save(update_fields=["archived", "updated_at"])
            self.log_change(request, segment, "Archived" if segment.archived else "Taken back into use")
            messages.success(request, f"“{segment.name}” is {'archived' if segment.archived else 'in use again'}.")
        return _to(segment)

    def duplicate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        segment = self.object_for(request, object_id, Right.COMPOSE)
        if request.method != "POST":
            return _to(segment)
        copy = saved_segments.duplicate(segment)
        self.log_addition(request, copy, f"Duplicated from “{segment.name}”")
        messages.success(request, f"“{copy.name}” is a copy. What you change here leaves “{segment.name}” as it is.")
        return _to(copy)

    def members(self, request: HttpRequest, object_id: str) -> Any:
        """The devices of a segment and their people's CRM ids, as CSV; who took them is noted."""
        segment = self.object_for(request, object_id, EXPORTS)
        if request.method != "POST":
            return _to(segment)
        try:
            response = segment_members.download(request, segment)
        except DefinitionError as error:
            messages.error(request, f"It cannot be worked out: {error.errors[0].detail}.")
            return _to(segment)
        self.log_change(request, segment, "Exported its members")
        return response

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """Its sizes of former days go with it and need no line each."""
        return [f"Segment: {one.name}" for one in objs], {"segment": len(objs)}, set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What campaigns or other segments use is archived, not deleted."""
        segment = self.object_for(request, object_id, Right.COMPOSE)
        campaigns, segments = saved_segments.used_by(segment)
        if uses := [*campaigns[:3], *segments[:3]]:
            names = ", ".join(f"“{one}”" for one in uses)
            messages.error(request, f"It is used by {names}. Archive it instead, or take it out there first.")
            return _to(segment)
        return super().delete_view(request, object_id, extra_context)


def sizes_of(segment: Segment) -> list[dict[str, Any]]:
    """Its size day by day, the oldest first."""
    rows = SegmentSize.objects.filter(segment=segment).order_by("day").values_list("day", "devices", "people")
    return [{"day": day.isoformat(), "devices": devices, "people": people} for day, devices, people in rows]


def words_of(segment: Segment) -> tuple[str, bool]:
    """The rule in plain English; or what is wrong, where it cannot be worked out, and True."""
    try:
        words = describe(parse(segment.definition, segment.site_id, segment_id=segment.pk))
    except DefinitionError as error:
        return f"Matches nobody, it cannot be worked out: {error.errors[0].detail}", True
    return f"{words[:1].upper()}{words[1:]}", False


def _to(segment: Segment) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:subscribers_segment_change", args=[segment.pk]))
