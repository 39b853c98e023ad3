from django.db import models


class AnswerSample(models.Model):
    """One kind of bad answer that push services gave to a Message: its first text, and how many there were.

    `http_code` 0 and `error`, a code of ERRORS, where there was no answer. `body` and `headers` hold nothing of an
    endpoint.
    """

    message_id = models.BigIntegerField()
    service = models.PositiveSmallIntegerField()
    http_code = models.PositiveSmallIntegerField()
    reason = models.PositiveSmallIntegerField()
    error = models.CharField(max_length=32, blank=True, default="")
    number = models.BigIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "answer_sample"
        constraints = [  # read by the flush and by the campaign's page
            models.UniqueConstraint(
                fields=["message_id", "service", "http_code", "reason", "error"], name="answer_sample_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} × {self.http_code or self.error}"
