"""The consent ledger: every decision is a line, and what a device may be sent follows in the same transaction."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from subscribers import journal, links
from subscribers.allowance import rework
from subscribers.lines import write
from subscribers.models import Decision, Purpose, Scope, Wording


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision to record. `subject_id` is a device's or a contact's id, by scope.

    `source`: a slug, such as `browser` or `crm-api`. `page`: the origin of the page. `claimed_at`: when it was
    decided, as claimed; None is now. `evidence`: what erasure may empty, such as the page's path, an address, a proof.
    """

    site_id: int
    scope: Scope
    subject_id: int
    purpose_id: int
    decision: Decision
    source: str
    wording_id: int | None = None
    page: str = ""
    claimed_at: datetime | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    channel: str = "web_push"


def record(decided: Sequence[Decided], now: datetime, *, journaled: bool = True) -> list[int]:
    """Appends the decisions in this order, cuts links that lost their yes and sets the bits; returns the lines' ids.

    Withdrawals go into the privacy journal too, unless the caller writes there what they are a part of.
    Raises ValueError for a grant without a wording, and for a purpose or a wording that is not the Site's.
    """
    if not decided:
        return []
    with transaction.atomic():
        bits = _check(decided)
        contacts = [one.subject_id for one in decided if one.scope == Scope.CONTACT]
        devices = links.lock(contacts, [one.subject_id for one in decided if one.scope == Scope.DEVICE])
        ids = write(*_source(decided, now))
        if journaled and (withdrawn := [one for one in decided if one.decision == Decision.WITHDRAWN]):
            journal.write(journal.withdrawals(withdrawn, now))
        if any(bits[one.purpose_id] == Purpose.PERSONAL_DATA for one in decided):
            links.cut_without_yes(devices, now)
        rework(devices)
    return ids


def withdraw_ended(purpose: Purpose, now: datetime, step: int = 10_000) -> None:
    """Works out the bits of all who decided about `purpose` after a new wording ended older yeses.

    The caller holds the purpose's row lock. Goes by ranges of device ids; each is locked by one statement and
    written by the next, which sees what others had decided until then.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select coalesce(min(id), 0), coalesce(max(id), 0) from device where site_id = %s", [purpose.site_id]
        )
        low, high = cursor.fetchone()
        for start in range(low, high + 1, step):
            cursor.execute(
                "select id from device where site_id = %s and id >= %s and id < %s order by id for no key update",
                [purpose.site_id, start, start + step],
            )
            devices = [row[0] for row in cursor.fetchall()]
            if purpose.bit == Purpose.PERSONAL_DATA:
                links.cut_without_yes(devices, now)
            rework(devices)


def state(scope: Any, subject_id: int) -> dict[str, str]:
    """The newest decision by purpose key: `granted` or `withdrawn`. A yes ended by a newer wording is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [scope, subject_id])
        return {key: Decision(decision).name.lower() for key, decision in cursor.fetchall()}


_STATE = f"""
select p.key, s.decision from consent_state s join purpose p on p.id = s.purpose_id
where s.scope = %s and s.subject_id = %s and (s.decision = 2 or {links.STANDS}) order by p.bit
"""


def _check(decided: Sequence[Decided]) -> dict[int, int]:
    """Bits by purpose id. The share lock lets no new wording end a yes between here and the commit."""
    purposes = {
        purpose.id: purpose
        for purpose in Purpose.objects.raw(
            "select id, site_id, bit from purpose where id = any(%s) order by id for share",
            [sorted({one.purpose_id for one in decided})],
        )
    }
    used = {one.wording_id for one in decided if one.wording_id is not None}
    about = dict(Wording.objects.filter(id__in=used).values_list("id", "purpose_id"))
    for one in decided:
        purpose = purposes.get(one.purpose_id)
        if purpose is None or purpose.site_id != one.site_id:
            raise ValueError(f"purpose {one.purpose_id} is not one of Site {one.site_id}")
        if one.wording_id is not None and about.get(one.wording_id) != one.purpose_id:
            raise ValueError(f"wording {one.wording_id} is not about purpose {one.purpose_id}")
        if one.wording_id is None and one.decision == Decision.GRANTED:
            raise ValueError("a grant needs the wording it was given to")
    return {purpose.id: purpose.bit for purpose in purposes.values()}


def _source(decided: Sequence[Decided], now: datetime) -> tuple[str, list[Any]]:
    bodies = [_body(one.evidence) for one in decided]
    parameters: list[Any] = [
        now,
        [one.site_id for one in decided],
        [one.scope for one in decided],
        [one.subject_id for one in decided],
        [one.purpose_id for one in decided],
        [one.decision for one in decided],
        [one.wording_id for one in decided],
        [one.channel for one in decided],
        [one.source for one in decided],
        [one.page for one in decided],
        [one.claimed_at or now for one in decided],
        [body and hashlib.sha256(body.encode()).digest() for body in bodies],
        bodies,
    ]
    source = (
        "select %s recorded_at, site_id, scope, subject_id, purpose_id, decision, wording_id, channel, source, page,"
        " claimed_at, evidence_hash, body::jsonb body"
        " from unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[],"
        " %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bytea[], %s::text[])"
        " as u(site_id, scope, subject_id, purpose_id, decision, wording_id, channel, source, page, claimed_at,"
        " evidence_hash, body)"
    )
    return source, parameters


def _body(evidence: Mapping[str, Any]) -> str | None:
    """The evidence as the ledger hashes it. Its salt goes when it is erased: the hash then tells nothing."""
    if not evidence:
        return None
    return canonical({**evidence, "salt": secrets.token_hex(16)})


def canonical(body: Mapping[str, Any]) -> str:
    """The text of an evidence that `evidence_hash` is the SHA-256 of."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
