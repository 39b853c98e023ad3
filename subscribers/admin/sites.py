"""A new Site comes with what every Site needs: its two purposes, and a key to subscribe with."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest

from pushplatform.sites import vapid_keys
from pushplatform.sites.admin.sites import SiteAdmin
from pushplatform.sites.models import Site
from subscribers import purposes


@admin.register(Site)
class FullSiteAdmin(SiteAdmin):
    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            purposes.add_site_defaults(obj)
            vapid_keys.generate(obj)
