"""Deliveries to be tried again: rows with a time, which the sweep turns into Batches when it has come."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import connection

from campaigns.models import Message

AT_ONCE: Final = 20_000
"""Rows moved in one transaction (a quarter of a second)."""


def move_due(now: datetime) -> list[tuple[int, int]]:
    """Moves what is due by `now` into new Batches with the next attempt; returns their (id, lane).

    One statement: a crash leaves all or nothing moved, and two sweeps at once share the rows. Those of paused messages
    and paused roads wait, but no longer than until they expire.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with due as (select r.message_id, r.device_id from retry r join message m on m.id = r.message_id
                             where r.not_before <= %s
                               and (m.status in ({Message.Status.FREEZING:d}, {Message.Status.SENDING:d})
                                    and not exists (select from service_state s where s.service = r.service
                                                    and s.vapid_key_id = r.vapid_key_id and s.paused_until > now())
                                    or m.status in ({Message.Status.FREEZING:d}, {Message.Status.SENDING:d},
                                                    {Message.Status.PAUSED:d}) and r.expires_at <= %s)
                             order by r.not_before limit {AT_ONCE} for update of r skip locked),
                     r as (delete from retry x using due
                           where x.message_id = due.message_id and x.device_id = due.device_id returning x.*),
                     t as (select *, (row_number() over (
                               partition by message_id, lane, service, vapid_key_id, attempt, throttled, unanswered
                               order by device_id
                           ) - 1) / %s g from r)
                insert into batch (message_id, lane, service, vapid_key_id, attempt, throttled, unanswered, expires_at,
                                   device_ids, contact_ids, recipient_nos, n)
                select message_id, lane, service, vapid_key_id, attempt + 1, throttled, unanswered, min(expires_at),
                       array_agg(device_id order by device_id), array_agg(contact_id order by device_id),
                       case when bool_or(recipient_no is not null) then array_agg(recipient_no order by device_id) end,
                       count(*)
                from t group by message_id, lane, service, vapid_key_id, attempt, throttled, unanswered, g
                returning id, lane""",
            [now, now, settings.PUSH_BATCH_SIZE],
        )
        return cursor.fetchall()
