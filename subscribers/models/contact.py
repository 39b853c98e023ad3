from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now


class Contact(models.Model):
    """A person the CRM knows."""

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="contacts")
    external_id = models.CharField(max_length=255, db_collation="C", verbose_name="CRM id")
    attributes = models.JSONField(default=dict, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    owner = models.CharField(max_length=255, blank=True, help_text="The id of the sales person in charge.")
    language = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "contact"
        constraints = [models.UniqueConstraint(fields=["site", "external_id"], name="contact_once")]
        indexes = [
            # Read by segments: `attributes @> {"plan": "pro"}` and `tags @> {vip}`.
            GinIndex(fields=["attributes"], name="contact_attributes", opclasses=["jsonb_path_ops"]),
            GinIndex(fields=["tags"], name="contact_tags"),
            models.Index(fields=["site", "updated_at", "id"], name="contact_updated"),  # read by GET /contacts
        ]

    def __str__(self) -> str:
        return self.external_id


class ErasedContact(models.Model):
    """Remembers an erased CRM id by its HMAC, so that it does not come back unasked."""

    pk = models.CompositePrimaryKey("site_id", "external_id_hmac")
    site = models.ForeignKey("sites.Site", models.CASCADE)
    external_id_hmac = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        db_table = "erased_contact"

    def __str__(self) -> str:
        return f"Erased {self.at}"


class MergedContact(models.Model):
    """A CRM id whose contact was merged into another: what was sent and decided under it is that person's."""

    site = models.ForeignKey("sites.Site", models.CASCADE)
    external_id = models.CharField(max_length=255, db_collation="C")
    merged_id = models.BigIntegerField(help_text="The id that the contact had; lines of the ledger keep it.")
    into = models.ForeignKey(Contact, models.CASCADE, related_name="merged")
    at = models.DateTimeField()

    class Meta:
        db_table = "merged_contact"
        constraints = [models.UniqueConstraint(fields=["site", "external_id"], name="merged_contact_once")]

    def __str__(self) -> str:
        return f"Merged {self.at}"


class ContactList(models.Model):
    """An uploaded list of CRM ids. `unknown`: ids in the upload that no contact had."""

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="contact_lists")
    name = models.CharField(max_length=100)
    members = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "contact_list"
        verbose_name = "uploaded list"

    def __str__(self) -> str:
        return self.name


class ContactListMember(models.Model):
    pk = models.CompositePrimaryKey("list_id", "contact_id")
    list = models.ForeignKey(ContactList, models.CASCADE, db_index=False)
    contact = models.ForeignKey(Contact, models.CASCADE)

    class Meta:
        db_table = "contact_list_member"

    def __str__(self) -> str:
        return f"{self.contact_id} in {self.list_id}"
