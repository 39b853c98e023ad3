"""Browsers, simulated and real, and the push subscriptions they hold."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from pushplatform.localpush.behaviour import Behaviour, parse_behaviour
from pushplatform.localpush.inbox import moment
from pushplatform.webpush.keys import KeyPair, b64url, b64url_decode

_MESSAGES_REMEMBERED = 1000  # per browser, to know a repeated one; a service worker keeps fewer


class Carrier(Protocol):
    """A live connection to a real browser."""

    def carry(self, message_id: str, channel: str | None, body: bytes, encoding: dict[str, str]) -> None:
        """Send a push message down; the browser acknowledges it by its id."""

    def close(self, code: int = ...) -> None:
        """End the connection with this WebSocket close code."""


@dataclass(slots=True)
class Browser:
    """One browser. `number` counts its kind from 1; `seen` is how often each message id was posted to it.

    A simulated one has its `keys` and `auth` and at most one subscription; a real one is known by its `uaid`.
    """

    id: str
    number: int
    label: str
    kind: str
    created_at: float
    behaviour: Behaviour = field(default_factory=Behaviour)
    receipts_url: str | None = None
    keys: KeyPair | None = None
    auth: bytes = b""
    uaid: str | None = None
    posts: int = 0
    tally: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    connection: Carrier | None = field(default=None, repr=False)
    _private_key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)

    @property
    def online(self) -> bool:
        return self.behaviour.online if self.kind == "simulated" else self.connection is not None

    @property
    def counts_only(self) -> bool:
        return self.kind == "simulated" and self.behaviour.mode == "count"

    @property
    def seed(self) -> object:
        return self.number if self.behaviour.seed is None else self.behaviour.seed

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The simulated browser's key as an object, made once: deriving it costs as much as a decryption."""
        if self._private_key is None:
            assert self.keys is not None
            self._private_key = self.keys.ec_private_key()
        return self._private_key

    @property
    def subscription(self) -> Subscription | None:
        """The newest subscription that is alive."""
        return next((each for each in reversed(self.subscriptions.values()) if each.alive), None)

    def renew_keys(self) -> None:
        self.keys, self.auth, self._private_key = KeyPair.generate(), secrets.token_bytes(16), None

    def count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1

    def row(self) -> str:
        """The browser as kept between two runs, without `seen`."""
        return json.dumps(
            {
                "id": self.id,
                "number": self.number,
                "label": self.label,
                "kind": self.kind,
                "created_at": self.created_at,
                "behaviour": self.behaviour.as_json(),
                "receipts_url": self.receipts_url,
                "private_key": b64url(self.keys.private_key) if self.keys else None,
                "public_key": b64url(self.keys.public_key) if self.keys else None,
                "auth": b64url(self.auth),
                "uaid": self.uaid,
                "posts": self.posts,
                "tally": self.tally,
            }
        )

    @classmethod
    def from_row(cls, row: str) -> Browser:
        stored = json.loads(row)
        private_key, public_key = stored.pop("private_key"), stored.pop("public_key")
        stored["keys"] = KeyPair(b64url_decode(private_key), b64url_decode(public_key)) if private_key else None
        stored["auth"] = b64url_decode(stored["auth"])
        stored["behaviour"] = parse_behaviour(stored["behaviour"])
        return cls(**stored)


@dataclass(slots=True)
class Subscription:
    """A push resource: whoever knows `token` and signs with `key` (65 octets, None: anybody) may push.

    `channel` is Firefox's channelID; `gone_code` why Firefox unregistered (200 person, 201 quota, 202 permission).
    """

    token: str
    browser: Browser
    key: bytes | None
    created_at: float
    channel: str | None = None
    gone_at: float | None = None
    gone_code: int | None = None

    @property
    def alive(self) -> bool:
        return self.gone_at is None

    def row(self) -> str:
        return json.dumps(
            {
                "token": self.token,
                "browser": self.browser.id,
                "key": b64url(self.key) if self.key else None,
                "created_at": self.created_at,
                "channel": self.channel,
                "gone_at": self.gone_at,
                "gone_code": self.gone_code,
            }
        )


