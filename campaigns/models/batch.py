from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Lane(models.IntegerChoices):
    """A Batch's Celery queue: targeted sends never wait behind a campaign."""

    TARGETED = 1, "targeted"
    CAMPAIGN = 2, "campaign"


class Batch(models.Model):
    """A slice of a Message's frozen audience for one push service and one VAPID key; the unit of work and of lease.

    The arrays are parallel and ordered by device id; 0 stands for no contact. `lease` is the fencing token.
    """

    class State(models.IntegerChoices):
        READY = 0, "Ready"
        LEASED = 1, "Leased"
        DONE = 2, "Done"

    message = models.ForeignKey("campaigns.Message", models.CASCADE, related_name="batches")
    service = models.PositiveSmallIntegerField()
    vapid_key_id = models.BigIntegerField()
    lane = models.PositiveSmallIntegerField(choices=Lane)
    device_ids = ArrayField(models.BigIntegerField())
    contact_ids = ArrayField(models.BigIntegerField())
    recipient_nos = ArrayField(models.IntegerField(), null=True)
    n = models.IntegerField()
    attempt = models.PositiveSmallIntegerField(default=1, db_default=1)
    throttled = models.PositiveSmallIntegerField(default=0, db_default=0)  # attempts before that were only put off
    unanswered = models.PositiveSmallIntegerField(default=0, db_default=0)  # attempts before that had no answer
    state = models.PositiveSmallIntegerField(choices=State, default=State.READY, db_default=0)
    lease = models.IntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=64, blank=True, db_default="")
    not_before = models.DateTimeField(db_default=models.functions.Now())
    expires_at = models.DateTimeField()
    rolled_up = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "batch"  # fillfactor 50, set by the migration: leases are renewed in place
        indexes = [
            models.Index(fields=["not_before", "id"], condition=Q(state=0), name="batch_ready"),  # the sweep
            models.Index(fields=["lease_until"], condition=Q(state=1), name="batch_leased"),  # the sweep
            models.Index(fields=["id"], condition=Q(state=2, rolled_up=False), name="batch_to_roll_up"),  # the roll-up
        ]

    def __str__(self) -> str:
        return f"Batch {self.pk}"


class Retry(models.Model):
    """A delivery to be tried again, at `not_before`; the sweep moves due rows into new Batches."""

    pk = models.CompositePrimaryKey("message_id", "device_id")
    message_id = models.BigIntegerField()
    device_id = models.BigIntegerField()
    contact_id = models.BigIntegerField()
    recipient_no = models.IntegerField(null=True)
    lane = models.PositiveSmallIntegerField(choices=Lane)
    service = models.PositiveSmallIntegerField()
    vapid_key_id = models.BigIntegerField()
    attempt = models.PositiveSmallIntegerField()
    throttled = models.PositiveSmallIntegerField(default=0, db_default=0)  # how many of them were only put off
    unanswered = models.PositiveSmallIntegerField(default=0, db_default=0)  # how many of them had no answer
    not_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    http_code = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "retry"
        indexes = [models.Index(fields=["not_before"], name="retry_due")]  # read by the sweep

    def __str__(self) -> str:
        return f"Retry {self.attempt}"
