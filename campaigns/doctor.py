"""Whose fault is it? Sends a test to one device through our engine and through pywebpush, and compares the answers."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final

import requests
from django.conf import settings
from py_vapid import VapidException
from pywebpush import WebPushException, webpush

from campaigns.worker_process import make_transport
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.encryption import encrypt
from pushplatform.webpush.keys import b64url, new_private_key
from pushplatform.webpush.outcome import ERRORS, REASONS, Answer, Outcome, Verdict, classify
from pushplatform.webpush.request import Endpoint, EndpointRefused, build_request, parse_endpoint
from pushplatform.webpush.vapid import InvalidSubject, VapidSigner
from subscribers.models import Device

TTL: Final = 60
_SHOWN_OF_BODY: Final = 200
_OWN_PURPOSES: Final = 2


class CannotExamine(ValueError):
    """Nothing was sent; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one engine got for an answer. `text`: the push service's words, never with the endpoint in them."""

    engine: str
    answer: Answer
    verdict: Verdict
    text: str

    @property
    def accepted(self) -> bool:
        return self.verdict.outcome is Outcome.ACCEPTED

    @property
    def said(self) -> str:
        """The status, or what went wrong before there was one."""
        return str(self.answer.status) if self.answer.status else self.answer.error or "failed"


@dataclass(frozen=True, slots=True)
class Examination:
    """`pywebpush` is None where our engine found that nothing may be sent there."""

    device: Device
    host: str
    key: VapidKey
    ours: Finding
    pywebpush: Finding | None
    conclusion: str


def examine(device: Device, now: datetime) -> Examination:
    """Sends both tests, each a notification the person sees; raises CannotExamine when that must not or cannot be."""
    subscription, key = _reachable(device), device.vapid_key
    try:
        endpoint = parse_endpoint(
            subscription.endpoint, extra_hosts=settings.PUSH_ALLOWED_HOSTS, allow_loopback=settings.PUSH_ALLOW_LOOPBACK
        )
        signer = VapidSigner(bytes(key.private_key), device.site.vapid_subject)
    except EndpointRefused as refused:
        raise CannotExamine(f"We do not send there: {refused.detail}.") from None
    except InvalidSubject as wrong:
        raise CannotExamine(
            f"The Site's VAPID subject cannot be used: {wrong}. Mend it in the Site's settings."
        ) from None
    ours = _finding("our engine", endpoint, now, lambda: _ours(device, subscription, endpoint, signer, now))
    theirs = None
    if ours.answer.error != "address_refused" and endpoint.host not in settings.PUSH_HOSTS_ROUTED:
        theirs = _finding("pywebpush", endpoint, now, lambda: _pywebpush(device, subscription, key, endpoint))
    return Examination(device, endpoint.host, key, ours, theirs, _conclusion(ours, theirs))


def _reachable(device: Device) -> Any:
    """The device's subscription."""
    if device.status != Device.Status.ACTIVE:
        raise CannotExamine(
            f"The device is not active: {device.get_status_display().lower()}. It has to subscribe anew."
        )
    if not device.allowed >> _OWN_PURPOSES:
        raise CannotExamine("The person has agreed to no messages on this device, so not even a test is sent.")
    subscription = getattr(device, "subscription", None)
    if subscription is None:
        raise CannotExamine("The device has no push subscription. It has to subscribe anew.")
    if device.vapid_key.state == VapidKey.State.RETIRED:
        raise CannotExamine(
            f"Its VAPID key {device.vapid_key_id} is retired and signs nothing. It has to subscribe anew."
        )
    return subscription


def _payload(device: Device, engine: str) -> bytes:
    number = f"doctor-{secrets.token_hex(8)}"
    home = device.site.home_url or f"{device.site.origins[0]}/"
    notification = {
        "title": "Test notification",
        "body": f"Sent by {engine}.",
        "navigate": home,
        "tag": number,
        "mutable": True,
        "data": {"v": 1, "m": number, "url": home},
    }
    return json.dumps({"web_push": 8030, "mutable": True, "notification": notification}).encode()


