"""A Site with very many devices, written by SQL in seconds: for benchmarks and for the long tests.

Every device has an endpoint of its own and one of a few thousand real key pairs, so that each push is encrypted as it
would be; two devices of the same pair are PAIRS apart.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from django.db import connection

from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair
from pushplatform.webpush.request import PushService
from subscribers import purposes
from subscribers.models import Purpose

PAIRS = 4000
FIRST_NAMES = 2000
"""Different first names among the contacts."""

AT_ONCE = 100_000
"""Rows in one transaction."""

# Keeps what follows of the real shape: about 190 characters, as those of browsers have.
_TOKEN = "md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n)"


@dataclass(frozen=True)
class Crowd:
    """`pairs[n % PAIRS]` are the keys of the device with the endpoint `{base}/{folder}/{n}-…`, n from 0."""

    site: Site
    offers: Purpose
    key: VapidKey
    pairs: list[KeyPair]
    first_id: int
    """The device with the endpoint n has the id `first_id + n`, its contact the CRM id `CRM-{n}`."""

    size: int


def new_site() -> tuple[Site, Purpose, VapidKey]:
    """A Site of two languages with the purpose `offers` and a VAPID key."""
    site = Site.objects.create(
        name="Shop",
        origins=["https://shop.example"],
        vapid_subject="mailto:push@shop.example",
        icon_url="https://shop.example/icon.png",
    )
    purposes.add_site_defaults(site)
    offers = purposes.add(site, "offers", "marketing", "Offers", {"en": "Send me offers.", "pl": "Chcę ofert."})
    pair = KeyPair.generate()
    key = VapidKey.objects.create(site=site, public_key=pair.public_key, private_key=pair.private_key)
    return site, offers, key


def add_crowd(base: str, size: int, *, folder: str = "wpush/v2", linked: bool = True) -> Crowd:
    """A new Site with `size` active devices that agreed to `offers` and to being measured, subscribed at `base`.

    `linked` gives each a contact of its own with a first name. Half of the devices are English, half Polish; each
    tenth has no first name. Nothing stands in the ledger of consent.
    """
    site, offers, key = new_site()
    pairs = [KeyPair.generate() for _ in range(min(PAIRS, size))]
    with connection.cursor() as cursor:
        cursor.execute("create temporary table pair (no int primary key, p256dh bytea, auth bytea)")
        cursor.executemany(
            "insert into pair values (%s, %s, %s)",
            [(number, pair.public_key, os.urandom(16)) for number, pair in enumerate(pairs)],
        )
        cursor.execute("select current_setting('is_superuser') = 'on'")
        if cursor.fetchone()[0]:
            cursor.execute("set session_replication_role = replica")  # no look at each foreign key: half the time
        cursor.execute(
            "select coalesce((select max(id) from contact), 0) + 1, coalesce((select max(id) from device), 0) + 1"
        )
        first_contact, first_device = cursor.fetchone()
        for low in range(0, size, AT_ONCE):
            numbers = (low, min(low + AT_ONCE, size) - 1)
            if linked:
                _add_contacts(cursor, site, first_contact, numbers)
            _add_devices(cursor, key, offers, first_device, first_contact if linked else None, numbers)
            _add_subscriptions(cursor, site, first_device, len(pairs), f"{base}/{folder}/", numbers)
        cursor.execute("drop table pair")
        cursor.execute("reset session_replication_role")
        for table in ("contact", "device"):
            cursor.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}) + 1)")
        cursor.execute("vacuum (analyze) contact, device, subscription")
    return Crowd(site, offers, key, pairs, first_device, size)


def _add_contacts(cursor: Any, site: Site, first_id: int, numbers: tuple[int, int]) -> None:
    cursor.execute(
        f"""insert into contact (id, site_id, external_id, attributes, tags, owner, language, time_zone,
                                 created_at, updated_at)
            select %s + n, %s, 'CRM-' || n,
                   jsonb_build_object('plan', (array['free', 'pro', 'team'])[n %% 3 + 1],
                                      'city', (array['Paris', 'Berlin', 'Warszawa', 'Rome'])[n %% 4 + 1],
                                      'ltv', n %% 5000)
                   || case when n %% 10 = 9 then '{{}}'::jsonb
                           else jsonb_build_object('first_name', 'Anna-' || n %% {FIRST_NAMES}) end,
                   '{{}}', '', (array['en', 'pl'])[n %% 2 + 1], '', now(), now()
            from generate_series(%s::bigint, %s) n""",
        [first_id, site.pk, *numbers],
    )


def _add_devices(
    cursor: Any, key: VapidKey, offers: Purpose, first_id: int, first_contact: int | None, numbers: tuple[int, int]
) -> None:
    cursor.execute(
        """insert into device (id, site_id, contact_id, allowed, status, service, vapid_key_id, browser,
                               browser_version, os, form, language, time_zone, country, subscribed_at, last_seen_at,
                               tags)
           select %s + n, %s, %s::bigint + n, %s, 1, %s, %s, (array['chrome', 'firefox', 'edge'])[n %% 3 + 1], '140',
                  (array['windows', 'android', 'macos', 'linux'])[n %% 4 + 1],
                  case when n %% 4 = 1 then 'mobile' else 'desktop' end, (array['en-US', 'pl'])[n %% 2 + 1],
                  'Europe/Warsaw', 'PL', now() - interval '90 days', now() - n %% 86400 * interval '1 second', '{}'
           from generate_series(%s::bigint, %s) n""",
        [
            *(first_id, key.site_id, first_contact, 1 << offers.bit | 1 << Purpose.MEASUREMENT),
            *(int(PushService.LOCAL), key.pk, *numbers),
        ],
    )


def _add_subscriptions(
    cursor: Any, site: Site, first_id: int, pairs: int, folder: str, numbers: tuple[int, int]
) -> None:
    cursor.execute(
        f"""insert into subscription (device_id, site_id, endpoint, endpoint_hash, p256dh, auth, secret_hash, page)
            select %s + n, %s, e.endpoint, sha256(e.endpoint::bytea), p.p256dh, p.auth, sha256(n::text::bytea), '/'
            from generate_series(%s::bigint, %s) n
            cross join lateral (select %s || n || '-' || {_TOKEN} endpoint) e
            join pair p on p.no = n %% %s order by n""",
        [first_id, site.pk, *numbers, folder, pairs],
    )
