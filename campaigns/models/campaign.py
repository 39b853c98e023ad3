from django.conf import settings
from django.db import models


class Campaign(models.Model):
    """A marketer's plan: segments, content, schedule, options."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        SCHEDULED = "scheduled", "Scheduled"
        SENDING = "sending", "Sending"
        PAUSED = "paused", "Paused"
        SENT = "sent", "Sent"
        CANCELLED = "cancelled", "Cancelled"

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT)
    purpose = models.ForeignKey("subscribers.Purpose", models.PROTECT)
    content = models.JSONField(default=dict)  # title, body, url, icon, image, actions …: Liquid templates
    options = models.JSONField(default=dict)  # devices, ttl | expires_at, urgency, collapse_key
    audience = models.JSONField(default=dict)  # what was counted when it was launched: the waterfall
    send_at = models.DateTimeField(null=True, blank=True, help_text="When to launch it; empty is by hand.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    launched_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    segments = models.ManyToManyField("subscribers.Segment", through="campaigns.CampaignSegment")

    class Meta:
        db_table = "campaign"
        indexes = [
            # Read by the sweep: scheduled campaigns that are due.
            models.Index(fields=["send_at"], condition=models.Q(status="scheduled"), name="campaign_due")
        ]

    def __str__(self) -> str:
        return self.name


class CampaignSegment(models.Model):
    """A segment that a campaign includes or excludes; PROTECT says where a segment is used."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="campaign_segments")
    segment = models.ForeignKey("subscribers.Segment", models.PROTECT, related_name="used_by")
    excluded = models.BooleanField(default=False)

    class Meta:
        db_table = "campaign_segment"
        constraints = [models.UniqueConstraint(fields=["campaign", "segment"], name="campaign_segment_once")]

    def __str__(self) -> str:
        return f"{'without' if self.excluded else 'with'} {self.segment}"
