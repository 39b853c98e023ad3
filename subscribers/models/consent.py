from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models


class Scope(models.IntegerChoices):
    DEVICE = 1, "By the person, in this browser"
    CONTACT = 2, "Known to the CRM"


class Decision(models.IntegerChoices):
    """Ordered so that at a tie the greater one, withdrawn, wins."""

    GRANTED = 1, "Granted"
    WITHDRAWN = 2, "Withdrawn"


class Purpose(models.Model):
    """What consent is given for. Bit 0 is `personal_data`, bit 1 `measurement`, from 2 on the Site's own."""

    PERSONAL_DATA, MEASUREMENT = 0, 1

    class Kind(models.TextChoices):
        MARKETING = "marketing", "Marketing"
        SERVICE = "service", "Service"

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="purposes")
    bit = models.PositiveSmallIntegerField(validators=[MaxValueValidator(61)])
    key = models.SlugField(max_length=64, db_index=False)
    kind = models.CharField(max_length=9, choices=Kind)
    title = models.CharField(max_length=100)
    archived = models.BooleanField(default=False)

    class Meta:
        db_table = "purpose"
        constraints = [
            models.UniqueConstraint(fields=["site", "bit"], name="purpose_bit_once"),
            models.UniqueConstraint(fields=["site", "key"], name="purpose_key_once"),
            models.CheckConstraint(condition=models.Q(bit__lte=61), name="purpose_at_most_62"),
        ]

    def __str__(self) -> str:
        return self.title


class Wording(models.Model):
    """The exact text a person said yes or no to. Never changed: a new text is a new version."""

    purpose = models.ForeignKey(Purpose, models.PROTECT, related_name="wordings")
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=35)
    text = models.TextField()
    ends_older = models.BooleanField(default=False, help_text="Ends the yeses given to older versions.")
    from_crm = models.BooleanField(
        default=False, db_default=False, help_text="Recorded with a CRM's consent; browsers are never asked with it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "wording"
        constraints = [models.UniqueConstraint(fields=["purpose", "version", "language"], name="wording_once")]

    def __str__(self) -> str:
        return f"{self.purpose} v{self.version} ({self.language})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ValidationError("A wording is never changed: people said yes to it as it is. Add a new version.")
        super().save(*args, **kwargs)


class ConsentRecord(models.Model):
    """One line of the append-only ledger. Partitioned by month; triggers refuse UPDATE, DELETE and TRUNCATE.

    Holds surrogate ids only, so that erasing a person needs no change of it.
    """

    pk = models.CompositePrimaryKey("recorded_at", "id")
    recorded_at = models.DateTimeField()
    id = models.BigIntegerField(db_default=models.Func(models.Value("consent_record_id_seq"), function="nextval"))
    site_id = models.BigIntegerField()
    scope = models.PositiveSmallIntegerField(choices=Scope)
    subject_id = models.BigIntegerField(help_text="A device's or a contact's id, by scope.")
    purpose_id = models.BigIntegerField()
    decision = models.PositiveSmallIntegerField(choices=Decision)
    wording_id = models.BigIntegerField(null=True)
    channel = models.CharField(max_length=16, default="web_push")
    source = models.SlugField(max_length=64, db_index=False)
    page = models.TextField(blank=True, help_text="Origin of the page.")
    claimed_at = models.DateTimeField(help_text="When it was decided, as claimed.")
    evidence_hash = models.BinaryField(null=True)

    class Meta:
        db_table = "consent_record"

    def __str__(self) -> str:
        return f"{self.get_decision_display()} {self.recorded_at}"


class ConsentState(models.Model):
    """The newest decision per scope, subject and purpose; worked out from the ledger."""

    pk = models.CompositePrimaryKey("scope", "subject_id", "purpose_id")
    scope = models.PositiveSmallIntegerField(choices=Scope)
    subject_id = models.BigIntegerField()
    purpose_id = models.BigIntegerField()
    decision = models.PositiveSmallIntegerField(choices=Decision)
    wording_id = models.BigIntegerField(null=True)
    contact_id = models.BigIntegerField(null=True, help_text="Whom a personal_data yes first linked.")
    at = models.DateTimeField(help_text="The earlier of the time claimed and the time it arrived.")

    class Meta:
        db_table = "consent_state"
        indexes = [
            # Read by merging and erasing a person.
            models.Index(fields=["contact_id"], condition=models.Q(contact_id__isnull=False), name="consent_contact"),
            # Read by segments: who withdrew, who agreed since when.
            models.Index(fields=["purpose_id", "scope", "decision", "at", "subject_id"], name="consent_state_since"),
        ]

    def __str__(self) -> str:
        return self.get_decision_display()


class ConsentEvidence(models.Model):
    """What erasure may empty: path of the page, address, proof."""

    record_id = models.BigIntegerField(primary_key=True)
    body = models.JSONField(default=dict)

    class Meta:
        db_table = "consent_evidence"

    def __str__(self) -> str:
        return f"Evidence of {self.record_id}"
