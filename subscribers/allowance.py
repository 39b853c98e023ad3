"""The SQL form of the rule of consent (`consent.py`): works `device.allowed` out from the newest decisions."""

from collections.abc import Sequence

from django.db import connection

# Whether the decision `s` about the purpose `p` is a yes that no newer wording has ended.
STANDS = """(s.decision = 1
    and coalesce((select w.version from wording w where w.id = s.wording_id), 0)
     >= coalesce((select max(w.version) from wording w where w.purpose_id = p.id and w.ends_older), 0))"""

# The bits of the device `d`, from its own decisions and those of the contact it is linked to.
BITS = f"""coalesce((select bit_or(1::bigint << x.bit::int) from (
    select p.bit from (
        select * from consent_state where scope = 1 and subject_id = d.id
        union all
        select * from consent_state where scope = 2 and subject_id = d.contact_id
    ) s join purpose p on p.id = s.purpose_id
    group by p.bit having bool_or({STANDS}) and not bool_or(s.decision = 2)) x), 0)"""


def rework(device_ids: Sequence[int]) -> int:
    """Writes `allowed` anew where it is not what the decisions say; returns how many devices changed.

    The caller holds the devices' row locks, taken by an earlier statement: a statement sees other sessions' decisions
    as of its own start.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"update device set allowed = x.bits from (select d.id, {BITS} bits from device d where d.id = any(%s)) x"
            " where device.id = x.id and device.allowed <> x.bits",
            [list(device_ids)],
        )
        return int(cursor.rowcount)
