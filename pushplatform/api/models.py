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


class RequestLine(models.Model):
    """One call of the API in the request log, kept REQUEST_LOG_DAYS. Without foreign keys: it outlives what it names.

    `route` is the pattern of the address, never the address; `items`: recipients, or what else a batch carried.
    """

    at = models.DateTimeField()
    request_id = models.CharField(max_length=64)
    site_id = models.BigIntegerField(null=True)
    client_id = models.BigIntegerField(null=True)
    key_prefix = models.CharField("key", max_length=16, blank=True)
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=100, blank=True)
    status = models.PositiveSmallIntegerField()
    ms = models.PositiveIntegerField("milliseconds")
    items = models.PositiveIntegerField("recipients", default=0)

    class Meta:
        db_table = "request_line"
        verbose_name = "API request"
        indexes = [
            models.Index(fields=["site_id", "-at"], name="request_line_site"),  # read by the admin's list
            models.Index(fields=["at"], name="request_line_age"),  # read by the clean-up
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.status}"


class RateBucket(models.Model):
    """What is left of an API key's limit, where PostgreSQL keeps it. An unlogged table: after a crash all are full."""

    key_id = models.BigIntegerField(primary_key=True)
    left_over = models.FloatField()
    passed = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        db_table = "rate_bucket"

    def __str__(self) -> str:
        return f"{self.left_over} units of key {self.key_id}"
