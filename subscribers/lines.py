"""Writes lines of the consent ledger, their evidence, and what now counts, in one statement."""

from typing import Any

from django.db import connection

COLUMNS = (
    "recorded_at, site_id, scope, subject_id, purpose_id, decision, wording_id, channel, source, page, claimed_at,"
    " evidence_hash, body"
)

# `e` are the new lines in the order of arrival. A decision counts from the earlier of the time it claims and the time
# it arrived; at a tie the greater, withdrawn, wins. A personal_data yes serves whom the browser is linked to, if to
# anybody: consent_state.contact_id.
_WRITE = """
with given as (select row_number() over () no, {columns} from ({source}) x),
e as materialized (select nextval('consent_record_id_seq') id, * from (select * from given order by no) g),
line as (
    insert into consent_record (id, recorded_at, site_id, scope, subject_id, purpose_id, decision, wording_id, channel,
                                source, page, claimed_at, evidence_hash)
    select id, recorded_at, site_id, scope, subject_id, purpose_id, decision, wording_id, channel, source, page,
           claimed_at, evidence_hash from e
    returning id),
proof as (insert into consent_evidence (record_id, body) select id, body from e where body is not null),
counted as (
    insert into consent_state as s (scope, subject_id, purpose_id, decision, wording_id, contact_id, at)
    select distinct on (e.scope, e.subject_id, e.purpose_id) e.scope, e.subject_id, e.purpose_id, e.decision,
        e.wording_id, case when e.decision = 1 and p.bit = 0 then d.contact_id end, least(e.claimed_at, e.recorded_at)
    from e join purpose p on p.id = e.purpose_id left join device d on e.scope = 1 and d.id = e.subject_id
    order by e.scope, e.subject_id, e.purpose_id, least(e.claimed_at, e.recorded_at) desc, e.decision desc, e.id desc
    on conflict (scope, subject_id, purpose_id) do update
    set decision = excluded.decision, wording_id = excluded.wording_id, contact_id = excluded.contact_id,
        at = excluded.at
    where (excluded.at, excluded.decision) >= (s.at, s.decision))
select id from line order by id
"""


def write(source: str, parameters: list[Any]) -> list[int]:
    """Appends the lines that the query `source` gives (its columns: COLUMNS); returns their ids in its order."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITE.format(columns=COLUMNS, source=source), parameters)
        return [row[0] for row in cursor.fetchall()]
