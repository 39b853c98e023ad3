"""Reads what a Batch needs: once what is the same for all its devices, and the devices that have no outcome yet."""

import json
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from campaigns.content import Content, ContentError, Renderer, parse_content
from campaigns.counting import Counter, slot_of
from campaigns.leases import Lease
from campaigns.liquid_text import Members
from campaigns.models import Message
from campaigns.receipt_tokens import Tokens
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import InvalidKey
from pushplatform.webpush.vapid import InvalidSubject, VapidSigner

log = logging.getLogger(__name__)

_KEPT_RENDERERS: Final = 32
_KEPT_SIGNERS: Final = 256


class Target(NamedTuple):
    """One device of a Batch as it is now; `frozen_contact_id` is whom it belonged to when the audience was frozen.

    What only an active device has is None for others.
    """

    device_id: int
    frozen_contact_id: int
    recipient_no: int | None
    contact_id: int
    status: int | None
    allowed: int
    vapid_key_id: int | None
    endpoint: str | None
    endpoint_hash: bytes | None
    p256dh: bytes | None
    auth: bytes | None
    device: dict[str, Any]
    contact: dict[str, Any]
    params: dict[str, Any]

    def __repr__(self) -> str:
        return f"Target(device_id={self.device_id})"  # the rest is capabilities, keys and personal data


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all devices of a Batch."""

    lease: Lease
    bit: int
    measures_everyone: bool
    ref_secret: bytes | None
    topic: str | None
    urgency: str
    ttl: int
    """Seconds; the most that is asked for."""
    expires_at: datetime
    renderer: Renderer | None
    """None when the frozen content is no longer one that can be sent."""
    tokens: Tokens
    subject: str
    counter: Counter

    @property
    def message_id(self) -> int:
        return self.lease.message_id


def load_job(lease: Lease) -> Job:
    """The message, its Site and what is made of them once."""
    message = Message.objects.select_related("site", "purpose").get(pk=lease.message_id)
    site, options = message.site, message.options
    return Job(
        lease=lease,
        bit=1 << message.purpose.bit,
        measures_everyone=site.measurement == Site.Measurement.EVERYONE,
        ref_secret=None if message.ref_secret is None else bytes(message.ref_secret),
        topic=message.topic,
        urgency=options.get("urgency", "normal"),
        ttl=options.get("ttl", 2**31),
        expires_at=message.expires_at,
        renderer=_renderer(message, site),
        tokens=Tokens(bytes(site.receipt_secret), site.pk),
        subject=site.vapid_subject,
        counter=Counter(message.pk, message.campaign_id, site.pk, slot_of(lease.lane)),
    )


_renderers: OrderedDict[tuple[str, int], Renderer] = OrderedDict()
_signers: OrderedDict[tuple[str, int, str], VapidSigner] = OrderedDict()


def _renderer(message: Message, site: Site) -> Renderer | None:
    """The message's renderer, whose templates are parsed once in this process."""
    key = (str(connection.settings_dict["NAME"]), message.pk)
    renderer = _renderers.get(key)
    if renderer is None:
        try:
            renderer = Renderer(parse_content(message.content), site, message)
        except ContentError as error:
            log.error("message %s: its content cannot be sent any more: %s", message.pk, error)
            return None
        _renderers[key] = renderer
        if len(_renderers) > _KEPT_RENDERERS:
            _renderers.popitem(last=False)
    return renderer


def load_signer(vapid_key_id: int, subject: str) -> VapidSigner | None:
    """The signer of a key that may sign, kept in this process with its tokens; None for a key that may not."""
    key = VapidKey.objects.exclude(state=VapidKey.State.RETIRED).filter(pk=vapid_key_id)
    if not key.exists():
        return None
    at = (str(connection.settings_dict["NAME"]), vapid_key_id, subject)
    if at not in _signers:
        try:
            _signers[at] = VapidSigner(bytes(key.get().private_key), subject)
        except (InvalidKey, InvalidSubject, ImproperlyConfigured) as error:
            log.error("VAPID key %s cannot sign, so what its devices are to get fails: %s", vapid_key_id, error)
            return None
        if len(_signers) > _KEPT_SIGNERS:
            _signers.popitem(last=False)
    return _signers[at]


_COUNTED: Final = ("browser", "os", "language")
DEVICE_FIELDS: Final = (*_COUNTED, "browser_version", "form", "time_zone", "country", "tags")
CONTACT_FIELDS: Final = ("external_id", "language", "time_zone", "owner", "tags")
_FIXED: Final = 11


