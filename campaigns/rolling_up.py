"""Brings finished Batches into `device_stats`: how often and when each device was sent to."""

from typing import Final

from django.db import connection

from campaigns.models import Batch
from pushplatform.webpush.outcome import Outcome
from subscribers.models import Device

AT_ONCE: Final = 20
"""Batches in one transaction: about 20,000 devices, 0.1 s."""

NEWEST: Final = 10


def roll_up() -> int:
    """Rolls up some finished Batches, each exactly once; returns how many, 0 when there are none left.

    One statement: the flag is set with the figures. A device's retries stand in Batches of their own, told apart by
    the attempt; devices are written in the order of their ids, as receipts do it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with b as (update batch set rolled_up = true
                           where id in (select id from batch where state = {Batch.State.DONE:d} and not rolled_up
                                        order by id limit {AT_ONCE} for update skip locked)
                           returning id, message_id, attempt, device_ids),
                     u as (select message_id, attempt, unnest(device_ids) device_id from b),
                     -- offset 0: each delivery is looked up by its key. Else the planner, who does not know what the
                     -- arrays hold, may compare every delivery of a message with every device: minutes, not 0.1 s.
                     s as (select u.device_id, count(*)::int n, max(x.at) newest,
                                  (array_agg(floor(extract(epoch from x.at))::int order by x.at desc))[1:{NEWEST}] times
                           from u cross join lateral (
                               select x.at from delivery x
                               where x.message_id = u.message_id and x.device_id = u.device_id
                                 and x.attempts = u.attempt and x.status = {Outcome.ACCEPTED:d} offset 0) x
                           join device v on v.id = u.device_id and v.status <> {Device.Status.ERASED:d}
                           group by u.device_id),
                     w as (insert into device_stats as t (device_id, last_sent_at, sent, recent_sent, received, shown,
                                   clicked, recent_received, recent_shown, recent_clicked)
                           select device_id, newest, n, times, 0, 0, 0, '{{}}', '{{}}', '{{}}' from s order by device_id
                           on conflict (device_id) do update set
                               sent = t.sent + excluded.sent,
                               last_sent_at = greatest(t.last_sent_at, excluded.last_sent_at),
                               recent_sent = case
                                   when excluded.recent_sent[cardinality(excluded.recent_sent)] >= t.recent_sent[1]
                                   then (excluded.recent_sent || t.recent_sent)[1:{NEWEST}]
                                   else array(select e from unnest(t.recent_sent || excluded.recent_sent) e
                                              order by e desc limit {NEWEST}) end)
                select count(*) from b"""
        )
        return int(cursor.fetchone()[0])
