"""A Site whose devices are localpush's simulated browsers, its campaigns, and counts of the facts."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, connections
from django.utils import timezone

from campaigns import audience, counting, freezing, launch, sending
from campaigns.counting import OUTCOMES
from campaigns.models import Batch, Campaign, CampaignSegment, Lane, Message, Recipient
from campaigns.worker_process import make_transport
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair, b64url, b64url_decode
from pushplatform.webpush.outcome import REASONS, Outcome
from pushplatform.webpush.request import PushService
from pushplatform.webpush.transport import Transport
from subscribers import purposes
from subscribers.models import Contact, Device, Purpose, Segment, Subscription
from tests.localpush.conftest import LocalPushProcess

CONTENT = {"title": "Hello {{ contact.first_name | default: 'you' }}", "body": "A body", "url": "https://shop.example/"}
MEASUREMENT = 1 << Purpose.MEASUREMENT
EVERYONE: dict[str, Any] = {"all": []}
_serial = itertools.count(1)


class World:
    """One Site with a purpose `offers`; `push` is where its devices subscribe."""

    def __init__(self, push: LocalPushProcess):
        self.push = push
        self.tag = secrets.token_hex(4)
        self.site = Site.objects.create(
            name=f"Shop {next(_serial)}", origins=["https://shop.example"], vapid_subject="mailto:push@shop.example"
        )
        purposes.add_site_defaults(self.site)
        self.offers = purposes.add(self.site, "offers", "marketing", "Offers", {"en": "Send me offers."})
        self.key = self.new_key()

    def new_key(self, state: str = VapidKey.State.CURRENT) -> VapidKey:
        pair = KeyPair.generate()
        return VapidKey.objects.create(
            site=self.site, public_key=pair.public_key, private_key=pair.private_key, state=state
        )

    @property
    def bit(self) -> int:
        return 1 << self.offers.bit

    def devices(self, count: int, *, mode: str = "full", linked: bool = False, **members: Any) -> list[Device]:
        """New devices, active and agreeing; `linked` gives each a contact of its own. See `label`."""
        browsers = self.browsers([self.label(n) for n in range(count)], mode)
        contacts = self.contacts(count) if linked else [None] * count
        now = timezone.now()
        given = {
            "allowed": self.bit | MEASUREMENT,
            "service": PushService.LOCAL,
            "vapid_key": self.key,
            "browser": "firefox",
            "os": "linux",
            "language": "en",
            "subscribed_at": now,
            "last_seen_at": now,
        } | members
        made = Device.objects.bulk_create([Device(site=self.site, contact=contact, **given) for contact in contacts])
        Subscription.objects.bulk_create(
            [self._subscription(device, browser) for device, browser in zip(made, browsers, strict=True)]
        )
        return made

    def browsers(self, labels: Sequence[str], mode: str = "full") -> list[dict[str, Any]]:
        """Browsers of localpush, subscribed with the Site's key."""
        made: list[dict[str, Any]] = []
        for start in range(0, len(labels), 1000):
            body = {
                "defaults": {"application_server_key": b64url(bytes(self.key.public_key)), "behaviour": {"mode": mode}},
                "browsers": [{"label": label} for label in labels[start : start + 1000]],
            }
            answer = self.push.call("POST", "/browsers/batch", body)
            assert answer.status_code == 201, answer.text
            made += answer.json()["data"]
        return made

    def _subscription(self, device: Device, browser: dict[str, Any]) -> Subscription:
        given = browser["subscription"]
        return Subscription(
            device=device,
            site=self.site,
            endpoint=given["endpoint"],
            endpoint_hash=hashlib.sha256(given["endpoint"].encode()).digest(),
            p256dh=b64url_decode(given["keys"]["p256dh"]),
            auth=b64url_decode(given["keys"]["auth"]),
            secret_hash=os.urandom(32),
        )

    def contacts(self, count: int) -> list[Contact]:
        return Contact.objects.bulk_create(
            [
                Contact(site=self.site, external_id=f"CRM-{next(_serial)}", attributes={"first_name": f"Anna {n}"})
                for n in range(count)
            ]
        )

    def label(self, place: int) -> str:
        """What localpush calls the browser at this place of `devices`."""
        return f"{self.tag}-{place}"

    def fault(self, kind: str | int, place: int, **members: Any) -> None:
        """Switches a fault on for the device at this place of `devices`."""
        answer = self.push.call("POST", "/faults", {"kind": kind, "label": self.label(place), **members})
        assert answer.status_code == 201, answer.text

    def shown(self, place: int) -> dict[str, Any]:
        """The newest notification that the device at this place shows."""
        return self.push.in_state("shown", label=self.label(place))

    def segment(self, definition: dict[str, Any] | None = None) -> Segment:
        return Segment.objects.create(site=self.site, name="Everyone", definition=definition or EVERYONE)

    def campaign(self, include: Sequence[Segment] = (), exclude: Sequence[Segment] = (), **members: Any) -> Campaign:
        """A draft that may be launched; without segments it goes to everyone."""
        given = {"name": "Autumn", "purpose": self.offers, "content": CONTENT} | members
        campaign = Campaign.objects.create(site=self.site, **given)
        for segment in include or [self.segment()]:
            CampaignSegment.objects.create(campaign=campaign, segment=segment)
        for segment in exclude:
            CampaignSegment.objects.create(campaign=campaign, segment=segment, excluded=True)
        return campaign

    def launched(self, now: datetime | None = None, **members: Any) -> Message:
        """The message of a new campaign with its audience frozen."""
        message = launch.launch(self.campaign(**members).pk, None, now or timezone.now())
        assert message is not None
        for _ in freezing.freeze(message.pk):
            pass
        message.refresh_from_db()
        return message

    def targeted(self, devices: Sequence[Device], params: Sequence[dict[str, Any]], **members: Any) -> Message:
        """A message of an API call to these devices, a recipient each."""
        now = timezone.now()
        given = {
            "content": CONTENT,
            "options": {"urgency": "normal", "ttl": 3600},
            "status": Message.Status.SENDING,
            "send_at": now,
            "expires_at": now + timedelta(hours=1),
            "targeted": len(devices),
            "ref_secret": os.urandom(32),
        } | members
        message = Message.objects.create(site=self.site, purpose=self.offers, **given)
        with connection.cursor() as cursor:
            counting.make_rows(cursor, message.pk, None, Lane.TARGETED)
        Recipient.objects.bulk_create(
            [Recipient(message_id=message.pk, no=no, params=one, status=1) for no, one in enumerate(params)]
        )
        rows = [
            audience.Row(device.pk, device.contact_id or 0, device.service, device.vapid_key_id, no)
            for no, device in enumerate(devices)
        ]
        audience.insert_batches(message, rows, Lane.TARGETED)
        return message


