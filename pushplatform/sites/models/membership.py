from django.conf import settings
from django.db import models


class Membership(models.Model):
    """A staff user's role on one Site; no staff user sees another Site."""

    class Role(models.TextChoices):
        ANALYST = "analyst", "Analyst: sees statistics, changes nothing"
        MARKETER = "marketer", "Marketer: segments and campaigns"
        ADMINISTRATOR = "administrator", "Administrator: also keys, consents and members"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        db_table = "membership"
        constraints = [models.UniqueConstraint(fields=["user", "site"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} on {self.site}"
