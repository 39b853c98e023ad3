from django.contrib import admin

from campaigns.models import Campaign
from pushplatform.sites.access import Right
from pushplatform.sites.admin.scope import SiteScopedAdmin


@admin.register(Campaign)
class CampaignAdmin(SiteScopedAdmin):
    changes = Right.COMPOSE
    list_display = ("name", "status")
