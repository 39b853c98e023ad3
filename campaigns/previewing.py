"""What an audience comes to while it is being put together: the waterfall, exactly where there is time for it.

Where there is not, a sample says "about 61,000 ± 3 %", and "few" where it holds too few to say a number. The planner's
guess is never shown: it was off by 2 on rules about behaviour.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from campaigns.audience import CHOSEN, STEPS, Audience, Waterfall, waterfall_of
from campaigns.statement_limits import OF_FEW, SETTINGS, Superseded, TimedOut, limited

__all__ = ["Preview", "Superseded", "examples", "glance", "preview"]

PATIENCE_MS: Final = 1500
SAMPLE_MS: Final = 4000
SAMPLED: Final = 30_000
"""Devices in a sample, about. They take 0.4 s, at most 1.2 s, whatever the size of the Site, and are asked only where
the exact count ran out of its time. Half as many would take 0.2 to 0.8 s, be off by 1.4 times as much, and call
segments "few" that are twice as large."""
GLANCED: Final = 3_000
"""The same of a first look, while the exact count is under way."""
GLANCE_MS: Final = 500
RUN: Final = 16
"""Devices with neighbouring ids that are drawn together, about."""
FEWEST_HITS: Final = 100
"""In a sample; fewer say no number."""
EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """`error`: how far off the sampled figures may be, 0.03 for ± 3 % (95 of 100 samples); None when they are exact.

    `few`: the sample held too few to say numbers; `waterfall` is then empty, and `below` is almost certainly more
    devices than there are. Both None: not even a sample was done in time.
    """

    waterfall: Waterfall | None
    error: float | None = None
    few: bool = False
    below: int | None = None

    @property
    def exact(self) -> bool:
        return self.waterfall is not None and self.error is None

    @property
    def words(self) -> str:
        """How many will be reached: "41,203", "about 61,000 ± 3 %", "few" or "unknown"."""
        if self.few:
            return "few"
        if self.waterfall is None:
            return "unknown"
        reached = self.waterfall.after_device_choice
        if self.error is None:
            return f"{reached:,}"
        return f"about {rounded(reached):,} ± {max(1, round(self.error * 100))} %"


def preview(audience: Audience, *, token: str = "", patience_ms: int = PATIENCE_MS) -> Preview:
    """Counts an audience within `patience_ms`, else estimates it.

    `token` names who waits: a newer preview under it ends this one, which then raises Superseded. Raises
    segments.DefinitionError.
    """
    query, params = audience.counting()
    try:
        return Preview(waterfall_of(_row(query, params, patience_ms, token), audience.choice))
    except TimedOut:
        return _estimate(audience, token, _draw(SAMPLED), SAMPLE_MS)


def glance(audience: Audience, *, token: str = "") -> Preview:
    """A rough estimate, sooner than an exact count of a million devices; not known where there are but few devices, who
    are counted as soon. `token` as of preview. Raises segments.DefinitionError."""
    drawn = _draw(GLANCED)
    return Preview(None) if drawn.share == 1 else _estimate(audience, token, drawn, GLANCE_MS)


def examples(audience: Audience, *, token: str = "", patience_ms: int = PATIENCE_MS) -> list[int]:
    """The ids of some devices that would get it; none when finding them takes too long."""
    query, params = audience.compiled().query("d.contact_id is not null")
    try:
        with transaction.atomic(), limited(patience_ms, token), connection.cursor() as cursor:
            cursor.execute(f"select id from ({query}) m where {CHOSEN} limit {EXAMPLES}", params)
            return [id_ for (id_,) in cursor.fetchall()]
    except TimedOut:
        return []


def rounded(number: int) -> int:
    """To two digits that mean something: 61,234 is about 61,000."""
    size = 10 ** max(0, len(str(number)) - 2)
    return round(number / size) * size


def _row(
    query: str, params: Sequence[Any], ms: int, token: str, settings: Mapping[str, str] = SETTINGS
) -> Sequence[Any]:
    with transaction.atomic(), limited(ms, token, settings), connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchone())


class _Drawn(NamedTuple):
    """A sample of devices: run number r is the `ids` ids from r * ids on. `share`: of all runs there are, empty ones
    included: what was drawn is known to the last id, however the rows lie in the table."""

    runs: list[int]
    ids: int
    share: float


def _estimate(audience: Audience, token: str, drawn: _Drawn, ms: int) -> Preview:
    """From runs of ids of devices taken at random, with the other devices of the same people beside them, so that the
    device rule chooses as it would among all; only those of the sample are counted."""
    query, params = audience.compiled().query(devices="candidate", narrow="in (select id from candidate)")
    sql = f"""
        with picked as materialized (
                 select x.id, x.contact_id, run from unnest(%s::bigint[]) run, lateral (
                     select id, contact_id, site_id from device
                     where id >= run * %s and id < run * %s + %s order by id limit %s) x
                 where x.site_id = %s),
             candidate as materialized (
                 select d.* from device d where d.id in (
                     select id from picked union
                     select x.id from device x where x.contact_id in (select contact_id from picked))),
             m as materialized ({query}),
             fitting as (select * from m where {CHOSEN}),
             chosen as ({audience.choice.chosen("fitting")}),
             figures as (
                 select p.run, {STEPS}, count(chosen_id) chosen,
                        coalesce(sum(case when fitting_id is null then 0 when m.cid = 0 then 1 else 1.0 / n end), 0)
                            people
                 from picked p join m on m.id = p.id
                 left join (select id fitting_id from fitting) f on fitting_id = m.id
                 left join (select id chosen_id from chosen) c on chosen_id = m.id
                 left join (select cid person_id, count(*) n from fitting where cid <> 0 group by cid) o
                      on person_id = m.cid
                 group by p.run)
        select coalesce(sum(matched), 0), coalesce(sum(with_consent), 0), coalesce(sum(active), 0),
               coalesce(sum(after_exclusions), 0), coalesce(sum(chosen), 0), coalesce(sum(people), 0),
               coalesce(sum(chosen * chosen), 0), coalesce(sum(people * people), 0)
        from figures"""
    given = [drawn.runs, *[drawn.ids] * 4, audience.site_id]
    try:
        row = _row(sql, [*given, *params], ms, token, OF_FEW)
    except TimedOut:
        return Preview(None)
    *figures, squares, squares_of_people = map(float, row)
    *_, hits, people = figures
    if hits < FEWEST_HITS and drawn.share < 1:
        # Three standard deviations, of runs that are drawn or not; and three for none at all (the rule of three).
        below = rounded(ceil((hits + 3 * sqrt(squares) + 3) / drawn.share))
        return Preview(None, few=True, below=below)
    found = Waterfall(*(round(one / drawn.share) for one in figures))
    errors = (_error(hits, squares, drawn), _error(people, squares_of_people, drawn))
    return Preview(found, max(errors))


def _draw(sampled: int) -> _Drawn:
    """A sample of about so many devices; of all where there are no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select (select coalesce(max(id), 0) from device), reltuples from pg_class where oid = 'device'::regclass"
        )
        highest, estimated = cursor.fetchone()
    rows = max(1.0, estimated)  # only the size of the sample hangs on it
    ids = max(1, round(RUN * highest / max(RUN, rows)))  # more where there are gaps
    runs = highest // ids + 1
    count = ceil(runs * min(1.0, sampled / rows))
    return _Drawn(_random().sample(range(runs), count), ids, count / runs)


def _random() -> random.Random:
    return random.Random()


def _error(hits: float, squares: float, drawn: _Drawn) -> float:
    """Of an estimate from a sample with `hits` in all, `squares` the sum of the squares of each run's: devices of a run
    came together and are alike, so runs are what was drawn (Cochran, Sampling Techniques, §9)."""
    if not hits:
        return 0.0
    runs = len(drawn.runs)
    variance = max(0.0, squares - hits * hits / runs) * runs / max(1, runs - 1)
    return 1.96 * sqrt(variance * (1 - drawn.share)) / hits