class Registry:
    """Every browser and subscription; `changed` and `removed` are told what to keep between two runs."""

    def __init__(
        self,
        base: str,
        changed: Callable[[Browser | Subscription], None],
        removed: Callable[[Browser], None],
        seen: Callable[[Browser, str, int | None], None],
    ) -> None:
        """`base` is the public address that endpoints begin with, without a slash at the end.

        `seen` is told how often a message id came to a browser, None when it is no longer remembered.
        """
        self._base = base
        self._seen = seen
        self._changed = changed
        self._removed = removed
        self._browsers: dict[str, Browser] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._user_agents: dict[str, Browser] = {}
        self._last_numbers = {"simulated": 0, "firefox": 0}

    def __iter__(self) -> Iterator[Browser]:
        return iter(self._browsers.values())

    def __len__(self) -> int:
        return len(self._browsers)

    def browser(self, browser_id: str) -> Browser | None:
        return self._browsers.get(browser_id)

    def by_token(self, token: str) -> Subscription | None:
        return self._subscriptions.get(token)

    def by_uaid(self, uaid: str) -> Browser | None:
        return self._user_agents.get(uaid)

    def endpoint(self, subscription: Subscription) -> str:
        return f"{self._base}/push/{subscription.token}"

    def new_simulated(
        self, label: str, key: bytes | None, receipts_url: str | None, behaviour: Behaviour, now: float
    ) -> Browser:
        browser = self._new("simulated", label, now, behaviour=behaviour, receipts_url=receipts_url)
        self.add(browser)
        self.subscribe(browser, key, now)
        return browser

    def new_user_agent(self, now: float) -> Browser:
        """A real browser that just said hello; kept only once it subscribes (see `add`)."""
        browser = self._new("firefox", "", now, uaid=secrets.token_hex(16))
        browser.label = f"Firefox {browser.number}"
        return browser

    def _new(self, kind: str, label: str, now: float, **facts: object) -> Browser:
        number = self._last_numbers[kind] = self._last_numbers[kind] + 1
        prefix = "sim" if kind == "simulated" else "ua"
        return Browser(
            f"{prefix}_{secrets.token_hex(8)}",
            number,
            label,
            kind,
            now,
            **facts,  # type: ignore[arg-type]
        )

    def add(self, browser: Browser) -> None:
        self.restore(browser)
        self._changed(browser)

    def restore(self, browser: Browser) -> None:
        """Add a browser that is kept already."""
        self._browsers[browser.id] = browser
        self._last_numbers[browser.kind] = max(self._last_numbers[browser.kind], browser.number)
        if browser.uaid is not None:
            self._user_agents[browser.uaid] = browser

    def restore_subscription(self, row: str) -> None:
        """Add a kept subscription; one whose browser was deleted stays as the memory that it is gone."""
        stored = json.loads(row)
        browser = self._browsers.get(stored["browser"])
        if browser is None:
            browser = Browser(stored["browser"], 0, "", "deleted", stored["created_at"])
            stored["gone_at"] = stored["gone_at"] or stored["created_at"]
        stored["browser"] = browser
        stored["key"] = b64url_decode(stored["key"]) if stored["key"] else None
        subscription = Subscription(**stored)
        self._subscriptions[subscription.token] = subscription
        browser.subscriptions[subscription.token] = subscription

    def subscribe(self, browser: Browser, key: bytes | None, now: float, channel: str | None = None) -> Subscription:
        """A new subscription; a simulated browser's earlier one ends, with keys of its own as in life."""
        if browser.kind == "simulated":
            for earlier in browser.subscriptions.values():
                self.unsubscribe(earlier, now)
            browser.renew_keys()
            self._changed(browser)
        subscription = Subscription(secrets.token_urlsafe(32), browser, key, now, channel)
        self._subscriptions[subscription.token] = subscription
        browser.subscriptions[subscription.token] = subscription
        self._changed(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription, now: float, code: int | None = None) -> None:
        """From now on its endpoint answers 410."""
        if subscription.alive:
            subscription.gone_at, subscription.gone_code = now, code
            self._changed(subscription)

    def changed(self, browser: Browser) -> None:
        self._changed(browser)

    def remove(self, browser: Browser, now: float) -> None:
        """Delete a browser; its endpoints answer 410 for ever."""
        for subscription in browser.subscriptions.values():
            self.unsubscribe(subscription, now)
        self._browsers.pop(browser.id, None)
        if browser.uaid is not None:
            self._user_agents.pop(browser.uaid, None)
        self._removed(browser)

    def as_json(self, browser: Browser) -> dict[str, object]:
        subscription = browser.subscription
        document: dict[str, object] = {
            "id": browser.id,
            "number": browser.number,
            "label": browser.label,
            "kind": browser.kind,
            "created_at": moment(browser.created_at),
            "online": browser.online,
            "subscribed": subscription is not None,
            "posts": browser.posts,
            "doubled": sum(count - 1 for count in browser.seen.values()),
            "tally": browser.tally,
        }
        if browser.kind != "simulated":
            document["subscriptions"] = [self._subscription_json(each) for each in browser.subscriptions.values()]
            return document
        assert browser.keys is not None
        document["subscription"] = subscription and {
            "endpoint": self.endpoint(subscription),
            "expirationTime": None,
            "keys": {"p256dh": b64url(browser.keys.public_key), "auth": b64url(browser.auth)},
        }
        newest = next(reversed(browser.subscriptions.values()))
        document["application_server_key"] = b64url(newest.key) if newest.key else None
        document["receipts_url"] = browser.receipts_url
        document["behaviour"] = browser.behaviour.as_json()
        return document

    def _subscription_json(self, subscription: Subscription) -> dict[str, object]:
        return {
            "endpoint": self.endpoint(subscription),
            "channel": subscription.channel,
            "created_at": moment(subscription.created_at),
            "application_server_key": b64url(subscription.key) if subscription.key else None,
            "gone_at": moment(subscription.gone_at) if subscription.gone_at else None,
            "gone_code": subscription.gone_code,
        }

    def remember(self, browser: Browser, message: str) -> int:
        """Count one more post of a message to a browser; how often it came so far."""
        count = browser.seen.get(message, 0) + 1
        browser.seen[message] = count
        self._seen(browser, message, count)
        if len(browser.seen) > _MESSAGES_REMEMBERED:
            oldest = next(iter(browser.seen))
            del browser.seen[oldest]
            self._seen(browser, oldest, None)
        return count
