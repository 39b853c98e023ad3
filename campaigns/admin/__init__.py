from django.contrib import admin

from campaigns.admin import campaigns, contacts, segments

__all__ = ["campaigns", "contacts", "segments"]

admin.site.index_template = "campaigns/home.html"
