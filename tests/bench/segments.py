"""P6, P7: exact counts of twenty segments, and freezing, over a million contacts, 1.5 million devices and ten million
deliveries (BENCH_SCALE 0.1 takes a tenth). Beside each count the same question as a Django developer would first ask.

`p95_ms` is that of the slowest segment; `vs_naive` is the median of how many times longer the naive form takes.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from campaigns import freezing, launch, load_seed
from campaigns.audience import Audience
from campaigns.load_seed import Seeded
from campaigns.models import Campaign, CampaignSegment, Delivery, Message, Receipt
from campaigns.previewing import preview
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Behaviour, ConsentState, ContactList, ContactListMember, Device, Segment
from tests.parts import database

ON_STAGE = True
ROUNDS = 15
NAIVE_ROUNDS = 1
NAIVE_LIMIT_S = 60
FREEZES = 3

Naive = Callable[[Seeded, datetime], QuerySet[Device]]
PLAN, CITY = "contact.attributes.plan", "contact.attributes.city"


def asks(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


def _receipts(now: datetime, kind: int, days: int) -> Any:
    return Receipt.objects.filter(device_ref=OuterRef("pk"), kind=kind, at__gt=now - timedelta(days=days))


def _often(now: datetime, kind: int, days: int, least: int) -> Any:
    found = Receipt.objects.filter(kind=kind, at__gt=now - timedelta(days=days)).values("device_ref")
    return found.annotate(n=Count("*")).filter(n__gte=least).values("device_ref")


def queries(seeded: Seeded) -> dict[str, tuple[dict[str, Any], Naive]]:
    """Name → the definition, and its naive form."""
    campaign = seeded.campaigns[-2]
    campaign_id = public_ids.encode("cmp", campaign.pk)
    cities = ["Warszawa", "Kraków"]
    pro = asks(PLAN, "in", ["pro", "team"])
    return {
        "everyone": ({"all": []}, lambda s, now: _all(s)),
        "plan_and_city": (
            {"all": [asks(PLAN, "eq", "pro"), asks(CITY, "in", ["Paris", "Berlin"])]},
            lambda s, now: _all(s).filter(
                contact__attributes__plan="pro", contact__attributes__city__in=["Paris", "Berlin"]
            ),
        ),
        "rare_three": (
            {
                "all": [
                    asks(PLAN, "eq", "team"),
                    asks(CITY, "eq", "Vilnius"),
                    asks("contact.attributes.vip", "eq", True),
                ]
            },
            lambda s, now: _all(s).filter(
                contact__attributes__plan="team", contact__attributes__city="Vilnius", contact__attributes__vip=True
            ),
        ),
        "ltv_over_4000": (
            asks("contact.attributes.ltv", "gt", 4000),
            lambda s, now: _all(s).filter(contact__attributes__ltv__gt=4000),
        ),
        "nested_contact": (
            {
                "all": [
                    {"any": [pro, asks("contact.tags", "has", "newsletter")]},
                    {"not": asks("contact.tags", "has", "staff")},
                    asks("contact.attributes.ltv", "between", [100, 3000]),
                ]
            },
            lambda s, now: (
                _all(s)
                .filter(Q(contact__attributes__plan__in=["pro", "team"]) | Q(contact__tags__contains=["newsletter"]))
                .exclude(contact__tags__contains=["staff"])
                .filter(contact__attributes__ltv__range=(100, 3000))
            ),
        ),
        "name_contains": (
            asks(CITY, "contains", "ar"),
            lambda s, now: _all(s).filter(contact__attributes__city__icontains="ar"),
        ),
        "browser_seen": (
            {
                "all": [
                    asks("device.browser", "in", ["firefox", "chrome"]),
                    asks("device.form", "eq", "desktop"),
                    asks("device.last_seen", "within", "30d"),
                ]
            },
            lambda s, now: _all(s).filter(
                browser__in=["firefox", "chrome"], form="desktop", last_seen_at__gt=now - timedelta(days=30)
            ),
        ),
        "old_versions": (
            asks("device.browser_version", "lt", 110),
            lambda s, now: _all(s).filter(browser_version__lt="110"),
        ),
        "contact_and_device": (
            {"all": [pro, asks(CITY, "in", cities), asks("device.browser", "eq", "firefox")]},
            lambda s, now: _all(s).filter(
                contact__attributes__plan__in=["pro", "team"], contact__attributes__city__in=cities, browser="firefox"
            ),
        ),
        "clicked_30d": (
            asks("engagement.clicked", "within", "30d"),
            lambda s, now: _all(s).filter(Exists(_receipts(now, 3, 30))),
        ),
        "not_clicked_90d": (
            {"not": asks("engagement.clicked", "within", "90d")},
            lambda s, now: _all(s).exclude(Exists(_receipts(now, 3, 90))),
        ),
        "received_3_in_7d": (
            asks("engagement.received_count", "gte", 3, within="7d"),
            lambda s, now: _all(s).filter(pk__in=_often(now, 1, 7, 3)),
        ),
        "tired": (
            {
                "all": [
                    asks("engagement.received_count", "gte", 3, within="14d"),
                    asks("engagement.clicked_count", "eq", 0, within="14d"),
                ]
            },
            lambda s, now: _all(s).filter(pk__in=_often(now, 1, 14, 3)).exclude(Exists(_receipts(now, 3, 14))),
        ),
        "everything_nested": (
            {
                "all": [
                    pro,
                    asks(CITY, "in", cities),
                    asks("device.browser", "in", ["firefox", "chrome"]),
                    asks("device.form", "eq", "desktop"),
                    asks("device.last_seen", "within", "30d"),
                    asks("engagement.received_count", "gte", 3, within="14d"),
                    {"not": asks("engagement.clicked", "within", "14d")},
                    {"not": asks("contact.tags", "has", "staff")},
                ]
            },
            lambda s, now: (
                _all(s)
                .filter(
                    contact__attributes__plan__in=["pro", "team"],
                    contact__attributes__city__in=cities,
                    browser__in=["firefox", "chrome"],
                    form="desktop",
                    last_seen_at__gt=now - timedelta(days=30),
                    pk__in=_often(now, 1, 14, 3),
                )
                .exclude(Exists(_receipts(now, 3, 14)))
                .exclude(contact__tags__contains=["staff"])
            ),
        ),
        "clicked_a_campaign": (
            asks("engagement.clicked", "is_set", campaign=campaign_id),
            lambda s, now: _all(s).filter(
                Exists(
                    Receipt.objects.filter(
                        device_ref=OuterRef("pk"),
                        kind=3,
                        message_id__in=Message.objects.filter(campaign=campaign).values("pk"),
                    )
                )
            ),
        ),
        "sent_a_campaign_not_shown": (
            {
                "all": [
                    asks("engagement.sent", "is_set", campaign=campaign_id),
                    {"not": asks("engagement.shown", "is_set", campaign=campaign_id)},
                ]
            },
            lambda s, now: (
                _all(s)
                .filter(
                    Exists(
                        Delivery.objects.filter(
                            device_id=OuterRef("pk"),
                            status=1,
                            message_id__in=Message.objects.filter(campaign=campaign).values("pk"),
                        )
                    )
                )
                .exclude(
                    Exists(
                        Receipt.objects.filter(
                            device_ref=OuterRef("pk"),
                            kind=2,
                            message_id__in=Message.objects.filter(campaign=campaign).values("pk"),
                        )
                    )
                )
            ),
        ),
        "left_a_cart": (
            {
                "all": [
                    asks("event", "within", "2d", name="cart_abandoned"),
                    {"not": asks("event", "within", "2d", name="bought")},
                ]
            },
            lambda s, now: (
                _all(s).filter(Exists(_events(now, "cart_abandoned", 2))).exclude(Exists(_events(now, "bought", 2)))
            ),
        ),
        "big_orders": (
            asks(
                "event", "gte", 1, name="bought", within="60d", where=[{"property": "total", "op": "gt", "value": 400}]
            ),
            lambda s, now: _all(s).filter(Exists(_events(now, "bought", 60).filter(properties__total__gt=400))),
        ),
        "withdrew_offers": (
            asks("consent.offers", "eq", "withdrawn"),
            lambda s, now: _all(s).filter(
                Exists(
                    ConsentState.objects.filter(scope=1, subject_id=OuterRef("pk"), purpose_id=s.offers.pk, decision=2)
                )
            ),
        ),
        "in_a_list": (
            {
                "all": [
                    asks("contact.list", "in", [public_ids.encode("lst", seeded.list.pk)]),
                    asks("device.country", "eq", "PL"),
                ]
            },
            lambda s, now: _all(s).filter(
                Exists(ContactListMember.objects.filter(list=s.list, contact_id=OuterRef("contact_id"))), country="PL"
            ),
        ),
    }


def _all(seeded: Seeded) -> QuerySet[Device]:
    return Device.objects.filter(site=seeded.site, status__lt=Device.Status.REPLACED)


def _events(now: datetime, name: str, days: int) -> Any:
    return Behaviour.objects.filter(
        contact_id=OuterRef("contact_id"), name=name, occurred_at__gt=now - timedelta(days=days)
    )


def run() -> dict[str, Any]:
    """Milliseconds by segment (p50 and p95), the slowest p95, freezing, and the ratios to the naive forms."""
    with database.fresh():
        return measured(load_seed.seed(float(os.environ.get("BENCH_SCALE") or 1), timezone.now(), _say))


def again() -> dict[str, Any]:
    """The same over a database that was seeded before."""
    site = Site.objects.filter(name="A large shop").latest("pk")
    campaigns = list(Campaign.objects.filter(site=site, name__startswith="Campaign").order_by("pk"))
    return measured(
        Seeded(site, site.purposes.get(key="offers"), campaigns, ContactList.objects.filter(site=site).latest("pk"))
    )


def measured(seeded: Seeded) -> dict[str, Any]:
    now = timezone.now()
    counts: dict[str, Any] = {}
    ratios: list[float] = []
    slowest = 0.0
    for name, (definition, naive) in queries(seeded).items():
        audience = Audience(seeded.site.pk, seeded.offers.bit, (definition,), (), now=now)
        found = preview(audience)
        times = sorted(_timed(lambda: preview(audience)) for _ in range(ROUNDS))  # noqa: B023
        p50, p95 = median(times), times[math.ceil(0.95 * len(times)) - 1]
        naive_ms, same = _naive(
            naive(seeded, now), 1 << seeded.offers.bit, found.waterfall.matched if found.waterfall else None
        )
        ratios.append(naive_ms / p50)
        slowest = max(slowest, p95)
        limit = ">" if naive_ms >= NAIVE_LIMIT_S * 1000 else ""
        counts[name] = f"{p50:,.0f} / {p95:,.0f} ms, naive {limit}{naive_ms:,.0f}, {found.words}{same}"
        _say(f"{name}: {counts[name]}")
    return {
        **counts,
        "p95_ms": round(slowest, 1),
        **_freezing(seeded),
        "ratios": {"vs_naive": round(median(ratios), 2)},
    }


def _naive(queryset: QuerySet[Device], bit: int, matched: int | None) -> tuple[float, str]:
    """Milliseconds of the naive count; a word when it gives another number, as with old versions compared as texts."""
    counts: list[int] = []
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"set local statement_timeout = {NAIVE_LIMIT_S * 1000}")
            times = [_timed(lambda: counts.append(_waterfall(queryset, bit))) for _ in range(NAIVE_ROUNDS)]
    except OperationalError:
        return NAIVE_LIMIT_S * 1000.0, ""
    return median(times), "" if matched in (None, counts[0]) else f" (naive counts {counts[0]:,})"


def _waterfall(queryset: QuerySet[Device], bit: int) -> int:
    """The same figures that a preview shows, in one aggregate; how many matched."""
    rows = queryset.annotate(agreed=F("allowed").bitand(bit))
    may = Q(agreed__gt=0, status=Device.Status.ACTIVE)
    found = rows.aggregate(
        matched=Count("pk"),
        with_consent=Count("pk", filter=Q(agreed__gt=0)),
        active=Count("pk", filter=may),
        people=Count("contact", filter=may, distinct=True),
        unlinked=Count("pk", filter=may & Q(contact=None)),
    )
    return int(found["matched"])


def _freezing(seeded: Seeded) -> dict[str, float]:
    """P7: of everyone, who agreed; the first batch, and the whole per million devices in it."""
    firsts, wholes = [], []
    for _ in range(FREEZES):
        with _launched(seeded) as message:
            begun = time.perf_counter()
            steps = freezing.freeze(message.pk)
            next(steps)
            firsts.append((time.perf_counter() - begun) * 1000)
            for _step in steps:
                pass
            seconds = time.perf_counter() - begun
            message.refresh_from_db()
            wholes.append(seconds * 1_000_000 / message.targeted)
    return {
        "frozen": message.targeted,
        "freeze_first_ms": round(median(firsts), 1),
        "freeze_1m_s": round(median(wholes), 2),
    }


@contextmanager
def _launched(seeded: Seeded) -> Iterator[Message]:
    """A message about to be frozen; it is gone afterwards."""
    campaign = Campaign.objects.create(
        site=seeded.site, name="Frozen", purpose=seeded.offers,
        content={"title": "Hello", "body": "There", "url": "https://large.example"},
    )  # fmt: skip
    everyone = Segment.objects.filter(site=seeded.site, name="Everyone").first()
    CampaignSegment.objects.create(campaign=campaign, segment=everyone)
    message = launch.launch(campaign.pk, None, timezone.now())
    assert message is not None
    yield message
    with connection.cursor() as cursor:
        cursor.execute("delete from batch where message_id = %s", [message.pk])
    Message.objects.filter(pk=message.pk).update(status=Message.Status.CANCELLED, finished_at=timezone.now())


def _timed(act: Callable[[], Any]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


__all__: Sequence[str] = ("again", "run")
