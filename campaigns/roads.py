"""The roads' rows in the database: what pacing decides is read and written here. Times are the database's."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings

from campaigns import pacing
from campaigns.answer_tally import EVIDENCE, SLOTS, Run, Tally
from campaigns.models import ServiceMinute, TokenBucket
from campaigns.pacing import Road

Key = tuple[int, int]
"""Push service and VAPID key."""

_COLUMNS: Final = """clock_timestamp(), rate, send_window, limit_rate, clean_seconds, tokens, tokens_at, strikes,
                     throttled_at, paused_until, reason, slowed_by, coalesce(troubled_devices, '{}')"""


KEPT: Final = timedelta(days=14)
"""How long minutes are kept."""


def forget_old(now: datetime) -> None:
    """Deletes the minutes that are no longer kept, and buckets of ceilings that nobody has used for as long."""
    ServiceMinute.objects.filter(minute__lt=now - KEPT).delete()
    TokenBucket.objects.filter(filled_at__lt=now - KEPT).delete()


def period() -> float:
    """Seconds between two sweeps."""
    return float(settings.PUSH_SWEEP_SECONDS)


def lock(cursor: Any, key: Key) -> Road | None:
    """The road with its row held until the end of the transaction, brought to now; None for one without a row."""
    cursor.execute(
        f"select {_COLUMNS} from service_state where service = %s and vapid_key_id = %s for no key update", key
    )
    row = cursor.fetchone()
    if row is None:
        return None
    road = Road(*row)
    pacing.advance(road)
    return road


def save(cursor: Any, key: Key, road: Road) -> None:
    cursor.execute(
        """update service_state set rate = %s, send_window = %s, limit_rate = %s, clean_seconds = %s, tokens = %s,
                  tokens_at = %s, strikes = %s, throttled_at = %s, paused_until = %s, reason = %s,
                  slowed_by = %s, troubled_devices = %s, updated_at = %s
           where service = %s and vapid_key_id = %s""",
        [road.rate, road.window, road.limit, road.clean, road.tokens, road.tokens_at, road.strikes, road.throttled_at,
         road.paused_until, road.reason, road.slowed_by, road.troubled or None, road.now, *key],
    )  # fmt: skip


def read(cursor: Any, keys: Collection[Key]) -> dict[Key, Road]:
    """The roads of these that have a row, as they are now, held by nobody."""
    cursor.execute(
        f"""select service, vapid_key_id, {_COLUMNS}
            from service_state join unnest(%s::smallint[], %s::bigint[]) u(s, k) on service = s and vapid_key_id = k""",
        [[service for service, _ in keys], [key for _, key in keys]],
    )
    found = {(row[0], row[1]): Road(*row[2:]) for row in cursor.fetchall()}
    for road in found.values():
        pacing.advance(road)
    return found


def is_news(tally: Tally, remembers: bool) -> bool:
    """Whether the answers change how the road is seen. `remembers`: its row tells of trouble."""
    return not tally.ends_well or (remembers and tally.has_good) or any(map(_is_evidence, tally.runs))


def weigh(cursor: Any, key: Key, tally: Tally, now: datetime) -> Road:
    """Lets the road's row learn from new answers, and holds it until the end of the transaction; how the road is now.

    `now`: when the answers are recorded, by the clock of the minutes.
    """
    cursor.execute(
        """insert into service_state (service, vapid_key_id, reason, updated_at) values (%s, %s, '', %s)
           on conflict do nothing""",
        [*key, now],
    )
    road = cast(Road, lock(cursor, key))
    runs = list(tally.runs)
    if runs and not tally.began_well:
        runs[0] = _joined(road.troubled, runs[0])
    road.troubled = [] if tally.ends_well else runs[-1].device_ids
    if tally.has_good:
        pacing.recover(road)
    worst = max(runs, key=lambda run: len(run.device_ids), default=None)
    if worst is not None and _is_evidence(worst):
        accepted, seconds = _lately(cursor, key, now)
        noted = cast(datetime, road.paused_until) if road.is_paused else road.now
        pacing.slow_down(road, worst, accepted + tally.counts.get("accepted", 0), seconds)
        if road.paused_until and road.paused_until > noted:
            _note_rest(cursor, key, noted, road.paused_until)
    save(cursor, key, road)
    return road


def give_back(cursor: Any, key: Key, number: int) -> None:
    """Puts tokens back that were taken for messages which did not go."""
    cursor.execute(
        """update service_state set tokens = tokens + %s
           where service = %s and vapid_key_id = %s and rate is not null and strikes = 0""",
        [number, *key],
    )


def _note_rest(cursor: Any, key: Key, since: datetime, until: datetime) -> None:
    """Writes a rest into the minutes it covers, now that it begins or gets longer: nobody comes by while it lasts."""
    cursor.execute(
        """insert into service_minute as x (service, vapid_key_id, minute, slot, first_at, latency, rested)
           select %s, %s, m, %s, greatest(m, %s), '{}',
                  extract(epoch from least(m + interval '1 minute', %s) - greatest(m, %s))
           from generate_series(date_trunc('minute', %s::timestamptz), %s::timestamptz - interval '1 microsecond',
                                interval '1 minute') m
           on conflict (service, vapid_key_id, minute, slot) do update set rested = x.rested + excluded.rested""",
        [*key, SLOTS, since, until, since, since, until],
    )


def _is_evidence(run: Run) -> bool:
    return len(run.device_ids) >= EVIDENCE


def _joined(before: Iterable[int], run: Run) -> Run:
    """A device counts once: one whose push always fails says nothing of the road."""
    devices = list(dict.fromkeys([*before, *run.device_ids]))[-EVIDENCE:]
    return replace(run, device_ids=devices)


def _lately(cursor: Any, key: Key, now: datetime) -> tuple[int, float]:
    """How many messages the road took in this minute and the one before, and in how many seconds."""
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    cursor.execute(
        """select coalesce(sum(accepted), 0), min(first_at) from service_minute
           where service = %s and vapid_key_id = %s and minute >= %s and minute <= %s and slot < %s""",
        [*key, since, now, SLOTS],
    )
    accepted, first = cursor.fetchone()
    return int(accepted), (now - first).total_seconds() if first else 0.0
