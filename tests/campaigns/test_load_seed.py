"""The large Site made by SQL: alike each time, and its statistics are what its facts say."""

from __future__ import annotations

import io

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from campaigns import load_seed
from campaigns.models import Delivery, Receipt
from subscribers.models import Contact, ContactListMember, Device, DeviceStats

SCALE = 0.0004


def test_the_statistics_of_a_seeded_site_are_what_its_facts_say(fresh_database: str) -> None:
    now = timezone.now()
    seeded = load_seed.seed(SCALE, now)
    assert (Contact.objects.count(), Device.objects.count()) == (400, 600)
    assert abs(Delivery.objects.count() / (600 * load_seed.CAMPAIGNS) - load_seed.DELIVERED) < 0.05
    assert Receipt.objects.filter(kind=3).exists()
    assert ContactListMember.objects.filter(list=seeded.list).exists()
    with connection.cursor() as cursor:
        for name, facts in (
            ("sent", "select device_id, at from delivery"),
            ("received", "select device_ref, at from receipt where kind = 1"),
            ("clicked", "select device_ref, at from receipt where kind = 3"),
        ):
            cursor.execute(
                f"""select count(*) from device_stats s left join (
                        select id, count(*) n, max(at) last,
                               (array_agg(extract(epoch from at)::int order by at desc))[1:10] recent
                        from ({facts}) f (id, at) group by id) f on f.id = s.device_id
                    where s.{name} <> coalesce(f.n, 0) or s.last_{name}_at is distinct from f.last
                       or s.recent_{name} <> coalesce(f.recent, '{{}}')"""
            )
            assert cursor.fetchone() == (0,), name


def test_a_second_large_site_stands_beside_the_first(fresh_database: str) -> None:
    for _ in range(2):
        call_command("seed_load", scale=SCALE, verbosity=0, stdout=io.StringIO())
    assert Device.objects.count() == 1200
    assert DeviceStats.objects.filter(sent__gt=0).count() > 1100
