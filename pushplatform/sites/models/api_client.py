from django.contrib.postgres.fields import ArrayField
from django.db import models


class Scope(models.TextChoices):
    """What an ApiClient may do (api.md §1)."""

    MESSAGES_SEND = "messages:send", "Send messages"
    MESSAGES_READ = "messages:read", "Read its own messages"
    MESSAGES_READ_ALL = "messages:read_all", "Read all messages"
    CONTACTS_READ = "contacts:read", "Read contacts"
    CONTACTS_WRITE = "contacts:write", "Write contacts"
    CONTACTS_ERASE = "contacts:erase", "Erase contacts"
    CONSENTS_WRITE = "consents:write", "Write consents"
    EVENTS_WRITE = "events:write", "Write events"
    SEGMENTS_READ = "segments:read", "Read segments"
    SEGMENTS_WRITE = "segments:write", "Write segments"
    CAMPAIGNS_READ = "campaigns:read", "Read campaigns"
    CAMPAIGNS_LAUNCH = "campaigns:launch", "Launch campaigns"
    WEBHOOKS = "webhooks", "Manage webhooks"


class ApiClient(models.Model):
    """A CRM at one Site with its scopes. Messages belong to the client, so that its keys can be rotated."""

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="api_clients")
    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope), default=list)

    class Meta:
        db_table = "api_client"
        verbose_name = "API client"

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """One key of an ApiClient: its prefix is shown, its secret is hashed and shown once, when it is made."""

    client = models.ForeignKey(ApiClient, models.CASCADE, related_name="keys")
    prefix = models.CharField(max_length=16, unique=True)
    secret_hash = models.BinaryField(help_text="SHA-256 of the secret, which is 32 random octets.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # cidr[] in the database: Django has no field for it, text with a check at the edge serves.
    allowed_addresses = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    per_minute = models.PositiveIntegerField(null=True, blank=True)  # units; None: API_UNITS_PER_MINUTE
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_on = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "api_key"
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}…"
