"""A Site's set-up. Its secrets are never shown; a new identity secret is shown once."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.admin import display
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from pushplatform.sites.access import Right, is_superuser
from pushplatform.sites.admin.fields import LinesField
from pushplatform.sites.admin.scope import SiteForm, SiteScopedAdmin
from pushplatform.sites.models import Site
from pushplatform.sites.models.site import check_origin, new_secret
from pushplatform.sites.public_ids import encode

PROMPT_TEXTS = {
    "title": ("Title", "May we tell you when something is worth it?"),
    "body": ("Sentence", "A few messages a month, and you can stop them at any time."),
    "yes": ("Yes button", "Yes, please"),
    "no": ("No button", "No, thanks"),
}


class SiteSetUpForm(SiteForm):
    origins = LinesField(
        check=check_origin, help_text="One a line, like https://shop.example. Only their pages may use the browser API."
    )
    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in sorted(available_timezones())],
        widget=UnfoldAdminSelect2Widget,
        help_text="Schedules and statistics of this site are told in it.",
    )
    home_url = forms.URLField(
        label="Home address",
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget,
        help_text="Where a click leads when a notification has no address.",
    )
    icon_url = forms.URLField(
        label="Icon address",
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget,
        help_text="The picture of notifications that bring none.",
    )
    prompt_title = forms.CharField(label="Title", required=False, max_length=80, widget=UnfoldAdminTextInputWidget)
    prompt_body = forms.CharField(
        label="Sentence", required=False, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 2})
    )
    prompt_yes = forms.CharField(label="Yes button", required=False, max_length=30, widget=UnfoldAdminTextInputWidget)
    prompt_no = forms.CharField(label="No button", required=False, max_length=30, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Site
        fields = (
            "name",
            "origins",
            "time_zone",
            "default_language",
            "vapid_subject",
            "home_url",
            "icon_url",
            "measurement",
            "per_minute",
        )
        widgets = {"measurement": UnfoldAdminRadioSelectWidget}
        labels = {
            "vapid_subject": "Contact for push services",
            "measurement": "Receipts",
            "per_minute": "Messages a minute, at most",
        }
        help_texts = {
            "per_minute": "For all campaigns and API sends of the site together, whatever the push services allow; API "
            "sends go first. Empty: as fast as they take it."
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for key, (_, example) in PROMPT_TEXTS.items():
            field = self.fields.get(f"prompt_{key}")
            if field is not None:
                field.initial = self.instance.prompt.get(key, "")
                field.widget.attrs["placeholder"] = example

    def save(self, commit: bool = True) -> Site:
        texts = {key: self.cleaned_data.get(f"prompt_{key}", "").strip() for key in PROMPT_TEXTS}
        kept = {key: value for key, value in self.instance.prompt.items() if key not in PROMPT_TEXTS}
        self.instance.prompt = kept | {key: text for key, text in texts.items() if text}
        return super().save(commit)


def _install(site: Site) -> dict[str, str]:
    """The two lines that a Site puts on its own pages."""
    base = f"{settings.BASE_URL}{settings.STATIC_URL}push/"
    return {
        "page": f'<script src="{base}sdk.js" data-site="{encode("site", site.pk)}" async></script>',
        "worker": f'importScripts("{base}sw.js");',
    }


class SiteAdmin(SiteScopedAdmin):
    site_lookup = ""
    can_delete = False
    form = SiteSetUpForm
    list_display = ("name", "shown_origins", "time_zone", "public_id")
    search_fields = ("name",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": ("name", "origins", "public_id", "time_zone", "default_language")}),
        ("Notifications", {"fields": ("vapid_subject", "home_url", "icon_url")}),
        ("The card that asks", {"fields": ("prompt_title", "prompt_body", "prompt_yes", "prompt_no")}),
        ("Measurement", {"fields": ("measurement",)}),
        ("Ceiling", {"fields": ("per_minute",)}),
    )
    add_fieldsets = fieldsets
    change_form_after_template = "sites/site_secrets.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request.user)

    @display(description="Origins")
    def shown_origins(self, site: Site) -> str:
        return ", ".join(site.origins)

    @display(description="Site id", empty_value="given when it is saved")
    def public_id(self, site: Site) -> str | None:
        return encode("site", site.pk) if site.pk else None

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/identity-secret/",
            self.admin_site.admin_view(self.new_identity_secret),
            name="sites_site_identity_secret",
        )
        return [own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        site = self.get_object(request, object_id)
        extra = {"install": _install(site)} if site else {}
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def new_identity_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first (GET), then make it and show it this once (POST). The old one stops working at once."""
        site = self.object_for(request, object_id, Right.ADMINISTER)
        secret = None
        if request.method == "POST":
            site.identity_secret = new_secret()
            site.save(update_fields=["identity_secret"])
            self.log_change(request, site, "Made a new identity secret")
            secret = site.identity_secret.decode()
        return self.page(
            request, "sites/identity_secret.html", title="New identity secret", obj=site, site=site, secret=secret
        )
