"""P1: encrypt and send over TLS to a local sink, in one process; ours beside pywebpush, in interleaved rounds.

CPU per message is what counts: it is the sender's alone, and holds still when the machine is shared. Every sender
does the whole of its work for each message: another subscription, encryption, headers, the answer read and checked.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import aiohttp
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid
from pywebpush import webpush, webpush_async

from pushplatform.webpush.encryption import encrypt
from pushplatform.webpush.keys import KeyPair, b64url, new_private_key, parse_public_key
from pushplatform.webpush.outcome import Outcome, classify
from pushplatform.webpush.request import build_request, parse_endpoint
from pushplatform.webpush.transport import Transport
from pushplatform.webpush.vapid import VapidSigner
from tests.bench.sink import Sink, sink

ROUNDS = 7
MESSAGES = {"ours": 4000, "pywebpush": 400, "pywebpush_async": 1200}
IN_FLIGHT = 200
TTL = 3600
SUBJECT = "mailto:push@shop.example"
PAYLOAD = json.dumps(
    {
        "web_push": 8030,
        "mutable": True,
        "notification": {
            "title": "Hello Anna, your basket is waiting",
            "body": "Two things you liked are still there, and one of them is now cheaper.",
            "navigate": "https://shop.example/c/abcdefghijklmnopqrstuvwxyz",
            "tag": "msg_abcdefghijklmnopqrstuvwxyz",
            "data": {"v": 1, "t": "x" * 48, "m": "msg_abcdefghijklmnopqrstuvwxyz"},
        },
    }
)

Subscription = tuple[str, bytes, bytes]
Sender = Callable[[list[Subscription]], None]


def run() -> dict[str, Any]:
    """Messages per second and CPU µs per message of each sender, medians of the rounds."""
    with sink() as target:
        senders: dict[str, Sender] = {
            "ours": Ours(target).send,
            "pywebpush": PywebpushWithSession(target).send,
            "pywebpush_async": PywebpushAsync(target).send,
        }
        subscriptions = [
            (f"{target.base}/wpush/v2/{b64url(os.urandom(90))}", KeyPair.generate().public_key, os.urandom(16))
            for _ in range(max(MESSAGES.values()))
        ]
        for send in senders.values():
            send(subscriptions[:200])
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in senders}
        floor = []
        for _ in range(ROUNDS):
            for name, send in senders.items():
                figures[name].append(_measured(send, subscriptions[: MESSAGES[name]]))
            floor.append(_ecdh_cpu_us())
    return _result(figures, median(floor))


class Ours:
    """pushplatform.webpush, as the corridor uses it."""

    def __init__(self, target: Sink) -> None:
        self._transport = Transport(allow_loopback=True, ca_file=target.ca_file)
        self._signer = VapidSigner(KeyPair.generate().private_key, SUBJECT)
        self._accepted = 0

    def send(self, subscriptions: list[Subscription]) -> None:
        self._accepted = 0
        for url, p256dh, auth in subscriptions:
            endpoint = parse_endpoint(url, allow_loopback=True)
            payload = PAYLOAD.encode()
            body = encrypt(payload, p256dh, auth, salt=os.urandom(16), private_key=new_private_key())
            token = self._signer.authorization(endpoint.origin, int(time.time()))
            request = build_request(endpoint, body, authorization=token, ttl=TTL, urgency="normal", topic=None)
            self._transport.submit(request, endpoint.service)
            self._collect(0 if self._transport.in_flight < IN_FLIGHT else 5)
        while self._transport.in_flight:
            self._collect(5)
        if self._accepted != len(subscriptions):
            raise RuntimeError(f"only {self._accepted} of {len(subscriptions)} were accepted")

    def _collect(self, timeout: float) -> None:
        for service, answer in self._transport.poll(timeout):
            self._accepted += classify(answer, service=service, now=time.time()).outcome is Outcome.ACCEPTED


class PywebpushWithSession:
    """pywebpush.webpush() with one requests.Session, the key given as text as its documentation shows."""

    def __init__(self, target: Sink) -> None:
        self._session = requests.Session()
        # Not Session.verify: requests lets the environment's bundle win over it.
        os.environ["REQUESTS_CA_BUNDLE"] = target.ca_file
        self._key = b64url(KeyPair.generate().private_key)

    def send(self, subscriptions: list[Subscription]) -> None:
        for subscription in subscriptions:
            response = webpush(
                _info(subscription),
                data=PAYLOAD,
                vapid_private_key=self._key,
                vapid_claims={"sub": SUBJECT},
                ttl=TTL,
                timeout=15,
                requests_session=self._session,
            )
            if not isinstance(response, requests.Response) or response.status_code != 201:
                raise RuntimeError("the sink did not accept")


class PywebpushAsync:
    """pywebpush.webpush_async() with one aiohttp session and a Vapid object made once."""

    def __init__(self, target: Sink) -> None:
        self._context = ssl.create_default_context(cafile=target.ca_file)
        self._vapid = Vapid.from_raw(b64url(KeyPair.generate().private_key).encode())

    def send(self, subscriptions: list[Subscription]) -> None:
        asyncio.run(self._send_all(subscriptions))

    async def _send_all(self, subscriptions: list[Subscription]) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=50)
        async with aiohttp.ClientSession(connector=connector) as session:
            waiting = iter(subscriptions)
            # As many workers as connections: it does better so than with a task for each message.
            await asyncio.gather(*(self._work(waiting, session) for _ in range(50)))

    async def _work(self, waiting: Any, session: aiohttp.ClientSession) -> None:
        for subscription in waiting:
            response = await webpush_async(
                _info(subscription),
                data=PAYLOAD,
                vapid_private_key=self._vapid,
                vapid_claims={"sub": SUBJECT},
                ttl=TTL,
                timeout=aiohttp.ClientTimeout(total=15),
                aiohttp_session=session,
            )
            if not isinstance(response, aiohttp.ClientResponse) or response.status != 201:
                raise RuntimeError("the sink did not accept")


def _info(subscription: Subscription) -> dict[str, Any]:
    url, p256dh, auth = subscription
    return {"endpoint": url, "keys": {"p256dh": b64url(p256dh), "auth": b64url(auth)}}


def _measured(send: Sender, subscriptions: list[Subscription]) -> tuple[float, float]:
    """Messages per second, and CPU µs per message of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    send(subscriptions)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return len(subscriptions) / wall, cpu / len(subscriptions) * 1e6


def _ecdh_cpu_us(times: int = 1000) -> float:
    """CPU µs of one bare ECDH on P-256, which no sender can do without (RFC 8291 §3.1)."""
    key, other, method = new_private_key(), parse_public_key(KeyPair.generate().public_key), ec.ECDH()
    cpu = time.process_time()
    for _ in range(times):
        key.exchange(method, other)
    return (time.process_time() - cpu) / times * 1e6


def _result(figures: dict[str, list[tuple[float, float]]], ecdh: float) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, rounds in figures.items():
        result[f"{name}_msg_s"] = round(median(rate for rate, _ in rounds), 1)
        result[f"{name}_cpu_us"] = round(median(cpu for _, cpu in rounds), 1)
    result["ecdh_cpu_us"] = round(ecdh, 1)
    ours = [cpu for _, cpu in figures["ours"]]
    result["ratios"] = {
        f"vs_{name}": round(median(peer / own for (_, peer), own in zip(figures[name], ours, strict=True)), 2)
        for name in ("pywebpush", "pywebpush_async")
    }
    result["ratios"]["ecdh_share"] = round(ecdh / median(ours), 2)
    return result
