from django.db import models
from django.db.models import Q

from pushplatform.sites.secrets import EncryptedField


class VapidKey(models.Model):
    """A P-256 key pair of a Site (RFC 8292). A subscription works only with the key it was made with."""

    class State(models.TextChoices):
        CURRENT = "current", "Current: new subscriptions are made with it"
        DRAINING = "draining", "Draining: still signs for the devices subscribed with it"
        RETIRED = "retired", "Retired: signs nothing"

    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="vapid_keys")
    public_key = models.BinaryField(unique=True, help_text="65 octets, uncompressed.")
    private_key = EncryptedField(help_text="32 octets; never shown.")
    state = models.CharField(max_length=8, choices=State, default=State.CURRENT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "vapid_key"
        verbose_name = "VAPID key"
        constraints = [
            models.UniqueConstraint(fields=["site"], condition=Q(state="current"), name="vapid_key_one_current")
        ]

    def __str__(self) -> str:
        return f"Key {self.pk} ({self.state})"
