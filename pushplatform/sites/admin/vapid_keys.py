"""VAPID keys: generate, look at the public half, retire. The private half is never shown."""

from django.contrib import admin, messages
from django.contrib.admin import display
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import display as unfold_display

from pushplatform.sites import vapid_keys
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteScopedAdmin, when
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import b64url

ACTIVE = 1  # Device.Status.ACTIVE: devices belong to a floor above


@admin.register(VapidKey)
class VapidKeyAdmin(SiteScopedAdmin):
    sees = Right.ADMINISTER
    can_change = can_delete = False
    list_display = ("shown_state", "public", "active_devices", "made_at")
    list_display_links = ("public",)
    fields = ("shown_state", "public", "active_devices", "made_at")
    readonly_fields = fields
    ordering = ("-created_at",)
    list_before_template = "sites/vapid_keys_intro.html"
    change_form_outer_after_template = "sites/vapid_key_retire.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[VapidKey]:
        queryset = super().get_queryset(request).defer("private_key")
        return queryset.annotate(active_device_count=Count("devices", filter=Q(devices__status=ACTIVE)))

    @unfold_display(description="State", label={"current": "success", "draining": "warning", "retired": ""})
    def shown_state(self, key: VapidKey) -> tuple[str, str]:
        return key.state, key.get_state_display().split(":")[0]

    @display(description="Public key (base64url)")
    def public(self, key: VapidKey) -> str:
        return b64url(bytes(key.public_key))

    @display(description="Active devices")
    def active_devices(self, key: VapidKey) -> str:
        return f"{key.active_device_count:,}"

    @display(description="Made", ordering="created_at")
    def made_at(self, key: VapidKey) -> str | None:
        return when(key.created_at)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [path("<path:object_id>/retire/", view(self.retire), name="sites_vapidkey_retire")]
        return [*own, *super().get_urls()]

    def add_page(self, request: HttpRequest, site: Site) -> HttpResponse:
        """A key has nothing to fill in: ask first (GET), then generate it (POST)."""
        if request.method == "POST":
            key = vapid_keys.generate(site)
            self.log_addition(request, key, "Generated")
            messages.success(request, "The new key is current. The key before it keeps signing for its devices.")
            return HttpResponseRedirect(reverse("admin:sites_vapidkey_changelist"))
        current = VapidKey.objects.filter(site=site, state=VapidKey.State.CURRENT).defer("private_key").first()
        return self.page(
            request, "sites/vapid_key_generate.html", title="Generate a VAPID key", site=site, current=current
        )

    def retire(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.object_for(request, object_id, Right.ADMINISTER)
        if request.method == "POST":
            try:
                if vapid_keys.retire(key.pk):
                    self.log_change(request, key, "Retired")
                    messages.success(request, "The key is retired: it signs nothing any more.")
            except vapid_keys.KeyInUse as error:
                messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:sites_vapidkey_change", args=[key.pk]))
