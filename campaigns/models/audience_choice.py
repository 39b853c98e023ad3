from django.contrib.postgres.fields import ArrayField
from django.db import models


class AudienceChoice(models.Model):
    """The devices chosen once for a Message whose device rule looks at a person's devices together, in order of id.

    The steps of freezing slice it; it goes when the audience is frozen.
    """

    message_id = models.BigIntegerField(primary_key=True)
    device_ids = ArrayField(models.BigIntegerField())

    class Meta:
        db_table = "audience_choice"

    def __str__(self) -> str:
        return f"Devices chosen for {self.message_id}"
