"""A browser as the platform sees it: a subscription with real keys, and the calls its script makes."""

import json
import secrets
from typing import Any

from django.http import HttpResponse
from django.test import Client

from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from pushplatform.webpush.keys import KeyPair, b64url
from subscribers.models import Device
from tests.subscribers.people import wording_of

ORIGIN = "https://shop.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Browser:
    """Subscribes with the Site's current key; remembers what the platform answered."""

    def __init__(self, site: Site):
        self.site = site
        self.client = Client(enforce_csrf_checks=True)
        self.site_id = public_ids.encode("site", site.id)
        self.device_id = self.secret = ""
        self.subscribe()

    def subscribe(self) -> None:
        """A new push subscription, as after `pushManager.subscribe()`."""
        keys = {"p256dh": b64url(KeyPair.generate().public_key), "auth": b64url(secrets.token_bytes(16))}
        endpoint = f"https://updates.push.services.mozilla.com/wpush/v2/{secrets.token_urlsafe(64)}"
        self.subscription: dict[str, Any] = {"endpoint": endpoint, "expirationTime": None, "keys": keys}

    def body(self, consents: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        key = self.site.vapid_keys.get(state="current")
        known = {"device_id": self.device_id, "device_secret": self.secret} if self.device_id else {}
        return {
            **known,
            "subscription": self.subscription,
            "application_server_key": b64url(key.public_key),
            "language": "pl-PL",
            "time_zone": "Europe/Warsaw",
            "consents": self.decisions(consents or {}),
            "page_url": f"{ORIGIN}/basket",
            **more,
        }

    def decisions(self, consents: dict[str, str], **more: Any) -> list[dict[str, Any]]:
        return [
            {
                "purpose": key,
                "wording_id": public_ids.encode("wrd", wording_of(self.site.purposes.get(key=key)).id),
                "decision": decision,
                **more,
            }
            for key, decision in consents.items()
        ]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Origin": ORIGIN, "User-Agent": FIREFOX} | headers
        send = self.client.generic
        return send(method, f"/push/v1/{path}", b"" if method == "GET" else data, "application/json", headers=sent)

    def register(self, consents: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """Registers and must succeed."""
        response = self.post_registration(self.body(consents, **more))
        assert response.status_code in (200, 201), response.content
        answer: dict[str, Any] = response.json()
        self.device_id, self.secret = answer["device_id"], answer["device_secret"]
        return answer

    def post_registration(self, body: Any) -> HttpResponse:
        return self.call("POST", f"sites/{self.site_id}/devices", body)

    def act(self, method: str, act: str, **body: Any) -> HttpResponse:
        return self.call(method, f"devices/{self.device_id}/{act}", {"device_secret": self.secret, **body})

    @property
    def device(self) -> Device:
        return Device.objects.select_related("subscription", "contact").get(id=public_ids.decode("dev", self.device_id))

    def may_get(self) -> set[str]:
        """The purposes that the device may be sent to for."""
        allowed = self.device.allowed
        return {purpose.key for purpose in self.site.purposes.all() if allowed >> purpose.bit & 1}


def problem_of(response: HttpResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """Status, code, and (pointer, code) of each error of an answer that must be a problem."""
    assert response["Content-Type"] == "application/problem+json", response.content
    body = response.json()
    assert body["detail"]
    return response.status_code, body["code"], [(one["pointer"], one["code"]) for one in body.get("errors", ())]
