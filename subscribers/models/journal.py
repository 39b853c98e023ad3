from django.db import models


class JournalLine(models.Model):
    """A line of the privacy journal that waits to be written to its file; see `subscribers/journal.py`."""

    line = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        db_table = "journal_line"

    def __str__(self) -> str:
        return f"Journal line of {self.made_at}"
