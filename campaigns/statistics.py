"""Figures of Messages and campaigns for the API and the pages. Reads counters, never counts facts while somebody waits.

What only the facts know, distinct people and the reasons of failures, is worked out by `refresh_figures` for large
messages, and at once for one of at most SMALL devices.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from campaigns.counting import DIMENSIONS, OUTCOMES, REPORTS, sums
from campaigns.models import Message, ReceiptKind
from pushplatform.partitions import first_message_id
from pushplatform.webpush.outcome import REASONS, Outcome

SMALL: Final = 5_000
"""Devices, up to which people and reasons are worked out when asked."""

FRESH: Final = timedelta(minutes=1)
_FOLLOWED: Final = timedelta(days=35)
"""How long after its making a message is looked at for new receipts: 28 days of life and some."""

_ENDS: Final = tuple(OUTCOMES.values())
_COUNTED: Final = (*_ENDS, *REPORTS)
_CODES: Final = {reason.number: code for code, reason in REASONS.items()}
_RECEIVED, _SHOWN, _CLICKED, _CLOSED, _CONVERTED = ReceiptKind.values


def message_statistics(message_id: int, now: datetime | None = None) -> dict[str, int]:
    """The figures of api.md, in devices: targeted, each outcome and report, expired_unseen, remaining."""
    message = Message.objects.only("targeted", "expires_at").get(pk=message_id)
    return statistics_of([message], now)[message_id]


def statistics_of(messages: Sequence[Message], now: datetime | None = None) -> dict[int, dict[str, int]]:
    """The same of several messages, by id, in one query."""
    now = now or timezone.now()
    columns = ", ".join(f"coalesce(sum({column}), 0)::bigint" for column in _COUNTED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"select u.id, {columns} from unnest(%s::bigint[]) u(id)"
            " left join message_total t on t.message_id = u.id group by u.id",
            [[message.pk for message in messages]],
        )
        counted = {row[0]: dict(zip(_COUNTED, row[1:], strict=True)) for row in cursor.fetchall()}
    return {
        message.pk: _completed(
            message.targeted, counted[message.pk], _unseen(counted[message.pk]) if message.expires_at <= now else 0
        )
        for message in messages
    }


def status_word(message: Message, statistics: dict[str, int]) -> str:
    """The status of api.md. `queued` is what is to be sent and has no outcome yet."""
    words = {
        Message.Status.SCHEDULED: "scheduled",
        Message.Status.PAUSED: "paused",
        Message.Status.FINISHED: "finished",
        Message.Status.CANCELLED: "cancelled",
        Message.Status.EXPIRED: "expired",
    }
    nothing_yet = not any(statistics[name] for name in _ENDS)
    return words.get(message.status) or ("queued" if nothing_yet else "sending")


def campaign_statistics(campaign_id: int, now: datetime | None = None) -> dict[str, Any]:
    """Everything of a campaign's page:

    `totals` as of message_statistics; `people` {targeted, reached, shown, clicked} or None before it was worked out;
    `failures` {reason code: devices}; `minutes` [{minute, accepted, …}] in order, only those in which something
    happened; `breakdowns` {dimension: [{value, accepted, …}]}, the largest first.
    """
    now = now or timezone.now()
    messages = list(Message.objects.filter(campaign_id=campaign_id).only("targeted", "expires_at", "figures"))
    with connection.cursor() as cursor:
        totals = sums(cursor, "campaign_total", "campaign_id", campaign_id, _COUNTED)
        unseen = 0
        for message in messages:
            if message.expires_at <= now:
                unseen += _unseen(sums(cursor, "message_total", "message_id", message.pk, _COUNTED))
        minutes = _minutes(cursor, campaign_id)
        breakdowns = _breakdowns(cursor, campaign_id)
    figures = [figures_of(message) for message in messages]
    people = [one["people"] for one in figures if one is not None]
    return {
        "totals": _completed(sum(message.targeted for message in messages), totals, unseen),
        # Variants of a campaign share nobody, so their people may be added.
        "people": _added(people) if people else None,
        "failures": _added([one["failures"] for one in figures if one is not None]),
        "minutes": minutes,
        "breakdowns": breakdowns,
    }


def figures_of(message: Message) -> dict[str, Any] | None:
    """`people` and `failures` of a message: as last worked out, at once for a small one, else None."""
    if message.targeted <= SMALL:
        with connection.cursor() as cursor:
            return {"people": _people(cursor, message.pk), "failures": _failures(cursor, message.pk)}
    return message.figures or None


def refresh_figures(now: datetime) -> int:
    """Works out people and failures of large messages in which something happened; returns of how many messages.

    Each at most once a minute, and the older it is the less often: a late receipt does not count a million rows anew.
    """
    refreshed = 0
    for message_id, counted, worked_out, made in _changed(now):
        if worked_out is not None and worked_out > now - max(FRESH, (now - made) / 100):
            continue
        with connection.cursor() as cursor:
            figures = {"people": _people(cursor, message_id), "failures": _failures(cursor, message_id)}
        Message.objects.filter(pk=message_id).update(figures=figures | {"at": now.isoformat(), "counted": counted})
        refreshed += 1
    return refreshed


def _changed(now: datetime) -> list[tuple[int, int, datetime | None, datetime]]:
    """Large messages whose counters differ from when they were worked out: id, sum, worked out, made."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""select m.id, t.counted, (m.figures->>'at')::timestamptz, m.created_at
                from message m cross join lateral (
                    select coalesce(sum({" + ".join(_COUNTED)}), 0)::bigint + m.targeted counted
                    from message_total where message_id = m.id) t
                where m.id >= %s and m.targeted > %s
                  and coalesce((m.figures->>'counted')::bigint, -1) <> t.counted
                order by m.id""",
            [first_message_id(now - _FOLLOWED), SMALL],
        )
        return list(cursor.fetchall())


def _people(cursor: Any, message_id: int) -> dict[str, int]:
    """Distinct contacts; devices without one are nobody. Reports count where they are tied to a device."""
    cursor.execute(
        "select count(distinct c) from batch, unnest(contact_ids) c where message_id = %s and c <> 0", [message_id]
    )
    (targeted,) = cursor.fetchone()
    cursor.execute(
        "select count(distinct contact_id) from delivery where message_id = %s and status = %s and contact_id <> 0",
        [message_id, int(Outcome.ACCEPTED)],
    )
    (reached,) = cursor.fetchone()
    cursor.execute(
        """select count(distinct d.contact_id) filter (where r.kind = %s),
                  count(distinct d.contact_id) filter (where r.kind = %s)
           from receipt r join delivery d on d.message_id = r.message_id and d.device_id = r.device_ref
           where r.message_id = %s and r.device_ref > 0 and d.contact_id <> 0""",
        [_SHOWN, _CLICKED, message_id],
    )
    shown, clicked = cursor.fetchone()
    return {"targeted": targeted, "reached": reached, "shown": shown, "clicked": clicked}


def _failures(cursor: Any, message_id: int) -> dict[str, int]:
    cursor.execute(
        "select reason, count(*) from delivery where message_id = %s and status <> %s and reason is not null"
        " group by reason order by 2 desc, 1",
        [message_id, int(Outcome.ACCEPTED)],
    )
    return {_CODES.get(number, f"reason_{number}"): count for number, count in cursor.fetchall()}


def _minutes(cursor: Any, campaign_id: int) -> list[dict[str, Any]]:
    columns = ", ".join(f"sum({name})::bigint" for name in _COUNTED)
    cursor.execute(
        f"select minute, {columns} from campaign_minute where campaign_id = %s group by minute order by minute",
        [campaign_id],
    )
    return [dict(zip(("minute", *_COUNTED), row, strict=True)) for row in cursor.fetchall()]


def _breakdowns(cursor: Any, campaign_id: int) -> dict[str, list[dict[str, Any]]]:
    cursor.execute(
        f"select dimension, value, {', '.join(_COUNTED)} from breakdown where campaign_id = %s"
        " order by accepted desc, clicked desc, value",
        [campaign_id],
    )
    found: dict[str, list[dict[str, Any]]] = {dimension: [] for dimension in DIMENSIONS}
    for dimension, *row in cursor.fetchall():
        found.setdefault(dimension, []).append(dict(zip(("value", *_COUNTED), row, strict=True)))
    return found


def _completed(targeted: int, counted: dict[str, int], unseen: int) -> dict[str, int]:
    remaining = max(targeted - sum(counted[name] for name in _ENDS), 0)
    return {"targeted": targeted, **counted, "expired_unseen": unseen, "remaining": remaining}


def _unseen(counted: dict[str, int]) -> int:
    """Accepted and never received, once the time to live has passed."""
    return max(counted["accepted"] - counted["received"], 0)


def _added(many: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in many:
        for name, number in one.items():
            total[name] = total.get(name, 0) + number
    return total
