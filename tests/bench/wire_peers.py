"""The peers of the benchmark `wire` that are Python: pywebpush as its documentation shows it, and at its fastest."""

import asyncio
import os
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp
import requests
from py_vapid import Vapid
from pywebpush import webpush, webpush_async

from pushplatform.webpush.keys import KeyPair, b64url

Subscription = tuple[str, bytes, bytes]
"""Endpoint, p256dh, auth."""


@dataclass(frozen=True)
class Task:
    """What every sender sends: the plaintext, seconds to live, the contact of the VAPID token; whom it trusts."""

    payload: str
    ttl: int
    subject: str
    ca_file: str


def info(subscription: Subscription) -> dict[str, Any]:
    """The subscription as browsers and other libraries write it."""
    url, p256dh, auth = subscription
    return {"endpoint": url, "keys": {"p256dh": b64url(p256dh), "auth": b64url(auth)}}


class PywebpushWithSession:
    """pywebpush.webpush() with one requests.Session, the key given as text as its documentation shows."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._session = requests.Session()
        # Not Session.verify: requests lets the environment's bundle win over it.
        os.environ["REQUESTS_CA_BUNDLE"] = task.ca_file
        self._key = b64url(KeyPair.generate().private_key)

    def send(self, subscriptions: list[Subscription]) -> None:
        for subscription in subscriptions:
            response = webpush(
                info(subscription),
                data=self._task.payload,
                vapid_private_key=self._key,
                vapid_claims={"sub": self._task.subject},
                ttl=self._task.ttl,
                timeout=15,
                requests_session=self._session,
            )
            if not isinstance(response, requests.Response) or response.status_code != 201:
                raise RuntimeError("the sink did not accept")


class PywebpushAsync:
    """pywebpush.webpush_async() with one aiohttp session and a Vapid object made once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._context = ssl.create_default_context(cafile=task.ca_file)
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
                info(subscription),
                data=self._task.payload,
                vapid_private_key=self._vapid,
                vapid_claims={"sub": self._task.subject},
                ttl=self._task.ttl,
                timeout=aiohttp.ClientTimeout(total=15),
                aiohttp_session=session,
            )
            if not isinstance(response, aiohttp.ClientResponse) or response.status != 201:
                raise RuntimeError("the sink did not accept")
