from django.db import models


class Idempotency(models.Model):
    """The stored answer to a request of an API client, by its Idempotency-Key; unique per Site, kept 30 days."""

    site = models.ForeignKey("sites.Site", models.CASCADE)
    key = models.CharField(max_length=255)
    body_hash = models.BinaryField()
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "idempotency"
        constraints = [models.UniqueConstraint(fields=["site", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]  # read by the clean-up

    def __str__(self) -> str:
        return f"Answer {self.status}"
