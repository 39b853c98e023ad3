"""The link of a browser to a person the CRM knows: it lives only as long as the yes it was made under.

Order of locks, everywhere: purposes, then contacts, then devices, each by ascending id. A link is made, and a decision
in the contact scope recorded, only under the contact's lock; everything about a device only under the device's.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from subscribers.allowance import STANDS, rework
from subscribers.lines import write

NOBODY = -1

# The decision `s` by which the browser `d` agreed to be linked, still standing.
_YES = f"""exists (select 1 from consent_state s join purpose p on p.id = s.purpose_id
    where s.scope = 1 and s.subject_id = d.id and p.site_id = d.site_id and p.bit = 0 and {STANDS}
      and coalesce(s.contact_id, {{contact}}) = {{contact}})"""
_NO = """exists (select 1 from consent_state s join purpose p on p.id = s.purpose_id
    where s.scope = 2 and s.subject_id = {contact} and p.bit = 0 and s.decision = 2)"""

WITHOUT_YES = (
    f"d.contact_id is not null and (not {_YES.format(contact='d.contact_id')} or {_NO.format(contact='d.contact_id')})"
)

# What the person withdrew elsewhere stays withdrawn in the browser that is let go: unlinking never revives a yes.
_CARRIED = """
select greatest(%s, ds.at) recorded_at, d.site_id, 1 scope, d.id subject_id, cs.purpose_id, 2 decision, cs.wording_id,
       'web_push' channel, 'link-cut' source, '' page, greatest(%s, ds.at) claimed_at, null::bytea evidence_hash,
       null::jsonb body
from device d
join consent_state cs on cs.scope = 2 and cs.subject_id = d.contact_id and cs.decision = 2
join purpose p on p.id = cs.purpose_id and p.bit <> 0
left join consent_state ds on ds.scope = 1 and ds.subject_id = d.id and ds.purpose_id = cs.purpose_id
where d.id = any(%s) and ds.decision is distinct from 2
order by d.id, p.bit
"""


def lock(contacts: Iterable[int], devices: Iterable[int]) -> list[int]:
    """Locks contacts, then these devices and all that are linked to the contacts; returns the devices' ids in order.

    NO KEY UPDATE, so that rows that only point at them can still be written.
    """
    contacts = sorted(set(contacts))
    with connection.cursor() as cursor:
        if contacts:
            cursor.execute("select id from contact where id = any(%s) order by id for no key update", [contacts])
        cursor.execute(
            "select id from device where id = any(%s) or contact_id = any(%s) order by id for no key update",
            [sorted(set(devices)), contacts],
        )
        return [row[0] for row in cursor.fetchall()]


def cut(device_ids: list[int], now: datetime) -> None:
    """Unlinks these devices, locked by the caller; each stays reachable for what it did consent to itself."""
    if not device_ids:
        return
    write(_CARRIED, [now, now, device_ids])
    with connection.cursor() as cursor:
        cursor.execute("update device set contact_id = null where id = any(%s)", [device_ids])
    rework(device_ids)


def without_yes(device_ids: list[int]) -> list[int]:
    """Those of the devices that are linked without a yes that stands."""
    with connection.cursor() as cursor:
        cursor.execute(f"select d.id from device d where d.id = any(%s) and {WITHOUT_YES} order by d.id", [device_ids])
        return [row[0] for row in cursor.fetchall()]


def cut_without_yes(device_ids: list[int], now: datetime) -> list[int]:
    """Unlinks those of the devices, locked by the caller, whose link has no standing yes any more; returns them."""
    ended = without_yes(device_ids)
    cut(ended, now)
    return ended


def obstacle(device_id: int, contact_id: int | None) -> str | None:
    """Why this browser must not be linked to this person: a code of the API; None when it may be.

    `contact_id`: None for somebody nobody has heard of yet.
    """
    contact = NOBODY if contact_id is None else contact_id
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {_YES.format(contact='%s')}, {_NO.format(contact='%s')} from device d where d.id = %s",
            [contact, contact, contact, device_id],
        )
        yes, no = cursor.fetchone()
    if no:
        return "personal_data_withdrawn"
    return None if yes else "personal_data_needed"


def link(device_id: int, contact_id: int) -> None:
    """Links the browser to the person, both locked by the caller and without `obstacle`."""
    with connection.cursor() as cursor:
        cursor.execute("update device set contact_id = %s where id = %s", [contact_id, device_id])
        cursor.execute(
            "update consent_state s set contact_id = %s from purpose p where s.scope = 1 and s.subject_id = %s"
            " and p.id = s.purpose_id and p.bit = 0",
            [contact_id, device_id],
        )
    rework([device_id])