def _finding(engine: str, endpoint: Endpoint, now: datetime, send: Callable[[], Answer]) -> Finding:
    answer = send()
    verdict = classify(answer, service=endpoint.service, now=now.timestamp())
    words = answer.body.decode("utf-8", "replace") or answer.headers.get("x-wns-error-description", "")
    words = words.replace(endpoint.url, "<endpoint>").replace(endpoint.url.partition(endpoint.host)[2], "<endpoint>")
    return Finding(engine, answer, verdict, " ".join(words.split())[:_SHOWN_OF_BODY])


def _ours(device: Device, subscription: Any, endpoint: Endpoint, signer: VapidSigner, now: datetime) -> Answer:
    body = encrypt(
        _payload(device, "the platform's own engine"),
        bytes(subscription.p256dh),
        bytes(subscription.auth),
        salt=os.urandom(16),
        private_key=new_private_key(),
    )
    authorization = signer.authorization(endpoint.origin, int(now.timestamp()))
    transport = make_transport()
    try:
        transport.submit(
            build_request(endpoint, body, authorization=authorization, ttl=TTL, urgency="normal", topic=None), None
        )
        [(_, answer)] = transport.poll(settings.PUSH_CONNECT_TIMEOUT + settings.PUSH_ANSWER_TIMEOUT + 5)
        return answer
    finally:
        transport.close()


class _Session(requests.Session):
    """As strict as our own transport: no redirects, nothing from the environment, a limit in time."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        if settings.PUSH_PROXY:
            self.proxies = {"http": settings.PUSH_PROXY, "https": settings.PUSH_PROXY}

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        limits = {"allow_redirects": False, "timeout": (settings.PUSH_CONNECT_TIMEOUT, settings.PUSH_ANSWER_TIMEOUT)}
        return super().post(*args, **kwargs | limits)


def _pywebpush(device: Device, subscription: Any, key: VapidKey, endpoint: Endpoint) -> Answer:
    started = monotonic()
    keys = {"p256dh": b64url(bytes(subscription.p256dh)), "auth": b64url(bytes(subscription.auth))}
    try:
        with _Session() as session:
            response = webpush(
                {"endpoint": endpoint.url, "keys": keys},
                _payload(device, "pywebpush"),
                vapid_private_key=b64url(bytes(key.private_key)),
                vapid_claims={"sub": device.site.vapid_subject, "aud": endpoint.origin},
                ttl=TTL,
                headers={"Urgency": "normal"},
                requests_session=session,
            )
    except WebPushException as refused:
        response = refused.response
        if response is None:
            return Answer(0, {}, str(refused).encode(), "failed", monotonic() - started)
    except (requests.RequestException, VapidException, ValueError) as error:
        return Answer(0, {}, b"", _network_error(error), monotonic() - started)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content[:4096], None, monotonic() - started)


def _network_error(error: Exception) -> str:
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (requests.exceptions.SSLError, "tls"),
        (requests.exceptions.ProxyError, "proxy_failed"),
        (requests.exceptions.ConnectTimeout, "timeout_before_write"),
        (requests.exceptions.ReadTimeout, "timeout_after_write"),
        (requests.exceptions.ConnectionError, "connect_failed"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "failed")


def _conclusion(ours: Finding, theirs: Finding | None) -> str:
    """One sentence on whose fault it is, and what to do."""
    if theirs is None:
        return f"{_meaning(ours)} pywebpush was not asked: it would go where ours must not, or cannot."
    if ours.accepted and theirs.accepted:
        return (
            "The push service takes both. If nothing is shown, the fault is behind it: the browser is closed or"
            " offline, notifications are off in the system, or the site's service worker fails (see its console)."
        )
    if ours.accepted:
        return "Ours is taken and pywebpush's is not: the fault is pywebpush's, the platform sends as it should."
    if theirs.accepted:
        return (
            "pywebpush's is taken and ours is not: the fault is in the platform's engine. Please report both answers."
        )
    if ours.verdict.reason == theirs.verdict.reason:
        return f"Both are refused alike, so it is neither engine. {_meaning(ours)}"
    return f"Both are refused, each in its own way. Ours: {_meaning(ours)} pywebpush: {_meaning(theirs)}"


def _meaning(finding: Finding) -> str:
    if finding.answer.error is not None:
        return ERRORS.get(finding.answer.error, ERRORS["failed"])
    return REASONS[finding.verdict.reason].sentence if finding.verdict.reason else "The push service takes it."
