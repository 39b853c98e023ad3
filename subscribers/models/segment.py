from django.db import models


class Segment(models.Model):
    """A saved rule over devices and their contacts (api.md, "Segment definition")."""

    site = models.ForeignKey("sites.Site", models.CASCADE, related_name="segments")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    definition = models.JSONField(default=dict)
    archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "segment"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