def batch_ids(message: Message) -> list[int]:
    return list(Batch.objects.filter(message=message).order_by("pk").values_list("pk", flat=True))


def send(
    message: Message,
    transport: Transport,
    *,
    clock: Callable[[], datetime] = timezone.now,
    stopping: Callable[[], bool] = lambda: False,
) -> Message:
    """Sends every Batch there is of a message, one after the other; the message as it is then."""
    for batch_id in batch_ids(message):
        sending.send_batch(batch_id, transport, clock=clock, stopping=stopping)
    message.refresh_from_db()
    return message


def totals(message: Message) -> dict[str, int]:
    """The counters of the outcomes that are not zero."""
    with connection.cursor() as cursor:
        figures = counting.sums(cursor, "message_total", "message_id", message.pk, OUTCOMES.values())
    return {name: number for name, number in figures.items() if number}


def facts(message: Message) -> dict[str, int]:
    """The same counted from the deliveries."""
    with connection.cursor() as cursor:
        cursor.execute("select status, count(*) from delivery where message_id = %s group by status", [message.pk])
        return {OUTCOMES[Outcome(status)]: number for status, number in cursor.fetchall()}


def reasons(message: Message) -> dict[str, int]:
    """How many deliveries there are by reason."""
    codes = {reason.number: code for code, reason in REASONS.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            "select reason, count(*) from delivery where message_id = %s and reason is not null group by reason",
            [message.pk],
        )
        return {codes[number]: count for number, count in cursor.fetchall()}


def retries(message: Message) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from retry where message_id = %s", [message.pk])
        return int(cursor.fetchone()[0])


def assert_sums_agree(message: Message) -> None:
    """Counters equal facts everywhere they are counted, and what is left of `targeted` is waiting somewhere."""
    message.refresh_from_db()
    counted = totals(message)
    assert {name: n for name, n in counted.items() if name != "cancelled"} == facts(message)
    if message.finished_at is not None:
        assert sum(counted.values()) == message.targeted
    else:
        assert sum(counted.values()) <= message.targeted
    if message.campaign_id is None:
        return
    with connection.cursor() as cursor:
        for table, key, number in (
            ("campaign_total", "campaign_id", message.campaign_id),
            ("campaign_minute", "campaign_id", message.campaign_id),
        ):
            figures = counting.sums(cursor, table, key, number, OUTCOMES.values())
            assert {name: n for name, n in figures.items() if n} == counted, table
        for dimension in ("browser", "os", "language", "service"):
            figures = counting.sums(
                cursor,
                f"(select * from breakdown where dimension = '{dimension}') b",
                "campaign_id",
                message.campaign_id,
                OUTCOMES.values(),
            )
            assert {name: n for name, n in figures.items() if n} == facts(message), dimension


def sent_meanwhile(message: Message, batch_id: int) -> threading.Thread:
    """A thread that sends the Batch, once its first outcomes are recorded."""

    def work() -> None:
        transport = make_transport()
        try:
            sending.send_batch(batch_id, transport)
        finally:
            transport.close()
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive() and not totals(message):
        worker.join(0.02)
    return worker
