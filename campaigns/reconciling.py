"""Works out the counters of Messages and campaigns again from the facts, and puts right those that differ.

Facts and counters are read in one statement, hence in one snapshot, and whoever writes facts adds them to the counters
in the same transaction: a difference is an error at any moment, also while the message is being sent, and stays the
same whatever is sent meanwhile. Only `cancelled` is left out while a message is being cancelled.

Rebuilt from the facts: message.targeted, message_total, campaign_total, campaign_minute, and of breakdown `service`
(outcomes) and `button` (clicks). Not rebuilt, because the facts do not say it: which browser, os or language a device
had at that moment (only the sum over the values is compared), in which minute devices were cancelled (only the sum over
the minutes is compared), the reports by browser, os, language and service, and site_day and device_stats.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from campaigns import finishing
from campaigns.counting import OUTCOMES, REPORTS
from campaigns.models import Batch, Message, ReceiptKind
from pushplatform.webpush.request import PushService

log = logging.getLogger(__name__)

NIGHTLY: Final = timedelta(days=2)
"""How far back the nightly look goes for messages that came to their end."""

_COLUMNS: Final = (*OUTCOMES.values(), *REPORTS)
_IN_SUM: Final = ("browser", "os", "language")
_WITHOUT_OUTCOME: Final = "without outcome"


class Scope(NamedTuple):
    """What is compared: a campaign with all its messages, or a message that has none (`campaign_id` None)."""

    campaign_id: int | None
    message_ids: list[int]


class Difference(NamedTuple):
    """A figure that is not what the facts say. `number`: the message's id, or the campaign's in a table of campaigns.

    `minute` None: the sum over all minutes; `value` None: the sum over all values of the dimension.
    """

    table: str
    number: int
    minute: datetime | None
    dimension: str | None
    value: str | None
    column: str
    facts: int
    counted: int

    @property
    def repairable(self) -> bool:
        """Whether the facts say what the figure should be."""
        return self.column != _WITHOUT_OUTCOME and (self.table != "breakdown" or self.value is not None)


class FactsGone(ValueError):
    """The facts of this message are no longer kept: there is nothing to compare its counters with."""


def scope_of_message(message_id: int) -> Scope:
    """The message, with its campaign when it has one; raises Message.DoesNotExist."""
    campaign_id = Message.objects.values_list("campaign_id", flat=True).get(pk=message_id)
    return Scope(None, [message_id]) if campaign_id is None else scope_of_campaign(campaign_id)


def scope_of_campaign(campaign_id: int) -> Scope:
    """The campaign with all its messages; of one that was never launched there are none."""
    messages = Message.objects.filter(campaign_id=campaign_id).order_by("pk")
    return Scope(campaign_id, list(messages.values_list("pk", flat=True)))


def differences(scope: Scope) -> list[Difference]:
    """Every figure that is not what the facts say, in the order of the tables' locks; raises FactsGone."""
    given = {"messages": scope.message_ids, "campaign": scope.campaign_id}
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        if min(scope.message_ids, default=_NEWEST) < cursor.fetchone()[0]:
            raise FactsGone
        cursor.execute(_TARGETED, given)
        found = [Difference(*row) for row in cursor.fetchall()]
        cursor.execute(_statement(campaign=scope.campaign_id is not None), given)
        found += [Difference(*row) for row in cursor.fetchall()]
    return sorted(found, key=_place)


def repair(scope: Scope, now: datetime) -> list[Difference]:
    """Sets right, in one transaction, what the facts can tell; returns the differences found, also those it had to
    leave. Raises FactsGone.

    What is missing is added to slot 0, so nothing sent meanwhile is overwritten. The messages stay locked: nobody else
    repairs, freezes, cancels or finishes them. A message that only a wrong figure kept open ends afterwards.
    """
    with transaction.atomic():
        list(Message.objects.select_for_update(no_key=True).filter(pk__in=scope.message_ids).order_by("pk"))
        found = differences(scope)
        with connection.cursor() as cursor:
            for one in found:
                if one.repairable:
                    _add(cursor, one, now)
    for message_id in scope.message_ids:
        finishing.finish_if_complete(message_id, now)
    return found


