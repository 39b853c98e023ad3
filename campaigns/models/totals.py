"""Counters. They change in the transaction that inserts the facts, by what was really inserted; pages read only these.

Each has `slot`s, so that processes do not wait for one another's row; a figure is the sum over its slots.
"""

from django.db import models


class Counts(models.Model):
    accepted = models.BigIntegerField(db_default=0, default=0)
    failed = models.BigIntegerField(db_default=0, default=0)
    gone = models.BigIntegerField(db_default=0, default=0)
    expired = models.BigIntegerField(db_default=0, default=0)
    skipped = models.BigIntegerField(db_default=0, default=0)
    cancelled = models.BigIntegerField(db_default=0, default=0)
    received = models.BigIntegerField(db_default=0, default=0)
    shown = models.BigIntegerField(db_default=0, default=0)
    clicked = models.BigIntegerField(db_default=0, default=0)
    closed = models.BigIntegerField(db_default=0, default=0)
    converted = models.BigIntegerField(db_default=0, default=0)

    class Meta:
        abstract = True


class MessageTotal(Counts):
    pk = models.CompositePrimaryKey("message_id", "slot")
    message_id = models.BigIntegerField()
    slot = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "message_total"

    def __str__(self) -> str:
        return f"Totals of {self.message_id}"


class CampaignTotal(Counts):
    pk = models.CompositePrimaryKey("campaign_id", "slot")
    campaign_id = models.BigIntegerField()
    slot = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "campaign_total"

    def __str__(self) -> str:
        return f"Totals of {self.campaign_id}"


class CampaignMinute(Counts):
    pk = models.CompositePrimaryKey("campaign_id", "minute", "slot")
    campaign_id = models.BigIntegerField()
    minute = models.DateTimeField()
    slot = models.PositiveSmallIntegerField()

    class Meta:
        db_table = "campaign_minute"

    def __str__(self) -> str:
        return f"{self.minute}"


class SiteDay(Counts):
    pk = models.CompositePrimaryKey("site_id", "day")
    site_id = models.BigIntegerField()
    day = models.DateField()
    subscribed = models.BigIntegerField(db_default=0, default=0)
    unsubscribed = models.BigIntegerField(db_default=0, default=0)

    class Meta:
        db_table = "site_day"

    def __str__(self) -> str:
        return f"{self.day}"


class Breakdown(Counts):
    pk = models.CompositePrimaryKey("campaign_id", "dimension", "value")
    campaign_id = models.BigIntegerField()
    dimension = models.CharField(max_length=16)  # browser, os, language, service, button
    value = models.CharField(max_length=64)

    class Meta:
        db_table = "breakdown"

    def __str__(self) -> str:
        return f"{self.dimension} {self.value}"
