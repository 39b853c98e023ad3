"""Roads: a road is one push service with one VAPID key. How each is now, and what it was like minute by minute."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

LATENCY_BOUNDS: Final = tuple(round(0.001 * 2 ** (n / 2), 6) for n in range(30))
"""Seconds, 1 ms to 23 s: an answer counts in the first bucket whose bound is not below it, else in one more at the end.

Each is √2 times the one before, so a percentile read from them is off by a fifth at most.
"""


class ServiceState(models.Model):
    """How a road is: rate, window, pause. A road without a row is open, as is one whose row says nothing else.

    `rate` (a second) and `send_window` (in flight, a process) are None while nothing holds it back. The rest is
    pacing's memory, see pacing.py. Times of pacing are the database's.
    """

    pk = models.CompositePrimaryKey("service", "vapid_key_id")
    service = models.PositiveSmallIntegerField()
    vapid_key_id = models.BigIntegerField()
    send_window = models.IntegerField(null=True)
    rate = models.FloatField(null=True)
    limit_rate = models.FloatField(null=True)  # what it took, a second, when it was throttled last
    clean_seconds = models.FloatField(default=0, db_default=0)  # of sending since then
    tokens = models.FloatField(default=0, db_default=0)
    tokens_at = models.DateTimeField(null=True)
    troubled_devices = ArrayField(models.BigIntegerField(), null=True)  # those of bad answers since the last good one
    strikes = models.PositiveSmallIntegerField(default=0, db_default=0)  # pauses since the last good answer
    throttled_at = models.DateTimeField(null=True)  # when it was last slowed down, or paused with no rate
    paused_until = models.DateTimeField(null=True)
    slowed_by = models.CharField(
        max_length=16, default="", db_default=""
    )  # why there is a rate: throttled, unavailable
    reason = models.CharField(max_length=64, blank=True)  # throttled, unavailable, unreachable, key_refused
    refused_devices = ArrayField(models.BigIntegerField(), null=True)  # see refusals.py
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "service_state"

    def __str__(self) -> str:
        return f"Push service {self.service}, key {self.vapid_key_id}"


class ServiceMinute(models.Model):
    """What a road answered in one minute; a figure is the sum over the slots. Kept for two weeks.

    Each answer counts in one column. `latency`: answers by LATENCY_BOUNDS; `window`, `rate`: as last seen, None = open.
    Rests have a slot of their own, written when they begin, for the minutes to come.
    """

    pk = models.CompositePrimaryKey("service", "vapid_key_id", "minute", "slot")
    service = models.PositiveSmallIntegerField()
    vapid_key_id = models.BigIntegerField()
    minute = models.DateTimeField()
    slot = models.PositiveSmallIntegerField()
    first_at = models.DateTimeField()
    accepted = models.BigIntegerField(default=0, db_default=0)
    gone = models.BigIntegerField(default=0, db_default=0)
    throttled = models.BigIntegerField(default=0, db_default=0)  # 429, and Windows' 406
    unavailable = models.BigIntegerField(default=0, db_default=0)  # 5xx and what no push service answers
    refused = models.BigIntegerField(default=0, db_default=0)  # our key or our token
    rejected = models.BigIntegerField(default=0, db_default=0)  # the request
    no_answer = models.BigIntegerField(default=0, db_default=0)  # timeouts, network
    unsent = models.BigIntegerField(default=0, db_default=0)  # not even tried: out of reach, address refused
    latency = ArrayField(models.IntegerField())
    window = models.IntegerField(null=True, db_column="send_window")
    rate = models.FloatField(null=True)
    rested = models.FloatField(default=0, db_default=0)  # seconds in which the road was asked to rest

    class Meta:
        db_table = "service_minute"
        indexes = [models.Index(fields=["minute"], name="service_minute_minute")]  # history, and forgetting it

    def __str__(self) -> str:
        return f"Push service {self.service}, key {self.vapid_key_id}, {self.minute:%H:%M}"


class TokenBucket(models.Model):
    """What may be sent now under a ceiling of messages per minute; see ceilings.py."""

    class Kind(models.IntegerChoices):
        SITE = 1, "Site"
        CAMPAIGN = 2, "Campaign"

    pk = models.CompositePrimaryKey("kind", "owner_id")
    kind = models.PositiveSmallIntegerField(choices=Kind)
    owner_id = models.BigIntegerField()
    tokens = models.FloatField()
    filled_at = models.DateTimeField()

    class Meta:
        db_table = "token_bucket"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.owner_id}"
