from typing import Any

from django.db import models
from django.db.models import Func
from django.db.models.functions import Now

from campaigns.models.batch import Lane


class Message(models.Model):
    """One act of sending with frozen content, options and audience. Both entrances make one.

    `id` is time-ordered: (milliseconds since 2025-01-01) << 20 | (sequence mod 2^20).
    """

    class Status(models.IntegerChoices):
        SCHEDULED = 0, "Scheduled"
        FREEZING = 1, "Working out the audience, sending already"
        SENDING = 2, "Sending"
        PAUSED = 3, "Paused"
        FINISHED = 4, "Finished"
        CANCELLED = 5, "Cancelled"
        EXPIRED = 6, "Expired before it was sent"

    id = models.BigIntegerField(primary_key=True, db_default=Func(function="next_message_id"))
    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="messages")
    campaign = models.ForeignKey("campaigns.Campaign", models.CASCADE, null=True, related_name="messages")
    client = models.ForeignKey("sites.ApiClient", models.SET_NULL, null=True, related_name="messages")
    # An API call whose texts are a campaign's; it is no launch of it, and counts in none of its figures.
    content_from = models.ForeignKey(
        "campaigns.Campaign", models.SET_NULL, null=True, related_name="messages_with_its_content"
    )
    correlation_id = models.CharField(max_length=255, blank=True)
    purpose = models.ForeignKey("subscribers.Purpose", models.PROTECT)
    content = models.JSONField()
    options = models.JSONField(default=dict)  # urgency, devices, collapse_key
    topic = models.CharField(max_length=32, null=True)  # RFC 8030 §5.4; with a collapse key only
    status = models.PositiveSmallIntegerField(choices=Status)
    audience = models.JSONField(default=dict)
    freeze_cursor = models.BigIntegerField(default=0)  # the audience is frozen up to this device id …
    freeze_end = models.BigIntegerField(default=0)  # … and complete at this one
    targeted = models.BigIntegerField(default=0)
    figures = models.JSONField(default=dict)  # people and failures of a large message, as last worked out
    recipients_queued = models.IntegerField(default=0)
    recipients_skipped = models.IntegerField(default=0)
    send_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ref_secret = models.BinaryField(null=True)  # pseudonyms of unmeasured devices; deleted at expiry
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())  # of the status; kept by a trigger

    class Meta:
        db_table = "message"
        indexes = [
            # Read by the sweep: what has not come to its end; a cancelled one ends when its batches are closed.
            models.Index(fields=["send_at"], condition=models.Q(finished_at=None), name="message_unfinished"),
            models.Index(fields=["site", "correlation_id"], name="message_correlation"),  # GET /messages?correlation_id
            models.Index(fields=["site", "updated_at", "id"], name="message_updates"),  # GET /messages
        ]

    def __str__(self) -> str:
        return f"Message of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def lane(self) -> Any:
        """An audience of segments goes with the campaigns, whoever asked for it."""
        return Lane.CAMPAIGN if self.campaign_id is not None or self.audience else Lane.TARGETED


class Recipient(models.Model):
    """One recipient of an API call. Partitioned by message id, without foreign keys."""

    class Status(models.IntegerChoices):
        QUEUED = 1, "Queued"
        SKIPPED = 2, "Skipped"

    pk = models.CompositePrimaryKey("message_id", "no")
    message_id = models.BigIntegerField()
    no = models.IntegerField()
    external_id = models.CharField(max_length=255, null=True)
    device_id = models.BigIntegerField(null=True)
    contact_id = models.BigIntegerField(null=True)
    params = models.JSONField(default=dict)
    rule = models.JSONField(null=True)  # its own device rule, where it has one
    status = models.PositiveSmallIntegerField(choices=Status)
    reason = models.PositiveSmallIntegerField(null=True)
    devices = models.IntegerField(default=0)

    class Meta:
        db_table = "recipient"
        indexes = [
            # Read by erasure and export of a person.
            models.Index(fields=["external_id"], condition=models.Q(external_id__isnull=False), name="recipient_who"),
            models.Index(fields=["device_id"], condition=models.Q(device_id__isnull=False), name="recipient_device"),
        ]

    def __str__(self) -> str:
        return f"Recipient {self.no}"