def reconcile_finished(now: datetime, stopping: Callable[[], bool]) -> int:
    """Compares what came to its end in the last two days and logs differences as errors; how many there were.

    `stopping`: true once this process is to end. What is left then is compared the next night.
    """
    ended = Message.objects.filter(finished_at__gte=now - NIGHTLY).order_by("pk")
    seen: set[int] = set()
    total = 0
    for message_id in ended.values_list("pk", flat=True):
        if stopping():
            break
        if message_id in seen:
            continue
        scope = scope_of_message(message_id)
        seen.update(scope.message_ids)
        found = differences(scope)
        total += len(found)
        for one in found:
            whose = "message" if one.table.startswith("message") else "campaign"
            what = " ".join(described(one))
            log.error(
                "%s %s: %s is %s in the counters and %s in the facts", whose, one.number, what, one.counted, one.facts
            )
    return total


def described(one: Difference) -> tuple[str, str, str]:
    """Table, row and column of a difference, as people read them."""
    row = [f"{one.minute:%Y-%m-%d %H:%M}"] if one.minute else []
    row += [one.dimension] if one.dimension else []
    row += [one.value or '""'] if one.value is not None else []
    return one.table, " ".join(row) or "all", one.column


_NEWEST: Final = 2**63 - 1
_OLDEST: Final = r"""
    select coalesce(max(oldest), 0) from (
        select min(substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM \('?(\d+)$$)::bigint) oldest
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent in ('delivery'::regclass, 'receipt'::regclass) group by i.inhparent) p"""
"""The first id of the oldest partition: what is older has lost its facts."""

_TABLES: Final = ("message", "message_total", "campaign_total", "campaign_minute", "breakdown")
_FIRST: Final = datetime.min


def _place(one: Difference) -> tuple[Any, ...]:
    minute = one.minute.replace(tzinfo=None) if one.minute else _FIRST
    return _TABLES.index(one.table), one.number, minute, one.dimension or "", one.value or "", one.column


def _add(cursor: Any, one: Difference, now: datetime) -> None:
    """Adds what is missing to slot 0, or takes off what is too much."""
    missing = one.facts - one.counted
    if one.table == "message":
        cursor.execute("update message set targeted = targeted + %s where id = %s", [missing, one.number])
        return
    if one.table == "breakdown":
        keys: dict[str, Any] = {"campaign_id": one.number, "dimension": one.dimension, "value": one.value}
    elif one.table == "campaign_minute":
        minute = one.minute or _minute_of_cancelled(cursor, one.number, now)
        keys = {"campaign_id": one.number, "minute": minute, "slot": 0}
    else:
        keys = {"message_id" if one.table == "message_total" else "campaign_id": one.number, "slot": 0}
    cursor.execute(
        f"insert into {one.table} as x ({', '.join(keys)}, {one.column})"
        f" values ({', '.join(['%s'] * len(keys))}, %s)"
        f" on conflict ({', '.join(keys)}) do update set {one.column} = x.{one.column} + excluded.{one.column}",
        [*keys.values(), missing],
    )


def _minute_of_cancelled(cursor: Any, campaign_id: int, now: datetime) -> datetime:
    """The minute in which most were cancelled, as far as the counters know."""
    cursor.execute(
        "select minute from campaign_minute where campaign_id = %s order by cancelled desc, minute desc limit 1",
        [campaign_id],
    )
    row = cursor.fetchone()
    return row[0] if row else now.replace(second=0, microsecond=0)


_TARGETED: Final = f"""
    with u as materialized (
        select b.message_id, x.d, bool_or(b.state <> {Batch.State.DONE:d}) waiting
        from batch b cross join lateral unnest(b.device_ids) x(d)
        where b.message_id = any(%(messages)s) group by 1, 2),
    t as (
        select m.id, m.targeted, count(u.d) devices, count(u.d) filter (
            where m.status <> {Message.Status.CANCELLED:d} and not u.waiting and x.device_id is null
              and not exists (select from retry r where r.message_id = u.message_id and r.device_id = u.d)) lost
        from message m left join u on u.message_id = m.id
        left join delivery x on x.message_id = u.message_id and x.device_id = u.d
        where m.id = any(%(messages)s) group by m.id)
    select 'message', id, null::timestamptz, null::text, null::text, c.*
    from t cross join lateral (values ('targeted', devices, targeted), ('{_WITHOUT_OUTCOME}', lost, 0)) c(n, f, c)
    where c.f <> c.c"""
