import secrets
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from pushplatform.sites.secrets import EncryptedField
from pushplatform.webpush.vapid import check_subject


def new_secret() -> bytes:
    return secrets.token_urlsafe(32).encode()


def check_origin(value: str) -> None:

    parts = urlsplit(value)
    local = parts.hostname in ("localhost", "127.0.0.1") or (parts.hostname or "").endswith(".localhost")
    if not parts.hostname or value != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("https", "http"):
        raise ValidationError(f"{value} is not an origin: write it like https://shop.example, without a path.")
    if parts.scheme == "http" and not local:
        raise ValidationError(f"{value} must be https: browsers allow push on secure pages only.")


def check_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(f"{value} is not a time zone. Write it like Europe/Warsaw.")


def check_vapid_subject(value: str) -> None:
    try:
        check_subject(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class Site(models.Model):
    """A customer's web property, of one or more origins; the tenant: everything belongs to one Site."""

    class Measurement(models.IntegerChoices):
        ASK = 1, "Only of people who agreed to be measured"
        EVERYONE = 0, "Of everyone (the Site answers for it)"

    name = models.CharField(max_length=100)
    origins = ArrayField(
        models.CharField(max_length=255, validators=[check_origin]),
        help_text="Where its pages are, with commas between: https://shop.example. Only they may use the browser API.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    default_language = models.CharField(max_length=35, default="en")
    vapid_subject = models.CharField(
        max_length=255,
        validators=[check_vapid_subject],
        help_text="How push services reach you: mailto:you@shop.example. Apple refuses what is no real address.",
    )
    home_url = models.URLField(blank=True, help_text="Where a click leads when a notification has no address.")
    icon_url = models.URLField(blank=True, help_text="The picture of notifications that bring none.")
    identity_secret = EncryptedField(default=new_secret)
    receipt_secret = EncryptedField(default=new_secret)
    measurement = models.PositiveSmallIntegerField(
        choices=Measurement, default=Measurement.ASK, help_text="Whose receipts are tied to their device."
    )
    per_minute = models.PositiveIntegerField(
        "messages per minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The most that is sent in any minute; empty is as fast as the push services take it.",
    )
    prompt = models.JSONField(default=dict, blank=True, help_text="Texts of the card that asks: title, body, yes, no.")
    retention = models.JSONField(default=dict, blank=True, help_text="Days that facts are kept, by kind.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "site"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
