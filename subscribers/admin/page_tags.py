"""The tags that a Site's pages may set on a browser."""

from django.contrib import admin

from pushplatform.sites.admin.scope import SiteScopedAdmin
from subscribers.models import PageTag


@admin.register(PageTag)
class PageTagAdmin(SiteScopedAdmin):
    can_change = False
    list_display = ("tag",)
    search_fields = ("tag",)
    ordering = ("tag",)
    fields = ("tag",)
    list_before_template = "subscribers/page_tags_intro.html"
