"""Works everything that follows from the consent ledger out again, and finds what is stored otherwise.

Each question is one statement, so it sees one moment: lines, states, links and bits are always committed together.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from subscribers import links
from subscribers.allowance import STANDS, rework
from subscribers.models import Device

STEP = 10_000
"""Devices repaired in one transaction."""

_NEWEST = """
select distinct on (scope, subject_id, purpose_id) scope, subject_id, purpose_id, decision, wording_id,
    least(claimed_at, recorded_at) as at
from consent_record
order by scope, subject_id, purpose_id, least(claimed_at, recorded_at) desc, decision desc, id desc
"""
_STATES = f"""
with newest as ({_NEWEST})
select scope, subject_id, purpose_id from newest n full join consent_state s using (scope, subject_id, purpose_id)
where (n.decision, n.wording_id, n.at) is distinct from (s.decision, s.wording_id, s.at) order by 1, 2, 3
"""
# The rule of consent once more, by joins over the ledger itself and not over what is kept of it.
_ALLOWED = f"""
with newest as materialized ({_NEWEST}),
said as (
    select s.device_id id, p.bit, bool_or({STANDS}) and not bool_or(s.decision = 2) yes
    from (select d.id device_id, n.* from device d join newest n on n.scope = 1 and n.subject_id = d.id
          union all
          select d.id device_id, n.* from device d join newest n on n.scope = 2 and n.subject_id = d.contact_id) s
    join purpose p on p.id = s.purpose_id
    group by s.device_id, p.bit),
worked as (select id, bit_or(1::bigint << bit::int) filter (where yes) bits from said group by id)
select d.id, d.allowed, coalesce(w.bits, 0) from device d left join worked w on w.id = d.id
where d.allowed <> coalesce(w.bits, 0) order by d.id
"""
_REPAIR_STATES = f"""
with newest as ({_NEWEST}),
never_decided as (
    delete from consent_state s
    where not exists (select from newest n where (n.scope, n.subject_id, n.purpose_id)
                                               = (s.scope, s.subject_id, s.purpose_id)))
insert into consent_state as s (scope, subject_id, purpose_id, decision, wording_id, at)
select scope, subject_id, purpose_id, decision, wording_id, at from newest
on conflict (scope, subject_id, purpose_id) do update
set decision = excluded.decision, wording_id = excluded.wording_id, at = excluded.at
where (s.decision, s.wording_id, s.at) is distinct from (excluded.decision, excluded.wording_id, excluded.at)
"""


@dataclass(frozen=True, slots=True)
class Differences:
    """What is stored otherwise than the ledger says.

    `states`: (scope, subject, purpose) with another newest decision. `links`: devices linked without a standing yes.
    `allowed`: (device, bits stored, bits of the ledger).
    """

    states: list[tuple[int, int, int]]
    links: list[int]
    allowed: list[tuple[int, int, int]]

    def __len__(self) -> int:
        return len(self.states) + len(self.links) + len(self.allowed)


def differences() -> Differences:
    """Looks through everything and changes nothing."""
    return Differences(
        _rows(_STATES),
        [row[0] for row in _rows(f"select d.id from device d where {links.WITHOUT_YES} order by 1")],
        _rows(_ALLOWED),
    )


def repair(now: datetime) -> None:
    """Makes states, links and bits what the ledger says. Decisions wait meanwhile, a range of devices at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("lock table consent_state in share row exclusive mode")
        cursor.execute(_REPAIR_STATES)
    ids = Device.objects.aggregate(low=Min("id"), high=Max("id"))
    for start in range(ids["low"] or 0, (ids["high"] or 0) + 1, STEP):
        with transaction.atomic():
            found = Device.objects.filter(id__range=(start, start + STEP - 1)).values_list("id", flat=True)
            devices = links.lock([], found)
            links.cut_without_yes(devices, now)
            rework(devices)


def _rows(query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
