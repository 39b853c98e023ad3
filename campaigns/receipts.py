"""What browsers report, written once and counted in the same transaction: path D of the architecture.

A receipt may come before the outcome is recorded, late, doubled, out of order or with steps missing: a click or a close
implies shown and received, shown implies received; the first report of each kind is kept. What was only implied gives
way to the report itself when that comes after all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from django.db import connection, transaction

from campaigns.models import ReceiptKind
from campaigns.receipt_counting import Fact, MessageFacts, Moved, count, move
from campaigns.receipt_tokens import TokenSubject, parse_receipts
from pushplatform.partitions import MESSAGE_EPOCH
from pushplatform.sites.models import Site

RECEIVED, SHOWN, CLICKED, CLOSED, CONVERTED = ReceiptKind.values

KINDS: Final = {"received": RECEIVED, "shown": SHOWN, "clicked": CLICKED, "closed": CLOSED}
"""What a browser may report; `converted` is not its own word."""

_IMPLIED: Final[dict[int, tuple[int, ...]]] = {
    RECEIVED: (),
    SHOWN: (RECEIVED,),
    CLICKED: (SHOWN, RECEIVED),
    CLOSED: (SHOWN, RECEIVED),
}
_KEEP_SECONDS: Final = 60.0


class Report(NamedTuple):
    """One report as it came in. `at`: None is now; `action`: the button of a click."""

    token: str
    kind: str
    action: str | None = None
    at: datetime | None = None


@dataclass(slots=True)
class Tally:
    """What became of reports. `forged`: the token is not ours; `too_old`: its partition or Message is gone."""

    counted: int = 0
    repeated: int = 0
    forged: int = 0
    too_old: int = 0
    unknown_kind: int = 0

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def record_reports(reports: Sequence[Report], now: datetime) -> Tally:
    """Writes and counts genuine reports; those that are forged, too old or unknown are only tallied."""
    tally = Tally()
    genuine: list[tuple[TokenSubject, Report]] = []
    for report, subject in zip(reports, parse_receipts([report.token for report in reports]), strict=True):
        if report.kind not in KINDS:
            tally.unknown_kind += 1
        elif subject is None:
            tally.forged += 1
        else:
            genuine.append((subject, report))
    record(genuine, now, tally)
    return tally


def record(genuine: Iterable[tuple[TokenSubject, Report]], now: datetime, tally: Tally | None = None) -> None:
    """Writes and counts what genuine tokens report; adds to `tally`."""
    tally = Tally() if tally is None else tally
    pairs = list(genuine)
    known = _messages.find({subject.message_id for subject, _ in pairs})
    kept = [(subject, report) for subject, report in pairs if subject.message_id in known]
    tally.too_old += len(pairs) - len(kept)
    facts = _facts(kept, known, now)
    if not facts:
        return
    with transaction.atomic():
        written = _insert(facts, now)
        if len(written) < len(facts):
            _confirm([fact for fact in facts if not fact.implied], written, now)
        count(written, known, now)
    said = sum(1 for fact in written if not fact.implied)
    tally.counted += said
    tally.repeated += len(kept) - said


def _facts(pairs: Iterable[tuple[TokenSubject, Report]], known: dict[int, MessageFacts], now: datetime) -> list[Fact]:
    """One Fact for each device and kind, what was said before what is implied, the earliest first; in key order."""
    found: dict[tuple[int, int, int], Fact] = {}
    for (_, message_id, ref), report in pairs:
        kind = KINDS[report.kind]
        at = _clamped(report.at, message_id, now)
        action = report.action if kind == CLICKED else None
        action = action if action in known[message_id].actions else None
        said = Fact(message_id, ref, kind, at, action, False)
        for fact in (said, *(Fact(message_id, ref, one, at, None, True) for one in _IMPLIED[kind])):
            before = found.get(fact[:3])
            if before is None or (fact.implied, fact.at) < (before.implied, before.at):
                found[fact[:3]] = fact
    return [found[key] for key in sorted(found)]


def _clamped(at: datetime | None, message_id: int, now: datetime) -> datetime:
    """A browser's clock may be anywhere: nothing happens before its Message was made, or after now."""
    made = MESSAGE_EPOCH + timedelta(milliseconds=message_id >> 20)
    return now if at is None else max(min(at, now), made)


