"""From a device to the request that will reach it, or to the reason why none is made."""

import os
from datetime import datetime

from django.conf import settings

from campaigns.liquid_text import RenderFailed
from campaigns.loading import Job, Target, load_signer
from campaigns.receipt_tokens import device_ref
from campaigns.recording import Entry, is_measured
from pushplatform.webpush.encryption import PayloadTooLarge, encrypt
from pushplatform.webpush.keys import new_private_key
from pushplatform.webpush.outcome import Outcome
from pushplatform.webpush.request import Endpoint, EndpointRefused, PushRequest, build_request, parse_endpoint
from pushplatform.webpush.vapid import VapidSigner
from subscribers.models import Device


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

    def prepare(self, target: Target, now: datetime) -> PushRequest | Entry:
        """The request for a device at `now`, or its outcome where there is none."""
        try:
            left = self._decide(target, now)
            signer, endpoint = self._signer(target), self._endpoint(target)
            body = self._encrypted(target, self._rendered(target))
        except NotSent as decided:
            return Entry(target, decided.outcome, decided.reason, 0, self._job.lease.service)
        job = self._job
        return build_request(
            endpoint,
            body,
            authorization=signer.authorization(endpoint.origin, int(now.timestamp())),
            ttl=min(left, job.ttl),
            urgency=job.urgency,
            topic=job.topic,
        )

    def _decide(self, target: Target, now: datetime) -> int:
        """Seconds left to deliver it, when it may still be sent: all that was true when the audience was frozen."""
        left = (self._job.expires_at - now).total_seconds()
        if left <= 0:
            raise NotSent(Outcome.EXPIRED, "expired")
        if target.status != Device.Status.ACTIVE or target.endpoint is None:
            raise NotSent(Outcome.SKIPPED, "device_gone")
        if target.contact_id != target.frozen_contact_id:
            raise NotSent(Outcome.SKIPPED, "link_changed")
        if not target.allowed & self._job.bit:
            raise NotSent(Outcome.SKIPPED, "consent_withdrawn")
        return int(left)

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
