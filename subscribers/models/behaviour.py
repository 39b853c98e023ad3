from django.db import models


class Behaviour(models.Model):
    """What a person did, as the CRM or the page reports it. Partitioned by month of `occurred_at`."""

    pk = models.CompositePrimaryKey("occurred_at", "site_id", "key")
    site_id = models.BigIntegerField()
    contact_id = models.BigIntegerField(null=True)
    device_id = models.BigIntegerField(null=True)
    name = models.CharField(max_length=64)
    properties = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    key = models.CharField(max_length=255)

    class Meta:
        db_table = "behaviour"
        indexes = [
            models.Index(fields=["site_id", "key"], name="behaviour_key"),  # POST /events: once for each id
            models.Index(fields=["site_id", "name", "occurred_at"], name="behaviour_name"),  # segments: who did it
            # Read by erasure and export.
            models.Index(fields=["contact_id"], condition=models.Q(contact_id__isnull=False), name="behaviour_contact"),
            models.Index(fields=["device_id"], condition=models.Q(device_id__isnull=False), name="behaviour_device"),
        ]

    def __str__(self) -> str:
        return self.name


class Attribute(models.Model):
    """An entry of the Site's typed catalogue of contact attributes, discovered on first use."""

    class Type(models.TextChoices):
        STRING = "string", "Text"
        NUMBER = "number", "Number"
        BOOLEAN = "boolean", "Yes or no"
        DATE = "date", "Date"
        STRINGS = "strings", "List of texts"

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="attributes")
    key = models.CharField(max_length=64)
    type = models.CharField(max_length=8, choices=Type)
    title = models.CharField(max_length=100, blank=True)
    locked = models.BooleanField(default=False, help_text="Its type stays what it is.")
    filterable = models.BooleanField(default=False)

    class Meta:
        db_table = "attribute"
        constraints = [models.UniqueConstraint(fields=["site", "key"], name="attribute_once")]

    def __str__(self) -> str:
        return self.title or self.key


class AttributeLock(models.Model):
    """While it stands, the Site's catalogue takes no new attributes."""

    site = models.OneToOneField("sites.Site", models.CASCADE, primary_key=True, related_name="attribute_lock")
    locked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "attribute_lock"

    def __str__(self) -> str:
        return f"Locked {self.locked_at}"
