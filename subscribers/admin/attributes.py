"""The Site's catalogue of contact attributes: what segments can ask for."""

from django.contrib import admin
from django.http import HttpRequest

from pushplatform.sites.admin.scope import SiteScopedAdmin
from subscribers.models import Attribute


@admin.register(Attribute)
class AttributeAdmin(SiteScopedAdmin):
    can_delete = False
    list_display = ("key", "title", "type", "filterable", "locked")
    search_fields = ("key", "title")
    ordering = ("key",)
    fields = ("key", "title", "type", "filterable", "locked")
    list_before_template = "subscribers/attributes_intro.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Attribute | None = None) -> tuple[str, ...]:
        return ("key", "type") if obj else ()
