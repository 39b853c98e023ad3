"""People and browsers of a Site who differ in everything that the marketer's segment asks about: one of each kind."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from pushplatform.sites.models import Site, VapidKey
from subscribers.models import (
    Attribute,
    Contact,
    ContactList,
    ContactListMember,
    Device,
    DeviceStats,
    Purpose,
    Segment,
    Subscription,
)


class Person(NamedTuple):
    plan: str
    city: str
    browser: str
    form: str
    seen_days: int
    received: tuple[int, ...]
    """Days ago, the newest first."""
    clicked: tuple[int, ...]
    staff: bool


KINDS = (
    ("pro", "team", "free"),
    ("Warsaw", "Kraków", "Berlin"),
    ("firefox", "chrome", "safari"),
    ("desktop", "mobile"),
    (2, 60),
    ((1, 4, 9), (1, 4, 20), ()),
    ((), (3,), (40,)),
    (False, True),
)


def people() -> Iterator[Person]:
    return (Person(*kind) for kind in itertools.product(*KINDS))


def wanted() -> int:
    """How many are "pro or team customers in Warsaw or Kraków, Firefox or Chrome on a desktop, seen in 30 days, who got
    at least 3 and clicked none in 14 days, without the staff list"."""
    return sum(
        one.plan in ("pro", "team")
        and one.city in ("Warsaw", "Kraków")
        and one.browser in ("firefox", "chrome")
        and one.form == "desktop"
        and one.seen_days < 30
        and sum(day < 14 for day in one.received) >= 3
        and not any(day < 14 for day in one.clicked)
        and not one.staff
        for one in people()
    )


def settle(site: Site) -> ContactList:
    """Writes them all, with one browser each; gives the list of the staff among them."""
    now, found = timezone.now(), list(people())
    key = VapidKey.objects.filter(site=site).first()
    for name in ("plan", "city", "first_name"):
        Attribute.objects.create(
            site=site, key=name, type=Attribute.Type.STRING, title="" if name != "plan" else "plan"
        )
    contacts = Contact.objects.bulk_create(
        Contact(
            site=site,
            external_id=f"KIND-{number}",
            attributes={"plan": one.plan, "city": one.city, "first_name": f"Person {number}"},
            tags=["vip"] if number % 7 == 0 else [],
        )
        for number, one in enumerate(found)
    )
    devices = Device.objects.bulk_create(
        Device(
            site=site,
            contact=contact,
            allowed=(1 << Purpose.MEASUREMENT) | (1 << Purpose.objects.get(site=site, key="offers").bit),
            service=6,
            vapid_key=key,
            browser=one.browser,
            browser_version="130",
            os="windows" if one.form == "desktop" else "android",
            form=one.form,
            language="pl",
            subscribed_at=now - timedelta(days=90),
            last_seen_at=now - timedelta(days=one.seen_days),
        )
        for contact, one in zip(contacts, found, strict=True)
    )
    Subscription.objects.bulk_create(
        Subscription(
            device=device, site=site, endpoint=f"http://127.0.0.1:9/push/{device.pk}", endpoint_hash=os.urandom(32),
            p256dh=b"\4" * 65, auth=b"\1" * 16, secret_hash=os.urandom(32),
        )
        for device in devices
    )  # fmt: skip
    ago = lambda days: [int((now - timedelta(days=day)).timestamp()) for day in days]  # noqa: E731
    DeviceStats.objects.bulk_create(
        DeviceStats(
            device_id=device.pk,
            received=len(one.received),
            recent_received=ago(one.received),
            last_received_at=now - timedelta(days=one.received[0]) if one.received else None,
            clicked=len(one.clicked),
            recent_clicked=ago(one.clicked),
            last_clicked_at=now - timedelta(days=one.clicked[0]) if one.clicked else None,
        )
        for device, one in zip(devices, found, strict=True)
    )
    staff = ContactList.objects.create(site=site, name="Staff", members=sum(one.staff for one in found))
    ContactListMember.objects.bulk_create(
        ContactListMember(list=staff, contact=contact)
        for contact, one in zip(contacts, found, strict=True)
        if one.staff
    )
    Segment.objects.create(site=site, name="VIPs", definition={"field": "contact.tags", "op": "has", "value": "vip"})
    return staff
