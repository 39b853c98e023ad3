from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value


class Device(models.Model):
    """One browser installation on one Site. Narrow, because segments scan it; keys and endpoint are in Subscription."""

    class Status(models.IntegerChoices):
        ACTIVE = 1, "Active"
        UNSUBSCRIBED = 2, "Unsubscribed by the person"
        GONE = 3, "Gone: its push service no longer knows it"
        REPLACED = 4, "Replaced by a newer registration of the same browser"
        ERASED = 5, "Erased"

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="devices", db_index=False)
    contact = models.ForeignKey("subscribers.Contact", models.SET_NULL, null=True, blank=True, related_name="devices")
    # The rule of consent worked out: bit n is set when this device may be sent to for the purpose with bit n.
    allowed = models.BigIntegerField(default=0, editable=False)
    status = models.PositiveSmallIntegerField(choices=Status, default=Status.ACTIVE)
    service = models.PositiveSmallIntegerField(help_text="The push service, as in webpush.request.PushService.")
    vapid_key = models.ForeignKey("sites.VapidKey", models.PROTECT, related_name="devices", db_index=False)
    browser = models.CharField(max_length=32, blank=True)
    browser_version = models.CharField(max_length=16, blank=True)
    os = models.CharField(max_length=32, blank=True, verbose_name="system")
    form = models.CharField(max_length=16, blank=True, help_text="desktop, mobile or tablet")
    language = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="Guessed from the time zone.")
    subscribed_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    logout_at = models.DateTimeField(null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)

    class Meta:
        db_table = "device"  # fillfactor 85, set by the migration: `allowed` and `last_seen_at` change in place
        indexes = [models.Index(fields=["site", "last_seen_at"], name="device_last_seen")]  # read by segments, admin

    def __str__(self) -> str:
        return f"{self.browser or 'Browser'} on {self.os or 'unknown system'}"


class Subscription(models.Model):
    """The current push subscription of a Device (Push API `PushSubscription`); the row goes when the device does.

    The endpoint is a capability URL (RFC 8030 §8.3): whoever has it can send. Never in logs or pages. It and the keys
    are emptied when the device is gone or unsubscribed; the hashes stay, by which the installation is known again.
    """

    device = models.OneToOneField(Device, models.CASCADE, primary_key=True, related_name="subscription")
    site = models.ForeignKey("sites.Site", models.CASCADE, db_index=False)
    endpoint = models.TextField()
    endpoint_hash = models.BinaryField(help_text="SHA-256 of the endpoint.")
    p256dh = models.BinaryField()
    auth = models.BinaryField()
    secret_hash = models.BinaryField(help_text="SHA-256 of the device's secret.")
    page = models.TextField(blank=True, help_text="Path of the page where it subscribed.")
    identity_issued_at = models.BigIntegerField(
        null=True, help_text="Unix seconds of the newest identity taken: after logout it is not taken again."
    )

    class Meta:
        db_table = "subscription"
        constraints = [models.UniqueConstraint(fields=["site", "endpoint_hash"], name="subscription_once")]

    def __str__(self) -> str:
        return f"Subscription of device {self.device_id}"


class PageTag(models.Model):
    """A tag that the Site's pages may set on a device: what a browser says is no more than a wish."""

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="page_tags")
    tag = models.CharField(max_length=64)

    class Meta:
        db_table = "page_tag"
        verbose_name = "tag of pages"
        verbose_name_plural = "tags of pages"
        constraints = [models.UniqueConstraint(fields=["site", "tag"], name="page_tag_once")]

    def __str__(self) -> str:
        return self.tag


def _newest_ten() -> ArrayField:
    return ArrayField(models.IntegerField(), default=list)


class DeviceStats(models.Model):
    """Per-device sums and the newest ten times (Unix seconds, newest first): "at least k within T" is one look."""

    device_id = models.BigIntegerField(primary_key=True)
    last_sent_at = models.DateTimeField(null=True)
    last_received_at = models.DateTimeField(null=True)
    last_shown_at = models.DateTimeField(null=True)
    last_clicked_at = models.DateTimeField(null=True)
    last_closed_at = models.DateTimeField(null=True)
    sent = models.IntegerField(default=0)
    received = models.IntegerField(default=0)
    shown = models.IntegerField(default=0)
    clicked = models.IntegerField(default=0)
    closed = models.IntegerField(default=0, db_default=0)
    recent_sent = _newest_ten()
    recent_received = _newest_ten()
    recent_shown = _newest_ten()
    recent_clicked = _newest_ten()
    recent_closed = ArrayField(
        models.IntegerField(), default=list, db_default=Value([], ArrayField(models.IntegerField()))
    )

    class Meta:
        db_table = "device_stats"

    def __str__(self) -> str:
        return f"Statistics of device {self.device_id}"
