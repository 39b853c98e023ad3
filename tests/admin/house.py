"""A Site with one of everything the admin shows, its members, and browsers logged in as them."""

from __future__ import annotations

import json
import os
import secrets
from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns import counting
from campaigns.models import (
    Batch,
    Campaign,
    CampaignSegment,
    Delivery,
    Lane,
    Message,
    Receipt,
)
from pushplatform.api.models import RequestLine
from pushplatform.sites import api_keys
from pushplatform.sites.models import ApiClient, ApiKey, Membership, Site, VapidKey
from pushplatform.webpush.keys import KeyPair
from subscribers import ledger, purposes
from subscribers.models import (
    Attribute,
    Contact,
    ContactList,
    Decision,
    Device,
    DeviceStats,
    PageTag,
    Purpose,
    Scope,
    Segment,
    Subscription,
)

_serial = count(1)
CONTENT = {
    "title": "Hello {{ contact.first_name | default: 'you' }}",
    "body": "A body",
    "url": "https://shop.example/a",
}


class House:
    """`mark` stands in every name, text and id of this Site, so that a page that shows any of it can be found out."""

    def __init__(self, mark: str):
        self.mark = mark
        self.site = Site.objects.create(
            name=f"{mark} shop",
            origins=[f"https://{mark}.example"],
            vapid_subject=f"mailto:push@{mark}.example",
            home_url=f"https://{mark}.example/home",
        )
        purposes.add_site_defaults(self.site)
        self.offers = purposes.add(self.site, "offers", "marketing", f"{mark} offers", {"en": f"{mark} sends offers."})
        self.pair = KeyPair.generate()
        self.key = self._key(self.pair, VapidKey.State.CURRENT)
        self.old_key = self._key(KeyPair.generate(), VapidKey.State.DRAINING)
        self.attribute = Attribute.objects.create(
            site=self.site, key=f"{mark}_plan", type=Attribute.Type.STRING, title=f"{mark} plan", filterable=True
        )
        self.page_tag = PageTag.objects.create(site=self.site, tag=f"{mark}-page-tag")
        self.client = ApiClient.objects.create(site=self.site, name=f"{mark} CRM", scopes=["messages:send"])
        self.api_key, self.api_key_text = api_keys.make_key(self.client)
        self.request_line = RequestLine.objects.create(
            at=timezone.now(), request_id=f"{mark}-request", site_id=self.site.pk, client_id=self.client.pk,
            key_prefix=self.api_key.prefix, method="POST", route=f"/api/v1/{mark}", status=202, ms=12, items=100,
        )  # fmt: skip
        self.segment = self.new_segment(f"{mark} everyone")
        self.contact_list = ContactList.objects.create(site=self.site, name=f"{mark} list")
        self.contact = self.new_contact()
        self.device = self.new_device(self.contact)
        self._agree(self.device)
        self.draft = self.new_campaign(f"{mark} draft")
        self.sent, self.message = self._sent()
        self.users: dict[str, User] = {}

    # --- its things
    def _key(self, pair: KeyPair, state: str) -> VapidKey:
        return VapidKey.objects.create(
            site=self.site, public_key=pair.public_key, private_key=pair.private_key, state=state
        )

    def new_segment(self, name: str, definition: dict[str, Any] | None = None) -> Segment:
        return Segment.objects.create(
            site=self.site, name=name, definition={"all": []} if definition is None else definition
        )

    def new_contact(self, **values: Any) -> Contact:
        given = {"external_id": f"{self.mark}-crm-{next(_serial)}", "tags": [f"{self.mark}-tag"]}
        given["attributes"] = {"first_name": f"{self.mark} Anna", f"{self.mark}_plan": "pro"}
        return Contact.objects.create(site=self.site, **{**given, **values})

    def new_device(self, contact: Contact | None = None, **values: Any) -> Device:
        now = timezone.now()
        given = {
            "allowed": 1 << self.offers.bit | 1 << Purpose.MEASUREMENT,
            "service": 6,
            "vapid_key": self.key,
            "browser": "firefox",
            "browser_version": "130",
            "os": "linux",
            "form": "desktop",
            "language": "en",
            "tags": [f"{self.mark}-device-tag"],
            "subscribed_at": now,
            "last_seen_at": now,
        }
        device = Device.objects.create(site=self.site, contact=contact, **{**given, **values})
        Subscription.objects.create(
            device=device,
            site=self.site,
            endpoint=f"http://127.0.0.1:9/push/{secrets.token_urlsafe(24)}",
            endpoint_hash=os.urandom(32),
            p256dh=KeyPair.generate().public_key,
            auth=os.urandom(16),
            secret_hash=os.urandom(32),
        )
        return device

    def _agree(self, device: Device) -> None:
        """To everything, in this browser, so that the ledger has lines."""
        now = timezone.now()
        decided = [
            ledger.Decided(
                site_id=self.site.pk,
                scope=Scope.DEVICE,
                subject_id=device.pk,
                purpose_id=purpose.pk,
                decision=Decision.GRANTED,
                source="browser",
                wording_id=purpose.wordings.first().pk,
                page=f"https://{self.mark}.example",
            )
            for purpose in Purpose.objects.filter(site=self.site)
        ]
        ledger.record(decided, now)
        device.refresh_from_db()

    def new_campaign(self, name: str, **values: Any) -> Campaign:
        given = {"purpose": self.offers, "content": CONTENT, "options": {"devices": "all", "ttl": 3600}}
        campaign = Campaign.objects.create(site=self.site, name=name, **{**given, **values})
        CampaignSegment.objects.create(campaign=campaign, segment=self.segment)
        return campaign

    def _sent(self) -> tuple[Campaign, Message]:
        """A campaign that was sent to the one device, shown and clicked there."""
        now = timezone.now() - timedelta(hours=1)
        campaign = self.new_campaign(f"{self.mark} sent", status="sent", launched_at=now, finished_at=now)
        message = Message.objects.create(
            site=self.site,
            campaign=campaign,
            purpose=self.offers,
            content=CONTENT,
            status=Message.Status.FINISHED,
            targeted=1,
            send_at=now,
            expires_at=now + timedelta(hours=1),
            finished_at=now,
            ref_secret=os.urandom(32),
        )
        Batch.objects.create(
            message=message, service=6, vapid_key_id=self.key.pk, lane=Lane.CAMPAIGN, n=1, state=Batch.State.DONE,
            device_ids=[self.device.pk], contact_ids=[self.contact.pk], expires_at=now,
        )  # fmt: skip
        Delivery.objects.create(
            message_id=message.pk, device_id=self.device.pk, contact_id=self.contact.pk, status=1, service=6, at=now
        )
        for kind in (1, 2, 3):
            Receipt.objects.create(message_id=message.pk, device_ref=self.device.pk, kind=kind, at=now, reported_at=now)
        self.count(campaign, message, now, accepted=1, received=1, shown=1, clicked=1)
        DeviceStats.objects.create(device_id=self.device.pk, sent=1, shown=1)
        return campaign, message

    def count(self, campaign: Campaign, message: Message, at: Any, **counts: int) -> None:
        """Counters as sending and receipts write them."""
        breakdown = dict.fromkeys((("browser", "firefox"), ("os", "linux")), counts)
        with connection.cursor() as cursor:
            counter = counting.Counter(message.pk, campaign.pk, self.site.pk, 0)
            counting.add(cursor, counter, at, counts, breakdown)

    # --- its members
    def user(self, role: str) -> User:
        """A member with this role; `superuser` and `stranger` are members of nothing."""
        if role not in self.users:
            user = User.objects.create(
                username=f"{role}-{next(_serial)}", is_staff=True, is_superuser=role == "superuser"
            )
            if role not in ("superuser", "stranger"):
                Membership.objects.create(user=user, site=self.site, role=role)
            self.users[role] = user
        return self.users[role]

    def browser(self, role: str) -> Client:
        """Logged in."""
        client = Client()
        client.force_login(self.user(role))
        return client

    # --- what must never be on a page
    def secrets(self) -> dict[str, bytes]:
        """Everything of this Site that no page may show, by what it is."""
        site = Site.objects.get(pk=self.site.pk)
        found = {
            "identity secret": bytes(site.identity_secret),
            "receipt secret": bytes(site.receipt_secret),
            "message's secret": bytes(self.message.ref_secret),
            "API key": self.api_key_text.rpartition("_")[2].encode(),
        }
        for key in VapidKey.objects.filter(site=site):
            found[f"private key {key.pk}"] = bytes(key.private_key)
        for key in ApiKey.objects.filter(client__site=site):
            found[f"hash of API key {key.pk}"] = bytes(key.secret_hash)
        for user in User.objects.exclude(password=""):
            found[f"password of {user}"] = user.password.rpartition("$")[2].encode()
        for subscription in Subscription.objects.filter(site=site):
            found[f"endpoint {subscription.pk}"] = subscription.endpoint.encode()
            for name in ("endpoint_hash", "p256dh", "auth", "secret_hash"):
                found[f"{name} {subscription.pk}"] = bytes(getattr(subscription, name))
        return found


TABLES = (
    "site", "membership", "vapid_key", "api_client", "api_key", "purpose", "wording", "contact", "device",
    "subscription", "attribute", "attribute_lock", "page_tag",
    "segment", "contact_list", "contact_list_member", "campaign", "campaign_segment", "message", "consent_record",
    "auth_user",
)  # fmt: skip


def everything() -> str:
    """All rows an admin page could change, as one text, to see that nothing changed."""
    rows = []
    with connection.cursor() as cursor:
        for table in TABLES:
            left_out = " - 'last_login'" if table == "auth_user" else ""
            cursor.execute(f"select to_jsonb(t){left_out} from {table} t order by to_jsonb(t)::text")
            rows += [(table, row) for (row,) in cursor.fetchall()]
    return json.dumps(rows, default=str)


__all__ = ["CONTENT", "House", "everything"]
