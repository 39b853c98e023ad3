"""Campaigns in the admin: the list, and the addresses of a campaign's pages."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from unfold.decorators import display as unfold_display

from campaigns.admin import compose_views, push_services, refused_keys, results_views, steering
from campaigns.admin.figures import attach_totals, rate
from campaigns.models import Campaign
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteChangeList, SiteScopedAdmin, when
from pushplatform.sites.models import Site

STATUS_COLOURS = {
    Campaign.Status.DRAFT: "",
    Campaign.Status.SCHEDULED: "info",
    Campaign.Status.SENDING: "info",
    Campaign.Status.PAUSED: "warning",
    Campaign.Status.SENT: "success",
    Campaign.Status.CANCELLED: "danger",
}


class CampaignList(SiteChangeList):
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        attach_totals(self.result_list)


@admin.register(Campaign)
class CampaignAdmin(SiteScopedAdmin):
    changes = Right.COMPOSE
    list_display = ("name", "shown_status", "purpose", "happened_at", "accepted", "shown", "clicked")
    list_filter = ("status",)
    search_fields = ("name",)
    list_select_related = ("purpose",)
    ordering = ("-id",)
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SiteChangeList]:
        return CampaignList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return super().get_queryset(request).select_related("site", "purpose")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was launched stays: its numbers are the record of what people were sent."""
        is_draft = not isinstance(obj, Campaign) or obj.status == Campaign.Status.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    # --- the list
    @unfold_display(description="Status", label=STATUS_COLOURS)
    def shown_status(self, campaign: Campaign) -> tuple[str, str]:
        return campaign.status, campaign.get_status_display()

    @display(description="When", empty_value="")
    def happened_at(self, campaign: Campaign) -> str | None:
        if campaign.status == Campaign.Status.SCHEDULED:
            return f"for {when(campaign.send_at)}"
        return when(campaign.launched_at)

    @display(description="Accepted", empty_value="")
    def accepted(self, campaign: Campaign) -> str | None:
        return f"{campaign.totals['accepted']:,}" if campaign.launched_at else None

    @display(description="Shown", empty_value="")
    def shown(self, campaign: Campaign) -> str | None:
        return rate(campaign.totals["shown"], campaign.totals["accepted"]) if campaign.launched_at else None

    @display(description="Clicked", empty_value="")
    def clicked(self, campaign: Campaign) -> str | None:
        return rate(campaign.totals["clicked"], campaign.totals["shown"]) if campaign.launched_at else None

    # --- the pages
    def get_urls(self) -> list[URLPattern]:
        def own(route: str, name: str, view: Callable[..., HttpResponse], **more: Any) -> URLPattern:
            def bound(request: HttpRequest, **kwargs: Any) -> HttpResponse:
                return view(self, request, **kwargs)

            return path(route, self.admin_site.admin_view(bound), more, name=f"campaigns_campaign_{name}")

        acts = [own(f"<path:object_id>/{act}/", act, steering.steer, act=act) for act in ("pause", "resume", "cancel")]
        return [
            own("preview/", "preview", compose_views.show_preview),
            own("count/", "count", compose_views.show_count),
            own("resume-key/", "resume_key", refused_keys.resume),
            own("push-services/", "push_services", push_services.show),
            own("push-services/now.json", "push_services_now", push_services.show_now),
            own("push-services/history.json", "push_services_history", push_services.show_history),
            own("<path:object_id>/launch/", "launch", steering.launch_now),
            own("<path:object_id>/schedule/", "schedule", steering.schedule),
            own("<path:object_id>/take-back/", "take_back", steering.take_back),
            own("<path:object_id>/use-again/", "use_again", steering.use_again),
            *acts,
            own("<path:object_id>/progress.json", "progress", results_views.progress),
            own("<path:object_id>/deliveries/", "deliveries", results_views.deliveries),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        return compose_views.edit(self, request, site, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        campaign = self.object_for(request, object_id, Right.SEE)
        if campaign.status == Campaign.Status.DRAFT:
            dialog = next((act for act in ("launch", "schedule") if act in request.GET), "")
            dialog = dialog if request.method == "GET" else ""
            return compose_views.edit(self, request, campaign.site, campaign, dialog=dialog)
        if request.method == "POST":  # a draft's form, sent after it was launched
            steering.say_it_was_done(request, campaign)
            return HttpResponseRedirect(request.path)
        return results_views.results(self, request, campaign)
