from django.db import models

from pushplatform.sites.secrets import EncryptedField


class PublicIdKey(models.Model):
    """The one AES key under which row numbers become public ids. Losing it changes every public id."""

    key = EncryptedField(help_text="16 octets.")

    class Meta:
        db_table = "public_id_key"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="public_id_key_only_one")]

    def __str__(self) -> str:
        return "The key of public ids"