def load_targets(job: Job) -> Iterator[Target]:
    """The Batch's devices, ordered by id, without those that stand in `delivery` or `retry` already.

    When somebody held the Batch before, also without those whose retry has become a Batch of its own since.
    """
    lease, wanted = job.lease, _wanted(job.renderer.content if job.renderer else None)
    sql = f"""
        select u.d, u.c, u.r, coalesce(d.contact_id, 0), d.status, coalesce(d.allowed, 0), d.vapid_key_id,
               s.endpoint, s.endpoint_hash, s.p256dh, s.auth, {", ".join(wanted.columns)}
        from (select x.* from batch b, unnest(b.device_ids, b.contact_ids, b.recipient_nos) x
              where b.id = %s) u(d, c, r)
        left join device d on d.id = u.d
        left join subscription s on s.device_id = u.d
        {"left join contact c on c.id = d.contact_id" if wanted.contact else ""}
        {"left join recipient r on r.message_id = %s and r.no = u.r" if wanted.params else ""}
        where not exists (select from delivery x where x.message_id = %s and x.device_id = u.d)
          and not exists (select from retry x where x.message_id = %s and x.device_id = u.d)
        order by u.d"""
    message_ids = [lease.message_id] * (3 if wanted.params else 2)
    with connection.cursor() as cursor:
        handed_on = _handed_on(cursor, lease) if lease.token > 1 else frozenset()
        cursor.execute(sql, [*wanted.attributes, lease.batch_id, *message_ids])
        rows = cursor.fetchall()
    kinds: dict[tuple[Any, ...], dict[str, Any]] = {}
    end = _FIXED + len(wanted.device)
    for row in rows:
        if row[0] in handed_on:
            continue
        values = row[_FIXED:end]
        if wanted.shares_devices:
            device = kinds.get(values) or kinds.setdefault(values, dict(zip(wanted.device, values, strict=True)))
        else:
            device = dict(zip(wanted.device, values, strict=True))
        contact = wanted.contact_of(row, end) if wanted.contact and row[3] else {}
        params = json.loads(row[-1]) if wanted.params and row[-1] else {}
        yield Target._make((*row[:_FIXED], device, contact, params))


class _Wanted(NamedTuple):
    """What templates read of a device and its contact, or will be counted by; nothing else is loaded.

    `contact`: fields of the contact, empty when it is not read; `attributes`: the names of those that are read, unless
    all are.
    """

    device: tuple[str, ...]
    contact: tuple[str, ...]
    attributes: tuple[str, ...]
    all_attributes: bool
    params: bool

    @property
    def columns(self) -> list[str]:
        columns = [f"d.{name}" for name in self.device]
        columns += [f"c.{name}" for name in self.contact]
        columns += ["c.attributes"] if self.all_attributes else ["c.attributes -> %s"] * len(self.attributes)
        return columns + (["r.params"] if self.params else [])

    @property
    def shares_devices(self) -> bool:
        """Whether devices that are alike in what is wanted can be one dict: not with lists in it."""
        return "tags" not in self.device

    def contact_of(self, row: Sequence[Any], start: int) -> dict[str, Any]:
        """What templates read of a contact, out of a row with these columns from `start` on."""
        if self.all_attributes:
            return contact_values(row[start : start + len(self.contact) + 1])
        end = start + len(self.contact)
        found = {name: _parsed(raw) for name, raw in zip(self.attributes, row[end:], strict=False) if raw is not None}
        found.update(zip(self.contact, row[start:end], strict=True))
        return found


def _wanted(content: Content | None) -> _Wanted:
    """What is loaded for a content."""
    reads: Members = content.reads if content else {}
    members = reads.get("device", frozenset())
    device = tuple(name for name in DEVICE_FIELDS if name in _COUNTED or members is None or name in members)
    members = reads.get("contact", frozenset())
    if members is None or "attributes" in members:
        return _Wanted(device, CONTACT_FIELDS, (), True, "params" in reads)
    fields = {*members, "language"} if content and (members or content.translations) else frozenset()
    contact = tuple(name for name in CONTACT_FIELDS if name in fields)
    return _Wanted(device, contact, tuple(sorted(members - {*CONTACT_FIELDS})), False, "params" in reads)


def _parsed(raw: str) -> Any:
    """The value of a piece of JSON from PostgreSQL; most are plain texts."""
    return raw[1:-1] if raw[0] == '"' and "\\" not in raw else json.loads(raw)


def contact_values(row: Sequence[Any]) -> dict[str, Any]:
    """What templates read of a contact: its attributes by their names, and what we know ourselves, which wins."""
    if row[0] is None:
        return {}
    attributes = json.loads(row[-1])
    return {**attributes, "attributes": attributes, **dict(zip(CONTACT_FIELDS, row, strict=False))}


def _handed_on(cursor: Any, lease: Lease) -> frozenset[int]:
    """Devices of this message that are in Batches of a later attempt."""
    cursor.execute(
        "select distinct unnest(device_ids) from batch where message_id = %s and attempt > %s",
        [lease.message_id, lease.attempt],
    )
    return frozenset(id_ for (id_,) in cursor.fetchall())
