"""Random people with everything that segments ask about, and random definitions over them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone
from hypothesis import strategies as st

from campaigns.models import Campaign, Delivery, Message, Receipt
from campaigns.segment_fields import KINDS
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import (
    Attribute,
    Behaviour,
    ConsentState,
    Contact,
    ContactList,
    ContactListMember,
    Device,
    DeviceStats,
    Segment,
    Subscription,
)
from tests.subscribers.people import new_contact, new_device
from tests.subscribers.plain_segments import Known

ZONE = "Europe/Warsaw"
WORDS = ["pro", "Team", "Łódź", 'a "quoted" \\ 100 %s', "x' or true", "50%_"]
PARTS = ["p", "TEAM", "%", "_", ".*", "'", 'a "q', "łó", "zzz"]
NUMBERS = [-1, 0, 0.1, 5, 5.0, 1e3, 10**15]
DATES = ["1996-02-29", "2000-03-01", "2025-12-31", "2026-01-01", "2026-11-30", "2027-02-28", "2028-02-29"]
TYPES = {"plan": "string", "ltv": "number", "vip": "boolean", "since": "date", "likes": "strings"}
LANGUAGES = ["pl", "pl-PL", "en-GB", "plt"]
TAGS = ["vip", "new", "staff"]
SPANS = ["90m", "36h", "7d", "30d", "8w"]
MOMENTS = ["2026-05-01T12:00:00+00:00", "2026-05-20T14:00:00.000001+02:00"]
DAYS = ["2024-02-29", "2026-03-29", "2026-05-01", "2026-10-25"]

# At home it is the 1 March already, a leap day, and the night in which an hour is missing.
OTHER_TIMES = (
    datetime(2027, 2, 28, 23, 30, tzinfo=UTC),
    datetime(2028, 2, 29, 10, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 5, 2, 22, tzinfo=UTC),
)
TIMES = [datetime(2024, 2, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)]
TIMES += [datetime(2026, 4, 30, 22, tzinfo=UTC), datetime(2026, 5, 1, 21, 59, 59, 999_999, tzinfo=UTC)]
TIMES += [datetime(2026, 5, 1, 12, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)]


class People:
    """Sixty devices of twenty people and of nobody, with all that happened to them; `now` has whole seconds."""

    def __init__(self, site: Site, seed: int = 7):
        self.site = site
        self.chance = random.Random(seed)
        self.now = timezone.now().replace(microsecond=0)
        Site.objects.filter(pk=site.pk).update(time_zone=ZONE)
        Attribute.objects.bulk_create(Attribute(site=site, key=key, type=type_) for key, type_ in TYPES.items())
        contacts = self._contacts()
        self._devices([None, None, None, *contacts])
        self.devices = list(Device.objects.filter(site=site).select_related("contact"))
        self.known = Known(ZoneInfo(ZONE), dict(site.purposes.values_list("key", "bit")), TYPES)
        self._pages()
        self._decisions(contacts)
        self._lists(contacts)
        self._events(contacts)
        self._messages()
        definition = {"any": [{"field": "device.browser", "op": "eq", "value": "firefox"}]}
        saved = Segment.objects.create(site=site, name="Fox", definition=definition)
        self.known.saved[public_ids.encode("seg", saved.pk)] = definition

    def _time(self) -> datetime:
        chance = self.chance
        near = self.now - timedelta(
            seconds=chance.choice([0, 1, 5400, 129_600, 604_800, 604_799, 2_592_000, 4_838_400])
        )
        return chance.choice([*TIMES, near, near])

    def _attributes(self) -> dict[str, Any]:
        chance = self.chance
        values = {
            "plan": chance.choice(WORDS),
            "ltv": chance.choice(NUMBERS),
            "vip": chance.random() < 0.5,
            "since": chance.choice([*DATES, f"{self.now:%Y-%m-%d}", f"{self.now - timedelta(days=7):%Y-%m-%d}"]),
            "likes": chance.sample(WORDS, chance.randrange(3)),
        }
        return {key: value for key, value in values.items() if chance.random() < 0.7}

    def _contacts(self) -> list[Contact]:
        chance = self.chance
        contacts = [
            new_contact(
                self.site,
                attributes=self._attributes(),
                tags=chance.sample(TAGS, chance.randrange(3)),
                language=chance.choice(["", *LANGUAGES]),
                owner=chance.choice(["", "kate"]),
            )
            for _ in range(20)
        ]
        for contact in contacts:
            Contact.objects.filter(pk=contact.pk).update(created_at=self._time())
        return contacts

    def _devices(self, contacts: list[Contact | None]) -> None:
        chance = self.chance
        for _ in range(60):
            new_device(
                self.site,
                contact=chance.choice(contacts),
                allowed=chance.randrange(16),
                status=chance.choice([1, 1, 2, 3]),
                browser=chance.choice(["", "firefox", "chrome"]),
                browser_version=chance.choice(["", "128", "17.4", "beta", "99"]),
                os=chance.choice(["linux", "android"]),
                form=chance.choice(["desktop", "mobile"]),
                country=chance.choice(["", "PL", "DE"]),
                language=chance.choice(["", *LANGUAGES]),
                tags=chance.sample(TAGS, chance.randrange(3)),
                last_seen_at=self._time(),
                subscribed_at=self._time(),
            )

    def _pages(self) -> None:
        for device in self.devices:
            if self.chance.random() < 0.6:
                page = self.chance.choice(["", "/shop/Shoes", "/about"])
                mark = bytes(str(device.pk), "ascii")
                Subscription.objects.create(
                    device=device, site=self.site, page=page, endpoint="", endpoint_hash=mark, p256dh=b"", auth=b"",
                    secret_hash=mark,
                )  # fmt: skip
                self.known.pages[device.pk] = page

    def _decisions(self, contacts: list[Contact]) -> None:
        purpose = self.site.purposes.get(key="offers")
        subjects = [("device", 1, one.pk) for one in self.devices] + [("contact", 2, one.pk) for one in contacts]
        for scope, number, subject in subjects:
            if self.chance.random() < 0.5:
                granted, at = self.chance.random() < 0.6, self._time()
                ConsentState.objects.create(
                    scope=number, subject_id=subject, purpose_id=purpose.pk, decision=1 if granted else 2, at=at
                )
                self.known.decisions.append((scope, subject, "offers", granted, at))

    def _lists(self, contacts: list[Contact]) -> None:
        for name in ("Fair", "Staff"):
            found = ContactList.objects.create(site=self.site, name=name)
            chosen = self.chance.sample(contacts, 6)
            ContactListMember.objects.bulk_create(ContactListMember(list=found, contact=one) for one in chosen)
            self.known.lists[public_ids.encode("lst", found.pk)] = {one.pk for one in chosen}

    def _events(self, contacts: list[Contact]) -> None:
        chance = self.chance
        for number in range(150):
            contact = chance.choice([None, *contacts]) if chance.random() < 0.8 else None
            device = chance.choice(self.devices) if contact is None or chance.random() < 0.4 else None
            properties = {
                "total": chance.choice([1, 5, 5.0, 99.5, "5", True]),
                "sku": chance.choice(WORDS),
            }
            properties = {key: value for key, value in properties.items() if chance.random() < 0.8}
            name, at = (
                chance.choice(["bought", "left"]),
                self.now - timedelta(hours=chance.choice([0, 1, 36, 168, 720])),
            )
            Behaviour.objects.create(
                site_id=self.site.pk, key=str(number), name=name, properties=properties, occurred_at=at,
                contact_id=contact and contact.pk, device_id=device and device.pk,
            )  # fmt: skip
            self.known.events.append((contact and contact.pk, device and device.pk, name, properties, at))

    def _messages(self) -> None:
        """Twenty messages of two campaigns; some devices got all of them. The statistics are what the facts say."""
        purpose = self.site.purposes.get(key="offers")
        messages = []
        for name, number in (("a", 15), ("b", 5)):
            campaign = Campaign.objects.create(site=self.site, name=name, purpose=purpose, launched_at=self.now)
            messages += [
                (public_ids.encode("cmp", campaign.pk), self._message(campaign, purpose)) for _ in range(number)
            ]
        for device in self.devices:
            eager = self.chance.random()
            for campaign_id, message in messages:
                for kind in KINDS:
                    if self.chance.random() < eager:
                        at = self.now - timedelta(seconds=self.chance.choice([1.5, 5400.4, 604_800, 604_799.5, 9e6]))
                        self._report(kind, device, message, campaign_id, at)
        self._statistics()

    def _message(self, campaign: Campaign, purpose: Any) -> Message:
        return Message.objects.create(
            site=self.site, campaign=campaign, purpose=purpose, content={}, status=Message.Status.FINISHED,
            send_at=self.now, expires_at=self.now,
        )  # fmt: skip

    def _report(self, kind: Any, device: Device, message: Message, campaign_id: str, at: datetime) -> None:
        if kind.receipt is None:
            Delivery.objects.create(message_id=message.pk, device_id=device.pk, status=1, service=6, at=at)
        else:
            Receipt.objects.create(
                message_id=message.pk, device_ref=device.pk, kind=kind.receipt, at=at, reported_at=at
            )
        self.known.reports.append((kind.name, device.pk, campaign_id, at))

    def _statistics(self) -> None:
        for device in self.devices:
            if self.chance.random() < 0.1 and not any(whose == device.pk for _, whose, _, _ in self.known.reports):
                continue  # no row at all
            values: dict[str, Any] = {}
            for kind in KINDS:
                times = sorted(
                    (at for name, whose, _, at in self.known.reports if name == kind.name and whose == device.pk),
                    reverse=True,
                )
                values[kind.name] = len(times)
                values[f"last_{kind.name}_at"] = times[0] if times else None
                values[f"recent_{kind.name}"] = [int(at.timestamp()) for at in times[:10]]
            DeviceStats.objects.create(device_id=device.pk, **values)
        with connection.cursor() as cursor:
            cursor.execute("analyze device, contact, device_stats, receipt, delivery, behaviour")


def definitions_over(people: People) -> st.SearchStrategy:
    """Any definition that can be understood, as JSON."""
    known = people.known
    happenings = _happenings(sorted({campaign for _, _, campaign, _ in known.reports}))
    leaves = st.one_of(*_tests(), *happenings * 4)
    leaves |= rules("contact.list", "eq ne in not_in", st.sampled_from(sorted(known.lists)))
    leaves |= st.sampled_from([{"segment": one} for one in known.saved])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda some: {"all": some}, st.lists(inner, max_size=3)),
            st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda one: {"not": one}, inner),
        ),
        max_leaves=6,
    )


def rules(field: str, ops: str, value: st.SearchStrategy) -> st.SearchStrategy:
    def build(op: str, one: Any, more: list[Any]) -> dict[str, Any]:
        if op.endswith("between"):
            return {"field": field, "op": op, "value": sorted([one, more[0]])}
        several = op in ("in", "not_in") or op.endswith(("_any", "_none"))
        return {"field": field, "op": op, "value": more if several else one}

    return st.builds(build, st.sampled_from(ops.split()), value, st.lists(value, min_size=1, max_size=3))


def presence(field: str) -> st.SearchStrategy:
    return st.builds(lambda op: {"field": field, "op": op}, st.sampled_from(["is_set", "is_not_set"]))


def times(field: str, *, two: bool = True) -> list[st.SearchStrategy]:
    days = st.sampled_from(DAYS)
    return [
        rules(field, "within not_within", st.sampled_from(SPANS)),
        rules(field, "before after", st.sampled_from([*MOMENTS, *DAYS])),
        rules(field, f"on not_on{' between not_between' * two}", days),
        rules(field, "anniversary", st.sampled_from([0, 1, 30, 365])),
    ]


def _tests() -> list[st.SearchStrategy]:
    words, parts = st.sampled_from(WORDS), st.sampled_from(PARTS)
    equality, order = "eq ne in not_in", "gt gte lt lte between not_between"
    some = "starts_with not_starts_with contains not_contains"
    attribute = "contact.attributes"
    return [
        rules(f"{attribute}.plan", equality, words),
        rules(f"{attribute}.plan", some, parts),
        rules(f"{attribute}.ltv", f"{equality} {order}", st.sampled_from(NUMBERS)),
        rules(f"{attribute}.vip", "eq ne", st.booleans()),
        rules(f"{attribute}.since", f"{equality} {order}", st.sampled_from(DATES)),
        rules(f"{attribute}.since", "within not_within within_next", st.sampled_from(["7d", "1d", "8w"])),
        rules(f"{attribute}.since", "anniversary", st.sampled_from([0, 1, 30, 365])),
        rules(f"{attribute}.likes", "contains not_contains contains_any contains_none", words),
        st.sampled_from(sorted(TYPES)).flatmap(lambda key: presence(f"{attribute}.{key}")),
        rules("contact.tags", "has has_not has_any has_none", st.sampled_from(TAGS)),
        rules("device.tags", "has has_not has_any has_none", st.sampled_from(TAGS)),
        presence("contact.tags"),
        *(rules(f"{whose}.language", equality, st.sampled_from(LANGUAGES)) for whose in ("contact", "device")),
        rules("contact.owner", f"{equality} {some}", st.sampled_from(["kate", "KA", "tom"])),
        presence("contact.owner"),
        *times("contact.created"),
        rules("consent.offers", "eq ne", st.sampled_from([True, False, "granted", "withdrawn", "never"])),
        *times("consent.offers.granted_at"),
        *times("consent.offers.withdrawn_at"),
        rules("device.browser", equality, st.sampled_from(["firefox", "safari"])),
        rules("device.browser_version", f"{equality} {order}", st.sampled_from([17, 99, 128])),
        rules("device.country", equality, st.sampled_from(["PL", "FR"])),
        rules("device.page", f"{equality} {some}", st.sampled_from(["/shop/Shoes", "/SHOP", "s", "%"])),
        presence("device.page"),
        presence("device.browser"),
        *times("device.last_seen"),
        *times("device.subscribed_at"),
        rules("device.subscribed", "eq ne", st.booleans()),
        rules("device.identified", "eq ne", st.booleans()),
    ]  # fmt: skip


def _happenings(campaigns: list[str]) -> list[st.SearchStrategy]:
    counts = st.sampled_from([0, 1, 2, 3, 9, 10, 11, 12, 15])
    of = st.one_of(st.just({}), st.sampled_from([{"campaign": one} for one in campaigns]))
    span = st.one_of(st.just({}), st.sampled_from([{"within": one} for one in ("3h", "7d", "30d")]))
    where = st.one_of(st.just({}), st.builds(lambda some: {"where": some}, st.lists(_conditions(), max_size=2)))
    name = st.sampled_from([{"name": "bought"}, {"name": "left"}, {"name": "never heard of"}])
    merged = [
        st.builds(lambda one, more: {**one, **more}, st.one_of(*times(f"engagement.{kind.name}")), of) for kind in KINDS
    ]
    merged += [st.builds(lambda one, more: {**one, **more}, presence(f"engagement.{kind.name}"), of) for kind in KINDS]
    often = "eq ne gt gte lt lte between"
    merged += [
        st.builds(lambda *some: dict(pair for one in some for pair in one.items()),
                  rules(f"engagement.{kind.name}_count", often, counts), of, span)
        for kind in KINDS
    ]  # fmt: skip
    events = st.one_of(*times("event", two=False), presence("event"))
    merged.append(st.builds(lambda one, more, how: {**one, **more, **how}, events, name, where))
    merged.append(
        st.builds(
            lambda *some: dict(pair for one in some for pair in one.items()),
            rules("event", often, counts),
            name,
            where,
            span,
        )
    )
    return merged


def _conditions() -> st.SearchStrategy:
    def build(key: str, op: str, value: Any) -> dict[str, Any]:
        return {"property": key, "op": op, **({} if op == "is_set" else {"value": value})}

    numbers, texts = st.sampled_from([1, 5, 99.5]), st.sampled_from(["t", "50%", "łó"])
    any_ = st.sampled_from([1, 5, "5", True, "pro", "x' or true"])
    return st.one_of(
        st.builds(build, st.just("total"), st.sampled_from(["gt", "gte", "lt", "lte"]), numbers),
        st.builds(build, st.just("sku"), st.sampled_from(["contains", "starts_with"]), texts),
        st.builds(build, st.sampled_from(["total", "sku", "gone"]), st.sampled_from(["eq", "ne", "is_set"]), any_),
        st.builds(build, st.just("total"), st.just("in"), st.lists(any_, min_size=1, max_size=3)),
    )
