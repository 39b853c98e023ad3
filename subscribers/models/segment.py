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


class SegmentSize(models.Model):
    """How large a segment was on a day (of its Site's time zone); `people`: an unlinked device counts as one."""

    pk = models.CompositePrimaryKey("segment_id", "day")
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="sizes", db_index=False)
    day = models.DateField()
    devices = models.IntegerField()
    people = models.IntegerField()

    class Meta:
        db_table = "segment_size"

    def __str__(self) -> str:
        return f"{self.devices} on {self.day}"