def _insert(facts: Sequence[Fact], now: datetime) -> list[Fact]:
    """The facts that were not there yet."""
    columns = list(zip(*facts, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into receipt (message_id, device_ref, kind, at, action, implied, reported_at)
            select m, d, k, a, b, i, %s from unnest(
                %s::bigint[], %s::bigint[], %s::smallint[], %s::timestamptz[], %s::text[], %s::boolean[]
            ) x(m, d, k, a, b, i)
            on conflict do nothing returning message_id, device_ref, kind
            """,
            [now, *map(list, columns)],
        )
        written = set(cursor.fetchall())
    return [fact for fact in facts if fact[:3] in written]


def _confirm(said: Sequence[Fact], written: Sequence[Fact], now: datetime) -> None:
    """Puts reports in the place of what a later step had implied, which they cannot follow. They have been counted."""
    new = {fact[:3] for fact in written}
    waiting = {fact[:3]: fact for fact in said if fact[:3] not in new}
    if not waiting:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select message_id, device_ref, kind, at from receipt r
            join unnest(%s::bigint[], %s::bigint[], %s::smallint[]) u(m, d, k)
                on r.message_id = u.m and r.device_ref = u.d and r.kind = u.k
            where r.implied order by 1, 2, 3 for update of r
            """,
            [list(column) for column in zip(*waiting, strict=True)],
        )
        implied = [(waiting[m, d, k], at) for m, d, k, at in cursor.fetchall()]
        if not implied:
            return
        earlier = [Moved(fact.device_ref, fact.kind, at, min(fact.at, at)) for fact, at in implied]
        times = move(earlier, {fact.device_ref for fact in written})
        rows = [(*fact[:3], at, fact.action) for (fact, _), at in zip(implied, times, strict=True)]
        cursor.execute(
            """
            update receipt r set at = x.a, action = x.b, implied = false, reported_at = %s
            from unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::timestamptz[], %s::text[]) x(m, d, k, a, b)
            where r.message_id = x.m and r.device_ref = x.d and r.kind = x.k
            """,
            [now, *map(list, zip(*rows, strict=True))],
        )


@dataclass(slots=True)
class _Messages:
    """Facts of Messages, read once a minute; those without a partition or a row any more are not found."""

    lock: Lock = field(default_factory=Lock)
    read_at: float = 0.0
    database: str = ""
    oldest: int = 0
    facts: dict[int, MessageFacts] = field(default_factory=dict)

    def find(self, ids: set[int]) -> dict[int, MessageFacts]:
        with self.lock:
            database = str(connection.settings_dict["NAME"])
            if self.read_at < monotonic() - _KEEP_SECONDS or self.database != database:
                self.facts, self.read_at, self.database = {}, monotonic(), database
                self.oldest = _oldest_message_id()
            missing = [id_ for id_ in ids - self.facts.keys() if id_ >= self.oldest]
            if missing:
                self.facts |= _read_messages(missing)
            return {id_: self.facts[id_] for id_ in ids if id_ in self.facts}


_messages = _Messages()


def _oldest_message_id() -> int:
    """The first id of the oldest partition: what is older has no place any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select min(substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM \\('?(\\d+)$$)::bigint)"
            " from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'receipt'::regclass"
        )
        return int(cursor.fetchone()[0] or 0)


def _read_messages(ids: list[int]) -> dict[int, MessageFacts]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select m.id, m.site_id, m.campaign_id, s.measurement,
                   array(select a->>'action' from jsonb_path_query(m.content, '$.actions[*] ? (@.action <> null)') a)
            from message m join site s on s.id = m.site_id where m.id = any(%s)
            """,
            [ids],
        )
        rows = cursor.fetchall()
    return {
        id_: MessageFacts(site_id, campaign_id, measurement == Site.Measurement.EVERYONE, frozenset(actions))
        for id_, site_id, campaign_id, measurement, actions in rows
    }