"""The second figure: devices that have no outcome and wait nowhere. There are none, and no counter could mend it."""


def _statement(*, campaign: bool) -> str:
    """Compares all counters with the facts, those of the campaign too when there is one."""
    parts = [
        "select 'message_total', message_id, null::timestamptz, null::text, null::text, name, n, 0 from f",
        _counted("message_total", "message_id", "= any(%(messages)s)"),
    ]
    if campaign:
        whole = "%(campaign)s::bigint"
        minute = "case when name <> 'cancelled' then minute end"
        parts += [
            f"select 'campaign_total', {whole}, null, null, null, name, n, 0 from f",
            _counted("campaign_total", "campaign_id", f"= {whole}"),
            f"select 'campaign_minute', {whole}, {minute}, null, null, name, n, 0 from f",
            _counted("campaign_minute", "campaign_id", f"= {whole}", minute=minute),
            f"select 'breakdown', {whole}, null, 'service', service, name, n, 0 from f where service is not null",
            f"select 'breakdown', {whole}, null, 'button', button, name, n, 0 from f where button is not null",
            f"""select 'breakdown', {whole}, null, d, null, name, n, 0
                from f cross join unnest(array{list(_IN_SUM)!r}) d where service is not null""",
            _counted("breakdown", "campaign_id", f"= {whole}", names=OUTCOMES.values(),
                     dimension="dimension", value="case when dimension = 'service' then value end")
            + " and dimension <> 'button'",
            _counted("breakdown", "campaign_id", f"= {whole}", names=["clicked"], dimension="dimension", value="value")
            + " and dimension = 'button'",
        ]  # fmt: skip
    everything = "\n union all ".join(parts)
    return f"""
        with {_FACTS}
        select t, number, minute, dimension, value, name, sum(facts)::bigint, sum(counted)::bigint
        from ({everything}) x(t, number, minute, dimension, value, name, facts, counted)
        where name <> 'cancelled' or not exists (select from cancelling)
        group by 1, 2, 3, 4, 5, 6 having sum(facts) <> sum(counted)"""


def _counted(
    table: str, key: str, condition: str, *, names: Iterable[str] = _COLUMNS,
    minute: str = "null", dimension: str = "null", value: str = "null",
) -> str:  # fmt: skip
    """The counters of a table, a row for each."""
    columns = ", ".join(f"('{name}', x.{name})" for name in names)
    return f"""select '{table}', x.{key}, {minute}, {dimension}, {value}, name, 0, n
               from {table} x cross join lateral (values {columns}) c(name, n) where x.{key} {condition}"""


def _named(column: str, names: Sequence[tuple[int, str]]) -> str:
    return f"case {column} {' '.join(f'when {number} then {name!r}' for number, name in names)} end"


_OUTCOME: Final = _named("status", [(int(outcome), name) for outcome, name in OUTCOMES.items()])
_REPORT: Final = _named("kind", list(zip(ReceiptKind.values, REPORTS, strict=True)))
_SERVICE: Final = _named("service", [(int(service), service.name.lower()) for service in PushService])
_CANCELLED: Final = f"m.id = any(%(messages)s) and m.status = {Message.Status.CANCELLED:d}"

_FACTS: Final = f"""
    cancelling as (select from message m where {_CANCELLED} and m.finished_at is null),
    f(message_id, minute, service, button, name, n) as materialized (
        select message_id, date_trunc('minute', at, 'UTC'), {_SERVICE}, null, {_OUTCOME}, count(*)
        from delivery where message_id = any(%(messages)s) group by 1, 2, 3, 5
        union all
        select message_id, date_trunc('minute', at, 'UTC'), null,
               case when kind = {ReceiptKind.CLICKED:d} then coalesce(action, '') end, {_REPORT}, count(*)
        from receipt where message_id = any(%(messages)s) group by 1, 2, 4, 5
        union all
        select b.message_id, null, null, null, 'cancelled', count(distinct u.d)
        from message m join batch b on b.message_id = m.id cross join lateral unnest(b.device_ids) u(d)
        where {_CANCELLED} and m.finished_at is not null
          and not exists (select from delivery x where x.message_id = m.id and x.device_id = u.d)
        group by 1)"""
"""An outcome by message, minute and service; a report by message, minute and, of clicks, button; who was cancelled."""
