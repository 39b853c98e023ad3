"""A Site as large as the targets speak of, written by SQL in minutes: for benchmarks and for trying things at size.

Everything follows from the numbers of rows, so that two seeds of empty databases are alike. Deliveries, receipts and
the devices' statistics come from the same expressions and therefore agree.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from campaigns.models import Campaign, Message
from pushplatform.partitions import first_message_id, make_partitions
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair
from pushplatform.webpush.request import PushService
from subscribers import purposes
from subscribers.models import Attribute, ContactList, Purpose, Segment
from subscribers.segments import indexing

CONTACTS: Final = 1_000_000
DEVICES: Final = 1_500_000
CAMPAIGNS: Final = 16
DELIVERED: Final = 0.417
"""Of the devices, by each campaign: 10 million in all."""

DAYS: Final = 90
"""Over which the campaigns went out."""

AT_ONCE: Final = 250_000

TYPES: Final = {
    "plan": "string", "city": "string", "ltv": "number", "vip": "boolean", "since": "date", "likes": "strings",
}  # fmt: skip
FILTERABLE: Final = ("ltv", "since")
_CITIES: Final = (
    "Warszawa,Kraków,Berlin,Paris,Łódź,Gdańsk,Wien,Praha,London,Roma,Madrid,Lisboa,Oslo,Riga,Tallinn,Vilnius"
)

# kind: share of the deliveries that are reported so, and seconds after the delivery
_REPORTS: Final = {1: (0.80, 60), 2: (0.78, 61), 3: (0.05, 300), 4: (0.15, 200)}
_NAMES: Final = {1: "received", 2: "shown", 3: "clicked", 4: "closed"}


def _random(number: str, salt: int) -> str:
    """A number of 20 bits that follows from another and a salt."""
    return f"(hashint8extended({number}, {salt}) & 1048575)"


def _chance(number: str, salt: int, share: float) -> str:
    return f"{_random(number, salt)} < {round(share * 1048576)}"


def _one_of(number: str, salt: int, words: str) -> str:
    """One of words divided by commas; the first ones are more frequent."""
    count = words.count(",") + 1
    drawn = f"{_random(number, salt)} / 1048576.0"
    return f"(string_to_array('{words}', ','))[1 + floor({count} * ({drawn}) * ({drawn}))::int]"


@dataclass(frozen=True, slots=True)
class Seeded:
    site: Site
    offers: Purpose
    campaigns: list[Campaign]
    list: ContactList


def seed(scale: float, now: datetime, say: Callable[[str], None] = lambda line: None) -> Seeded:
    """A new Site with `scale` times the numbers above; `say` is told how it goes."""
    site = Site.objects.create(
        name="A large shop", origins=["https://large.example"], vapid_subject="mailto:push@large.example",
        time_zone="Europe/Warsaw",
    )  # fmt: skip
    purposes.add_site_defaults(site)
    offers = purposes.add(site, "offers", "marketing", "Offers", {"en": "Send me offers."})
    Attribute.objects.bulk_create(
        Attribute(site=site, key=key, type=type_, filterable=key in FILTERABLE) for key, type_ in TYPES.items()
    )
    pair = KeyPair.generate()
    key = VapidKey.objects.create(site=site, public_key=pair.public_key, private_key=pair.private_key)
    loader = _Loader(site, offers, key, scale, now, say)
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('is_superuser') = 'on'")
        if cursor.fetchone()[0]:
            cursor.execute("set session_replication_role = replica")  # no look at each foreign key: half the time
        try:
            return loader.load(cursor)
        finally:
            cursor.execute("reset session_replication_role")


class _Loader:
    def __init__(
        self, site: Site, offers: Purpose, key: VapidKey, scale: float, now: datetime, say: Callable[[str], None]
    ):
        self.site, self.offers, self.key, self.now, self.say = site, offers, key, now.replace(microsecond=0), say
        self.contacts, self.devices = max(10, int(CONTACTS * scale)), max(15, int(DEVICES * scale))

    def load(self, cursor: Any) -> Seeded:
        for days in (DAYS, 60, 30, 0):
            make_partitions(cursor, self.now - timedelta(days=days))
        cursor.execute(
            "select coalesce((select max(id) from contact), 0) + 1, coalesce((select max(id) from device), 0) + 1"
        )
        self.first_contact, self.first_device = cursor.fetchone()
        self._in_parts(cursor, "contacts", self.contacts, self._contacts)
        self._in_parts(cursor, "devices", self.devices, self._devices)
        self._in_parts(cursor, "consents", self.devices, self._consents)
        campaigns = [self._campaign(number) for number in range(CAMPAIGNS)]
        messages = [self._message(number, campaign) for number, campaign in enumerate(campaigns)]
        for number, message in enumerate(messages):
            self._timed(f"campaign {number + 1} of {CAMPAIGNS}", lambda: self._facts(cursor, number, message))  # noqa: B023
        self._in_parts(cursor, "statistics", self.devices, self._statistics)
        self._in_parts(cursor, "events", self.contacts, self._events)
        found = ContactList.objects.create(site=self.site, name="Trade fair")
        cursor.execute(
            "insert into contact_list_member (list_id, contact_id)"
            f" select %s, id from contact where site_id = %s and {_chance('id', 60, 0.05)}",
            [found.pk, self.site.pk],
        )
        for table in ("contact", "device"):
            cursor.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), (select max(id) from {table}))")
        tables = "contact, device, device_stats, consent_state, delivery, receipt, behaviour, contact_list_member"
        self._timed("indexes of attributes", indexing.bring_up_to_date)
        self._timed("vacuum", lambda: cursor.execute(f"vacuum (analyze) {tables}"))
        Segment.objects.create(site=self.site, name="Everyone", definition={"all": []})
        return Seeded(self.site, self.offers, campaigns, found)

    def _timed(self, what: str, act: Callable[[], Any]) -> None:
        begun = time.monotonic()
        act()
        self.say(f"{what}: {time.monotonic() - begun:.1f} s")

    def _in_parts(self, cursor: Any, what: str, rows: int, write: Callable[[Any, int, int], None]) -> None:
        def parts() -> None:
            for low in range(0, rows, AT_ONCE):
                write(cursor, low, min(low + AT_ONCE, rows) - 1)

        self._timed(f"{rows:,} {what}", parts)

    def _contacts(self, cursor: Any, low: int, high: int) -> None:
        since = f"(date '2020-01-01' + ({_random('n', 5)} %% 2400)::int)"
        cursor.execute(
            f"""insert into contact (id, site_id, external_id, attributes, tags, owner, language, time_zone,
                                     created_at, updated_at)
                select %s + n, %s, 'CRM-' || n,
                       jsonb_build_object('plan', {_one_of("n", 1, "free,free,pro,team")},
                                          'city', {_one_of("n", 2, _CITIES)},
                                          'ltv', ({_random("n", 3)}::numeric * {_random("n", 4)} / 219902325)::int)
                       || case when {_chance("n", 6, 0.9)} then jsonb_build_object('since', {since}) else '{{}}' end
                       || case when {_chance("n", 7, 0.03)} then '{{"vip": true}}'::jsonb else '{{}}' end
                       || jsonb_build_object('likes', array[{_one_of("n", 8, "shoes,bags,hats,coats,socks,belts")}]),
                       array_remove(array[case when {_chance("n", 9, 0.2)} then 'newsletter' end,
                                          case when {_chance("n", 10, 0.002)} then 'staff' end], null),
                       {_one_of("n", 11, "kate,tom,ann,joe")}, {_one_of("n", 12, "pl,en,de,cs")}, 'Europe/Warsaw',
                       %s - {_random("n", 13)} %% 70000000 * interval '1 second', %s
                from generate_series(%s::bigint, %s) n""",
            [self.first_contact, self.site.pk, self.now, self.now, low, high],
        )

    def _devices(self, cursor: Any, low: int, high: int) -> None:
        """Of each 15 devices 14 have a contact, who has 1.4 of them."""
        cursor.execute(
            f"""insert into device (id, site_id, contact_id, allowed, status, service, vapid_key_id, browser,
                                    browser_version, os, form, language, time_zone, country, subscribed_at,
                                    last_seen_at, tags)
                select %s + n, %s, case when n %% 15 < 14 then %s + ({_random("n", 20)} * 1048576
                           + {_random("n", 21)}) %% %s end,
                       1 | case when {_chance("n", 22, 0.9)} then 2 else 0 end
                         | case when {_chance("n", 23, 0.8)} then %s else 0 end,
                       case when {_chance("n", 24, 0.9)} then 1 when {_chance("n", 25, 0.5)} then 2 else 3 end,
                       %s, %s, {_one_of("n", 26, "chrome,firefox,edge,safari,opera")},
                       (100 + {_random("n", 27)} %% 45)::text, {_one_of("n", 28, "windows,android,macos,linux,ios")},
                       {_one_of("n", 29, "desktop,mobile,tablet")}, {_one_of("n", 30, "pl,en-GB,de,cs")},
                       'Europe/Warsaw', {_one_of("n", 31, "PL,DE,CZ,GB,FR")},
                       %s - {_random("n", 32)} * interval '60 seconds',
                       %s - ({_random("n", 33)}::numeric * {_random("n", 34)} / 1048576) * interval '12 seconds', '{{}}'
                from generate_series(%s::bigint, %s) n""",
            [
                *(self.first_device, self.site.pk, self.first_contact, self.contacts, 1 << self.offers.bit),
                *(int(PushService.LOCAL), self.key.pk, self.now, self.now, low, high),
            ],
        )

    def _consents(self, cursor: Any, low: int, high: int) -> None:
        """In the device scope; of those who did not agree half withdrew, the others were never asked."""
        cursor.execute(
            f"""insert into consent_state (scope, subject_id, purpose_id, decision, at)
                select 1, d.id, %s, case when d.allowed & %s <> 0 then 1 else 2 end, d.subscribed_at from device d
                where d.id between %s and %s and (d.allowed & %s <> 0 or {_chance("d.id", 40, 0.5)})""",
            [
                *(self.offers.pk, 1 << self.offers.bit, self.first_device + low, self.first_device + high),
                1 << self.offers.bit,
            ],
        )

    def _campaign(self, number: int) -> Campaign:
        return Campaign.objects.create(
            site=self.site, name=f"Campaign {number + 1}", purpose=self.offers, status=Campaign.Status.SENT,
            launched_at=self._sent_at(number), finished_at=self._sent_at(number),
        )  # fmt: skip

    def _sent_at(self, number: int) -> datetime:
        """The last ones go out more often."""
        return self.now - timedelta(days=DAYS * ((CAMPAIGNS - number) / CAMPAIGNS) ** 2)

    def _message(self, number: int, campaign: Campaign) -> Message:
        at = self._sent_at(number)
        own = first_message_id(at) + self.site.pk % 65_536 * CAMPAIGNS + number
        return Message.objects.create(
            id=own, site=self.site, campaign=campaign, purpose=self.offers, content={},
            status=Message.Status.FINISHED, send_at=at, expires_at=at + timedelta(days=1), finished_at=at,
        )  # fmt: skip

    def _sent(self, number: int) -> tuple[str, str]:
        """Whether a device `d` got this campaign, and after how many seconds."""
        return _chance("d.id", 100 + number, DELIVERED), f"{_random('d.id', 200 + number)} %% 3600"

    def _facts(self, cursor: Any, number: int, message: Message) -> None:
        sent, seconds = self._sent(number)
        ids = [self.first_device, self.first_device + self.devices - 1]
        at = f"%s + {seconds} * interval '1 second'"
        cursor.execute(
            f"""insert into delivery (message_id, device_id, contact_id, status, service, http_code, at)
                select %s, d.id, coalesce(d.contact_id, 0), 1, d.service, 201, {at}
                from device d where d.id between %s and %s and {sent} order by d.id""",
            [message.pk, message.send_at, *ids],
        )
        kinds = ", ".join(f"({kind}, {round(share * 1048576)}, {after})" for kind, (share, after) in _REPORTS.items())
        cursor.execute(
            f"""insert into receipt (message_id, device_ref, kind, at, reported_at)
                select %s, d.id, k.kind, {at} + k.after * interval '1 second', %s
                from device d cross join (values {kinds}) k (kind, share, after)
                where d.id between %s and %s and d.allowed & 2 <> 0 and {sent}
                  and {_random("d.id", 300 + number)} < k.share order by d.id, k.kind""",
            [message.pk, message.send_at, message.send_at, *ids],
        )

    def _statistics(self, cursor: Any, low: int, high: int) -> None:
        """The same again by device: no sort of millions of facts."""
        columns = ["sent", *_NAMES.values()]
        lists = {"sent": self._times(None)} | {name: self._times(kind) for kind, name in _NAMES.items()}
        figures = ", ".join(f"cardinality({name}), to_timestamp({name}[1]), {name}[1:10]" for name in columns)
        names = ", ".join(f"{name}, last_{name}_at, recent_{name}" for name in columns)
        cursor.execute(
            f"""insert into device_stats (device_id, {names})
                select id, {figures} from (
                    select d.id, {", ".join(f"{text} {name}" for name, text in lists.items())}
                    from device d where d.id between %s and %s) x where cardinality(sent) > 0 order by id""",
            [self.first_device + low, self.first_device + high],
        )

    def _times(self, kind: int | None) -> str:
        """The times of one kind for a device `d`, newest first: campaigns are further apart than their reports."""
        share, after = _REPORTS[kind] if kind else (1.0, 0)
        parts = []
        for number in reversed(range(CAMPAIGNS)):
            sent, seconds = self._sent(number)
            reported = f" and d.allowed & 2 <> 0 and {_random('d.id', 300 + number)} < {round(share * 1048576)}"
            at = int(self._sent_at(number).timestamp()) + after
            parts.append(f"case when {sent}{reported if kind else ''} then ({at} + {seconds})::int end")
        return f"array_remove(array[{', '.join(parts)}], null)"

    def _events(self, cursor: Any, low: int, high: int) -> None:
        cursor.execute(
            f"""insert into behaviour (site_id, contact_id, name, properties, occurred_at, key)
                select %s, %s + n, {_one_of("n", 50, "page_viewed,cart_abandoned,bought,reviewed")},
                       jsonb_build_object('total', {_random("n", 51)} %% 500),
                       %s - {_random("n", 52)} %% 7776000 * interval '1 second', n::text
                from generate_series(%s::bigint, %s) n""",
            [self.site.pk, self.first_contact, self.now, low, high],
        )
