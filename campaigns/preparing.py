"""From a device to the request that will reach it, or to the reason why none is made."""

import os
from collections.abc import Iterable
from datetime import datetime
from time import monotonic
from typing import NamedTuple

from django.conf import settings

from campaigns.liquid_text import RenderFailed
from campaigns.loading import Job, Target, load_signer
from campaigns.receipt_tokens import device_ref
from campaigns.recording import Entry, is_measured
from pushplatform.webpush.encryption import PayloadTooLarge, encrypt
from pushplatform.webpush.keys import new_private_key
from pushplatform.webpush.outcome import Outcome
from pushplatform.webpush.request import Endpoint, EndpointRefused, PushRequest, build_request, parse_endpoint
from pushplatform.webpush.transport import GATHERED, TURN_EVERY
from pushplatform.webpush.vapid import VapidSigner
from subscribers.models import Device

Prepared = tuple[Target, PushRequest | Entry]
"""A device with its request, or with its outcome where there is none."""


class _Draft(NamedTuple):
    """What a request is made of."""

    signer: VapidSigner
    endpoint: Endpoint
    plaintext: bytes


class NotSent(Exception):
    """This device gets no request; `outcome` and `reason` are recorded."""

    def __init__(self, outcome: Outcome, reason: str):
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Preparer:
    """Makes the requests of one Batch."""

    def __init__(self, job: Job):
        self._job = job
        self._signers: dict[int, VapidSigner | None] = {}
        self._hosts = settings.PUSH_ALLOWED_HOSTS
        self._loopback = settings.PUSH_ALLOW_LOOPBACK

    def prepare(self, targets: Iterable[Target], most: int, now: datetime) -> list[Prepared]:
        """The requests at `now` for the next devices, or their outcomes where there are none.

        At most as many as make a turn of the transport, fewer where texts take long: answers wait meanwhile.
        """
        drafts, late = [], monotonic() + TURN_EVERY
        left = (self._job.expires_at - now).total_seconds()
        for target in targets:
            drafts.append((target, self._draft(target, left)))
            if len(drafts) >= min(most, GATHERED) or monotonic() > late:
                break
        second = int(now.timestamp())
        # All are encrypted in one go: what it needs of the processor's caches would else be loaded anew for each.
        return [
            (target, draft if isinstance(draft, Entry) else self._request(target, draft, int(left), second))
            for target, draft in drafts
        ]

    def _draft(self, target: Target, left: float) -> _Draft | Entry:
        try:
            self._decide(target, left)
            return _Draft(self._signer(target), self._endpoint(target), self._rendered(target))
        except NotSent as decided:
            return self._not_sent(target, decided)

    def _request(self, target: Target, draft: _Draft, left: int, second: int) -> PushRequest | Entry:
        try:
            body = self._encrypted(target, draft.plaintext)
        except NotSent as decided:
            return self._not_sent(target, decided)
        job = self._job
        return build_request(
            draft.endpoint,
            body,
            authorization=draft.signer.authorization(draft.endpoint.origin, second),
            ttl=min(left, job.ttl),
            urgency=job.urgency,
            topic=job.topic,
        )

    def _not_sent(self, target: Target, decided: NotSent) -> Entry:
        return Entry(target, decided.outcome, decided.reason, 0, self._job.lease.service)

    def _decide(self, target: Target, left: float) -> None:
        """Raises NotSent unless all is still true that was when the audience was frozen; `left`: seconds to expiry."""
        if left <= 0:
            raise NotSent(Outcome.EXPIRED, "expired")
        if target.status != Device.Status.ACTIVE or target.endpoint is None:
            raise NotSent(Outcome.SKIPPED, "device_gone")
        if target.contact_id != target.frozen_contact_id:
            raise NotSent(Outcome.SKIPPED, "link_changed")
        if not target.allowed & self._job.bit:
            raise NotSent(Outcome.SKIPPED, "consent_withdrawn")

    def _signer(self, target: Target) -> VapidSigner:
        """The signer of the key that the device subscribed with, which may be another than when it was frozen."""
        key_id = target.vapid_key_id or 0
        if key_id not in self._signers:
            self._signers[key_id] = load_signer(key_id, self._job.subject)
        signer = self._signers[key_id]
        if signer is None:
            raise NotSent(Outcome.FAILED, "no_usable_key")
        return signer

    def _endpoint(self, target: Target) -> Endpoint:
        try:
            return parse_endpoint(target.endpoint or "", extra_hosts=self._hosts, allow_loopback=self._loopback)
        except EndpointRefused:  # it was taken once, and is not allowed any more
            raise NotSent(Outcome.FAILED, "address_refused") from None

    def _rendered(self, target: Target) -> bytes:
        job = self._job
        if job.renderer is None:
            raise NotSent(Outcome.SKIPPED, "render_failed")
        ref = device_ref(job.ref_secret, target.device_id, is_measured(job, target))
        receipt, click = job.tokens.both(job.message_id, ref)
        try:
            return job.renderer.render(target.contact, target.device, target.params, receipt=receipt, click=click)
        except RenderFailed:
            raise NotSent(Outcome.SKIPPED, "render_failed") from None
        except PayloadTooLarge:
            raise NotSent(Outcome.SKIPPED, "payload_too_large") from None

    def _encrypted(self, target: Target, plaintext: bytes) -> bytes:
        try:
            return encrypt(
                plaintext, target.p256dh or b"", target.auth or b"", salt=os.urandom(16), private_key=new_private_key()
            )
        except ValueError:  # keys are checked when they are registered: these were changed behind our back
            raise NotSent(Outcome.FAILED, "rejected") from None
