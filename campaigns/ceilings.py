"""Ceilings: the most that a Site or a campaign sends in any minute, however many machines there are.

A token bucket that refills a little below the ceiling, so that no sixty seconds ever see more: what the bucket holds
and what flows into it in a minute are together the ceiling. The database's clock counts.
"""

from typing import Any, Final, NamedTuple, cast

from campaigns.models import TokenBucket
from campaigns.pacing import Bucket

MOST_HELD: Final = 0.5
"""Of the ceiling."""

RESERVE: Final = 0.2
"""Of what the bucket holds, kept by campaigns for targeted messages."""


class Ceiling(NamedTuple):
    """Messages per minute of a Site or campaign."""

    kind: int
    owner_id: int
    per_minute: int


def of(site_id: int, site_limit: int | None, campaign_id: int | None, campaign_limit: int | None) -> list[Ceiling]:
    """The ceilings that a message is under, in the order in which their rows are locked."""
    found = []
    if site_limit:
        found.append(Ceiling(cast(int, TokenBucket.Kind.SITE), site_id, site_limit))
    if campaign_id is not None and campaign_limit:
        found.append(Ceiling(cast(int, TokenBucket.Kind.CAMPAIGN), campaign_id, campaign_limit))
    return found


def lock(cursor: Any, ceiling: Ceiling, *, targeted: bool, period: float) -> Bucket:
    """Its bucket as it is now, held until the end of the transaction. `period`: seconds between two sweeps."""
    cursor.execute(
        """insert into token_bucket (kind, owner_id, tokens, filled_at) values (%s, %s, 'infinity', now())
           on conflict do nothing""",
        [ceiling.kind, ceiling.owner_id],
    )
    return _read(cursor, ceiling, targeted, period, "for no key update")


def peek(cursor: Any, ceiling: Ceiling, *, targeted: bool, period: float) -> Bucket:
    """The same, held by nobody."""
    return _read(cursor, ceiling, targeted, period, "")


def save(cursor: Any, ceiling: Ceiling, bucket: Bucket, spent: int) -> None:
    cursor.execute(
        "update token_bucket set tokens = %s, filled_at = clock_timestamp() where kind = %s and owner_id = %s",
        [bucket.tokens - spent, ceiling.kind, ceiling.owner_id],
    )


def give_back(cursor: Any, ceiling: Ceiling, number: int) -> None:
    """Puts tokens back that were taken for messages which did not go."""
    cursor.execute(
        "update token_bucket set tokens = tokens + %s where kind = %s and owner_id = %s",
        [number, ceiling.kind, ceiling.owner_id],
    )


def _read(cursor: Any, ceiling: Ceiling, targeted: bool, period: float, locked: str) -> Bucket:
    cursor.execute(
        f"""select tokens, extract(epoch from clock_timestamp() - filled_at) from token_bucket
            where kind = %s and owner_id = %s {locked}""",
        [ceiling.kind, ceiling.owner_id],
    )
    tokens, seconds = cursor.fetchone() or (float("inf"), 0)
    rate, capacity = _flow(ceiling.per_minute, period)
    tokens = min(capacity, tokens + max(0.0, float(seconds)) * rate)
    return Bucket(tokens, rate, capacity, 0.0 if targeted else float(int(capacity * RESERVE)))


def _flow(per_minute: int, period: float) -> tuple[float, float]:
    """Tokens a second, and how many the bucket holds: enough to last from one sweep to the next."""
    held = max(1.0, float(int(per_minute * min((period + 2.0) / 60.0, MOST_HELD))))
    # One a minute is the only ceiling whose bucket holds all of it: two may then be exactly a minute apart.
    return max(per_minute - held, 1.0 if per_minute == 1 else 0.0) / 60.0, held
