from django.db import models


class Delivery(models.Model):
    """The outcome for one device of one Message, written once. Partitioned by message id, without foreign keys.

    `status` and `reason` are the numbers of webpush.outcome (`Outcome`, `REASONS`).
    """

    pk = models.CompositePrimaryKey("message_id", "device_id")
    message_id = models.BigIntegerField()
    device_id = models.BigIntegerField()
    contact_id = models.BigIntegerField(db_default=0)
    status = models.SmallIntegerField()
    reason = models.SmallIntegerField(null=True)
    service = models.SmallIntegerField()
    attempts = models.SmallIntegerField(db_default=1)
    http_code = models.SmallIntegerField(db_default=0)
    measured = models.BooleanField(db_default=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "delivery"

    def __str__(self) -> str:
        return f"Delivery to {self.device_id}"


class ReceiptKind(models.IntegerChoices):
    RECEIVED = 1, "received"
    SHOWN = 2, "shown"
    CLICKED = 3, "clicked"
    CLOSED = 4, "closed"
    CONVERTED = 5, "converted"


class Receipt(models.Model):
    """What the browser reported, the first report of each kind. Partitioned by message id, without foreign keys.

    `device_ref` is the device's id, or a negative per-message pseudonym where measurement was not agreed to.
    """

    pk = models.CompositePrimaryKey("message_id", "device_ref", "kind")
    message_id = models.BigIntegerField()
    device_ref = models.BigIntegerField()
    kind = models.SmallIntegerField(choices=ReceiptKind)
    action = models.CharField(max_length=64, null=True)
    at = models.DateTimeField()
    reported_at = models.DateTimeField()
    implied = models.BooleanField(db_default=False)

    class Meta:
        db_table = "receipt"

    def __str__(self) -> str:
        return self.get_kind_display()
