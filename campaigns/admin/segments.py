from django.contrib import admin

from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteScopedAdmin
from subscribers.models import Segment


@admin.register(Segment)
class SegmentAdmin(SiteScopedAdmin):
    changes = Right.COMPOSE
    list_display = ("name",)
