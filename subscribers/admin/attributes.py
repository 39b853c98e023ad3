"""The Site's catalogue of contact attributes: what CRMs may tell, and what segments can ask for."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from pushplatform.sites.access import Right, current_site, may
from pushplatform.sites.admin.scope import SiteForm, SiteScopedAdmin, site_for
from subscribers import attribute_types
from subscribers.attribute_types import KEY, MOST_STRAYS
from subscribers.models import Attribute


class AttributeForm(SiteForm):
    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if not KEY.fullmatch(key):
            raise ValidationError("1 to 64 of a-z, A-Z, 0-9 and _, not beginning with a digit.")
        return key

    def clean_type(self) -> str:
        """A type changes only to one that every value there is has already: nothing is converted."""
        type_: str = self.cleaned_data["type"]
        if self.instance.pk is not None and type_ != self.instance.type:
            strays = attribute_types.strays(self.instance, type_)
            if strays:
                many = f"{strays:,} or more" if strays == MOST_STRAYS else f"{strays:,}"
                raise ValidationError(
                    f"{many} contacts have a value that is no {Attribute.Type(type_).label.lower()}. "
                    "Let the CRM change or empty them first."
                )
        return type_


@admin.register(Attribute)
class AttributeAdmin(SiteScopedAdmin):
    can_delete = False
    form = AttributeForm
    list_display = ("key", "title", "type", "filterable", "locked")
    search_fields = ("key", "title")
    ordering = ("key",)
    fields = ("key", "title", "type", "filterable", "locked")
    list_before_template = "subscribers/attributes_intro.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Attribute | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("key", "type") if obj.locked else ("key",)

    def get_urls(self) -> list[URLPattern]:
        lock = self.admin_site.admin_view(require_POST(self.lock))
        return [path("lock/", lock, name="subscribers_attribute_lock"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        site = current_site(request)
        shown = {} if site is None else {
            "site_pk": site.pk,
            "catalogue_locked": attribute_types.catalogue_of(site).locked,
            "may_lock": may(request.user, Right.ADMINISTER, site),
        }  # fmt: skip
        return super().changelist_view(request, shown | (extra_context or {}))

    def lock(self, request: HttpRequest) -> HttpResponse:
        """Locks or unlocks the catalogue of the Site that the address names."""
        site = site_for(request, Right.ADMINISTER)
        locked = request.POST.get("locked") == "yes"
        attribute_types.lock(site, locked=locked)
        said = "New names are refused from now on." if locked else "New names become attributes from now on."
        messages.success(request, said)
        return HttpResponseRedirect(reverse("admin:subscribers_attribute_changelist"))
