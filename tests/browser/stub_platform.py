"""The platform's browser API as far as the script and the worker can see it, so that each can be tested alone.

Shapes are those of the HTTP contract. It keeps what it was told in plain lists, sends real encrypted pushes through
pywebpush, and can be told to fail. The real platform is tested end to end elsewhere.
"""

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from py_vapid.utils import b64urlencode
from pywebpush import WebPusher

from tests.parts.ports import free_port

STATIC = Path(__file__).parents[2] / "static" / "push"
SITE = "site_stub"

PURPOSES = [
    ("offers", "marketing", "Offers", "Kiln & Kettle may send me offers in this browser, at most one a week."),
    ("order_updates", "service", "My orders", "Kiln & Kettle may tell me in this browser where my order is."),
    ("personal_data", "service", "Link to my account", "Kiln & Kettle may link this browser to my customer number."),
    ("measurement", "service", "Help us learn", "Kiln & Kettle may see whether its messages arrive and are opened."),
]


@dataclass
class Registration:
    """One device as the stub knows it."""

    device_id: str
    secret: str
    subscription: dict[str, Any]
    key: Vapid02
    calls: list[dict[str, Any]] = field(default_factory=list)
    linked_to: str | None = None
    subscribed: bool = True


class StubPlatform:
    """Runs in a thread until `stop()`; `base` is its origin. Everything it was told stands in its lists."""

    def __init__(self, routes: dict[str, str] | None = None) -> None:
        self.site = SITE
        self.routes = routes or {}
        self.key = _new_key()
        self.prompt: dict[str, str] = {"privacy_url": "/privacy"}
        self.devices: dict[str, Registration] = {}
        self.reports: list[list[dict[str, str]]] = []
        self.consents: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.fail_with: tuple[int, dict[str, str]] = (503, {})
        self.refusals: dict[str, tuple[int, str]] = {}
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)
        self._thread.start()
        if not self._ready.wait(60):
            raise RuntimeError("the stub platform did not start within 60 s")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        application = web.Application(middlewares=[self._open_to_all])
        add = application.router.add_route
        add("GET", "/static/push/{name:.+}", self._static)
        add("GET", "/push/v1/sites/{site}/config", self._config)
        add("POST", "/push/v1/sites/{site}/devices", self._device)
        add("*", "/push/v1/devices/{id}/{act}", self._act)
        add("POST", "/push/v1/receipts", self._receipts)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", free_port())  # workers of earlier tests know theirs
        await site.start()
        self.base = f"http://localhost:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @web.middleware
    async def _open_to_all(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        allow = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        if request.method == "OPTIONS":
            methods = {"Access-Control-Allow-Methods": "*", "Access-Control-Allow-Headers": "content-type"}
            return web.Response(status=204, headers={**allow, **methods})
        response = self._told_to_fail(request.path.rsplit("/", 1)[-1]) or await handler(request)
        response.headers.update(allow)
        with self._changed:
            self.calls.append((request.method, request.path))
            self._changed.notify_all()
        return response

    def _told_to_fail(self, name: str) -> web.Response | None:
        if name in self.failing:
            status, headers = self.fail_with
            return web.json_response({"code": "busy"}, status=status, headers=headers)
        if name in self.refusals:
            status, code = self.refusals[name]
            return web.json_response({"status": status, "code": code, "detail": code}, status=status)
        return None

    # The browser API

    async def _static(self, request: web.Request) -> web.StreamResponse:
        file = (STATIC / request.match_info["name"]).resolve()
        if not file.is_relative_to(STATIC) or not file.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=file.read_bytes(), content_type="text/javascript", headers={"Cache-Control": "no-cache"}
        )

    async def _config(self, request: web.Request) -> web.Response:
        purposes = [
            {"key": key, "kind": kind, "title": title, "wording": _wording(key, text)}
            for key, kind, title, text in PURPOSES
        ]
        return web.json_response({"vapid_public_key": self.public_key, "purposes": purposes, "prompt": self.prompt})

    async def _device(self, request: web.Request) -> web.Response:
        body = await request.json()
        known = self.devices.get(body.get("device_id", ""))
        self.consents.extend(body["consents"])
        if known is not None and known.secret == body.get("device_secret"):
            known.subscription, known.key, known.subscribed = body["subscription"], self.key, True
            known.calls.append(body)
            return web.json_response({"device_id": known.device_id, "device_secret": known.secret})
        made = Registration(f"dev_{secrets.token_hex(8)}", secrets.token_urlsafe(24), body["subscription"], self.key)
        made.calls.append(body)
        self.devices[made.device_id] = made
        return web.json_response({"device_id": made.device_id, "device_secret": made.secret}, status=201)

    async def _act(self, request: web.Request) -> web.Response:
        body = await request.json()
        device = self.devices.get(request.match_info["id"])
        if device is None or device.secret != body.get("device_secret"):
            return web.json_response({"code": "unknown_device", "detail": "no such device"}, status=404)
        act = request.match_info["act"]
        if act == "identity":
            device.linked_to = body["external_id"] if request.method == "POST" else None
        elif act == "consents":
            self.consents.extend(body["consents"])
        elif act == "unsubscribe":
            device.subscribed = False
        return web.Response(status=204)

    async def _receipts(self, request: web.Request) -> web.Response:
        self.reports.append(json.loads(await request.text()))
        return web.Response(status=204)

    # What a test does

    @property
    def public_key(self) -> str:
        key = self.key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return b64urlencode(key)

    def change_key(self) -> None:
        """The Site's key is replaced; subscriptions made with the old one keep being signed with it."""
        self.key = _new_key()

    @property
    def device(self) -> Registration:
        """The one device that registered."""
        (device,) = self.devices.values()
        return device

    def send(self, notification: dict[str, Any]) -> int:
        """Push a notification to the device as the platform does; the push service's status."""
        payload = {"web_push": 8030, "mutable": True, "notification": notification}
        return self.send_raw(json.dumps(payload).encode())

    def send_raw(self, plaintext: bytes) -> int:
        """Push any plaintext, encrypted and signed."""
        device = self.device
        endpoint = urlsplit(device.subscription["endpoint"])
        audience = f"{endpoint.scheme}://{endpoint.netloc}"
        claims = {"aud": audience, "sub": "mailto:shop@example.com", "exp": int(time.time()) + 3600}
        target = dict(device.subscription)
        if endpoint.hostname in self.routes:
            target["endpoint"] = self.routes[endpoint.hostname] + endpoint.path
        return WebPusher(target).send(plaintext, device.key.sign(claims), ttl=60, timeout=60).status_code

    def received(self, token: str) -> list[str]:
        """The kinds reported with this token, in order, duplicates included."""
        return [entry["kind"] for batch in self.reports for entry in batch if entry["token"] == token]

    def wait_until(self, true: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        """Wait for something that a call of the browser brings about."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(true()), timeout):
                raise AssertionError(f"{what}: not within {timeout} s; calls so far: {self.calls[-10:]}")


def _wording(key: str, text: str) -> dict[str, Any]:
    return {"id": f"wrd_{key}_1", "version": 1, "language": "en", "text": text}


def _new_key() -> Vapid02:
    key = Vapid02()
    key.generate_keys()
    return key


def notification(title: str, *, token: str, url: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    """The `notification` member of the payload, as the platform makes it."""
    message = message or f"msg_{secrets.token_hex(6)}"
    data = {"v": 1, "t": token, "m": message, "url": url, **more.pop("data", {})}
    fixed = {"navigate": url, "tag": message, "lang": "en", "dir": "auto", "mutable": True}
    return {"title": title, **fixed, "data": data, **more}
