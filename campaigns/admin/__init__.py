from django.contrib import admin

from campaigns.admin import campaigns, contacts, segment_lists, segments

__all__ = ["campaigns", "contacts", "segment_lists", "segments"]

admin.site.index_template = "campaigns/home.html"
