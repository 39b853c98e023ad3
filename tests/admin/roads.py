"""Roads as sending leaves them behind: minutes of answers, and a state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from campaigns.models import ServiceMinute, ServiceState
from campaigns.models.service import LATENCY_BOUNDS
from pushplatform.sites.models import VapidKey


def minute(key: VapidKey, at: datetime, *, service: int = 1, seconds: float = 0.04, slot: int = 0, **more: Any) -> None:
    """What a road answered in the minute of `at`, each answer after `seconds`."""
    answers = sum(number for name, number in more.items() if name not in ("window", "rate", "unsent", "rested"))
    latency = [0] * (len(LATENCY_BOUNDS) + 1)
    latency[next(place for place, bound in enumerate(LATENCY_BOUNDS) if bound >= seconds)] = answers
    begin = at.replace(second=0, microsecond=0)
    ServiceMinute.objects.create(
        service=service, vapid_key_id=key.pk, minute=begin, slot=slot, first_at=begin, latency=latency, **more
    )


def state(key: VapidKey, now: datetime, *, service: int = 1, rest: float | None = None, **more: Any) -> ServiceState:
    """`rest`: seconds from now that the road is paused for; `rate`: a second, right after it was throttled."""
    given = {"paused_until": now + timedelta(seconds=rest) if rest is not None else None, "throttled_at": now} | more
    if given.get("rate"):
        # It does not grow before `tokens_at`, however long the test takes.
        given |= {"limit_rate": 2 * given["rate"], "tokens_at": now + timedelta(hours=1)}
    return ServiceState.objects.create(service=service, vapid_key_id=key.pk, **given)
