"""POST /push/{token}: one push message from a sender, checked as a push service checks it (RFC 8030, 8291, 8292)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from pushplatform.localpush.delivery import Push
from pushplatform.localpush.exchange import Request, Response, TooLarge
from pushplatform.localpush.faults import STATUS_KINDS, Fault, faulty_answer, misbehave
from pushplatform.localpush.push_errors import refusal
from pushplatform.localpush.push_service import LocalPush
from pushplatform.localpush.subscriptions import Subscription
from pushplatform.webpush.encryption import MAX_BODY
from pushplatform.webpush.vapid import VapidRefused

_SMALLEST_BODY = 103  # header, delimiter and tag around an empty plaintext
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URGENCIES = ("very-low", "low", "normal", "high")
_TTL_OVERFLOW = 2**31  # RFC 8030 §5.2


class Refused(Exception):
    """A push that is not accepted."""

    def __init__(self, status: int, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.answer = refusal(status, message, errno=errno)


def read_push(headers: Mapping[str, str], size: int) -> Push:
    """The push that these headers, with a body of `size` octets, describe; raises Refused."""
    ttl = headers.get("ttl", "").strip()
    if not ttl:
        raise Refused(400, "TTL header is missing (RFC 8030 §5.2)", 111)
    if not (ttl.isascii() and ttl.isdigit()):
        raise Refused(400, "TTL must be a whole number of seconds, not negative (RFC 8030 §5.2)", 114)
    urgency = headers.get("urgency", "normal").strip().lower()
    if urgency not in _URGENCIES:
        raise Refused(400, f"Urgency must be one of {', '.join(_URGENCIES)} (RFC 8030 §5.3)")
    topic = headers.get("topic")
    if topic is not None and not _TOPIC.fullmatch(topic):
        raise Refused(400, "Topic must be 1 to 32 characters of the URL-safe base64 alphabet (RFC 8030 §5.4)", 113)
    return Push(min(int(ttl[:12]), _TTL_OVERFLOW), urgency, topic, _encoding(headers, size))


def _encoding(headers: Mapping[str, str], size: int) -> dict[str, str]:
    if size == 0:
        return {}
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding != "aes128gcm":
        raise Refused(400, "Content-Encoding must be aes128gcm, once and alone (RFC 8291 §4)")
    if "dh=" in headers.get("crypto-key", "") or "salt=" in headers.get("encryption", ""):
        raise Refused(400, "aes128gcm keeps key and salt in the body: remove Crypto-Key dh and Encryption salt")
    if size < _SMALLEST_BODY:
        raise Refused(400, f"the body is too short for aes128gcm: {size} octets, at least {_SMALLEST_BODY}")
    return {"encoding": "aes128gcm"}


async def take_push(service: LocalPush, request: Request, token: str) -> Response | None:
    """Answer one push; None when a fault broke the connection instead."""
    statistics = service.statistics
    statistics.posts += 1
    service.keep_statistics()
    subscription = service.registry.by_token(token)
    fault = service.faults.choose(subscription) if len(service.faults) else None
    try:
        body: bytes | None = await request.body(MAX_BODY)
    except TooLarge:
        body = None
    if fault is not None:
        statistics.faults[fault.kind] += 1
        service.keep_fault(fault)
        if fault.kind == "slow":
            await service.unless_stopping(fault.delay_ms / 1000)
        elif not fault.deliver:
            return await _fail(service, request, fault)
    answer = await _accept(service, request, subscription, body)
    if fault is not None and fault.kind != "slow" and answer.status == 201:
        return await _fail(service, request, fault)
    statistics.statuses[str(answer.status)] += 1
    return answer


async def _fail(service: LocalPush, request: Request, fault: Fault) -> Response | None:
    service.statistics.statuses[fault.kind] += 1
    if fault.kind in STATUS_KINDS:
        return faulty_answer(fault)
    await misbehave(fault, request, service.stopping)
    return None


async def _accept(
    service: LocalPush, request: Request, subscription: Subscription | None, body: bytes | None
) -> Response:
    """Check in the order of Mozilla's push service, then store and answer 201 (RFC 8030 §5)."""
    now = time.time()
    try:
        if subscription is None:
            raise Refused(404, "no such subscription")
        if body is None:
            raise Refused(413, f"the body has more than {MAX_BODY} octets")
        push = read_push(request.headers, len(body))
        claims = service.doorkeeper.check(request.headers.get("authorization"), subscription.key, int(now))
        if not subscription.alive:
            raise Refused(410, "the subscription was ended by its browser")
    except Refused as refused:
        return refused.answer
    except VapidRefused as refused:
        return refusal(401 if refused.code == "missing" else 403, str(refused))
    if subscription.browser.counts_only:
        message_id = service.delivery.count(subscription.browser)
        ttl = push.ttl
    else:
        await service.simulation.room()
        message = service.delivery.accept(subscription, push, body, request.headers, claims, now)
        message_id, ttl = message.id, message.ttl
    return Response(201, headers={"location": f"{service.base}/m/{message_id}", "ttl": str(ttl)})
