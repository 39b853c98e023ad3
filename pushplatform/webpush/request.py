"""A push request as a value (RFC 8030 §5): which endpoints may be called, and what is said to them."""

import re
from base64 import urlsafe_b64encode
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, NamedTuple

MAX_ENDPOINT: Final = 2048
"""Characters."""

MAX_TTL: Final = 2_419_200
"""Seconds, 28 days: the most that FCM takes."""

URGENCIES: Final = ("very-low", "low", "normal", "high")


class PushService(IntEnum):
    """Who runs the push service; the number is stored."""

    FCM = 1
    MOZILLA = 2
    APPLE = 3
    WINDOWS = 4
    OTHER = 5
    LOCAL = 6


class EndpointRefused(ValueError):
    """An endpoint we do not send to; `code` is stable, `detail` a sentence that never repeats the endpoint.

    Codes: too_long, malformed, not_https, userinfo, fragment, port_not_allowed, path_not_allowed, host_not_allowed,
    loopback_not_allowed, permanently_removed.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class _Allowed(NamedTuple):
    """One line of the allow-list: the name, whether names below it count, the port and the start of the path."""

    name: str
    below: bool
    service: PushService
    port: int = 443
    path: str = ""


_ALLOWED: Final = (
    _Allowed("fcm.googleapis.com", False, PushService.FCM),
    _Allowed("jmt17.google.com", False, PushService.FCM),  # Chromium builds that are not the stable channel
    _Allowed("push.services.mozilla.com", True, PushService.MOZILLA),
    _Allowed("mozaws.net", True, PushService.MOZILLA),  # Mozilla's stage
    _Allowed("push.apple.com", True, PushService.APPLE),
    _Allowed("notify.windows.com", True, PushService.WINDOWS),
    _Allowed("wns.windows.com", True, PushService.WINDOWS),
    _Allowed("graph.facebook.com", False, PushService.OTHER, path="/rl_push_send"),  # Meta Quest
    _Allowed("push.kaiostech.com", False, PushService.OTHER, port=8443),
)

# One reading for every parser: no backslash, no white space, nothing beyond ASCII.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([$-.0->@-\[\]-~]+)((?:[/?#][!-\[\]-~]*)?)")
_NETLOC = re.compile(r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


# Values of which each message makes one are named tuples: they cost half of what frozen dataclasses do.
class Endpoint(NamedTuple):
    """A checked push endpoint. `url` is a capability and stays out of logs; `origin` is what VAPID tokens name."""

    url: str
    origin: str
    host: str
    service: PushService

    def __repr__(self) -> str:
        return f"Endpoint(origin={self.origin!r}, service={self.service.name})"


class PushRequest(NamedTuple):
    """What is to be sent: POST `body` to `endpoint` with `headers` (each `Name: value`)."""

    endpoint: Endpoint
    headers: tuple[str, ...]
    body: bytes

    def __repr__(self) -> str:
        return f"PushRequest({self.endpoint!r}, {len(self.body)} octets)"


def parse_endpoint(url: str, *, extra_hosts: frozenset[str] = frozenset(), allow_loopback: bool = False) -> Endpoint:
    """The checked endpoint of a subscription; raises EndpointRefused.

    Allowed are the known push services by parsed host name, `extra_hosts` (`name`, `name:port`, or `*.name` for all
    names below it) and, with `allow_loopback`, this machine on any port, with http as well. The address behind the
    name is checked when connecting, not here.
    """
    if len(url) > MAX_ENDPOINT:
        raise EndpointRefused("too_long", f"the endpoint is longer than {MAX_ENDPOINT} characters")
    match = _URL.fullmatch(url)
    if match is None:
        raise EndpointRefused("malformed", "the endpoint is not an absolute URL of printable ASCII characters")
    scheme, authority, rest = match.groups()
    if "#" in rest:
        raise EndpointRefused("fragment", "the endpoint must not have a fragment")
    origin, host, service, path = _authority(scheme, authority, extra_hosts, allow_loopback)
    if path and (not rest.startswith(path) or rest[len(path) : len(path) + 1] not in ("", "/", "?") or "/." in rest):
        raise EndpointRefused("path_not_allowed", "the endpoint's path is not one this push service uses")
    return Endpoint(url, origin, host, service)


def is_loopback_name(host: str) -> bool:
    """Whether the parsed host names this machine: localhost, names below it, 127.0.0.0/8, ::1."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if not (host[:1].isdigit() or ":" in host):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def topic(site_id: int, collapse_key: str) -> str:
    """The Topic header of a collapse key: 32 characters that every push service takes (RFC 8030 §5.4)."""
    return urlsafe_b64encode(sha256(f"{site_id}\0{collapse_key}".encode()).digest()[:24]).decode("ascii")


def build_request(
    endpoint: Endpoint, body: bytes, *, authorization: str, ttl: int, urgency: str, topic: str | None
) -> PushRequest:
    """The POST of one encrypted body (RFC 8030 §5).

    `ttl`: seconds, brought into 0…MAX_TTL; `topic`: None sends no Topic. Raises ValueError for an urgency or a topic
    outside RFC 8030 §5.3 and §5.4.
    """
    ttl = min(max(ttl, 0), MAX_TTL)
    # Its default policy is to cache, which Windows then finds in conflict with a TTL of 0.
    uncached = ttl == 0 and endpoint.service is PushService.WINDOWS
    return PushRequest(endpoint, _headers(authorization, ttl, urgency, topic, uncached), body)


@lru_cache(maxsize=256)
def _headers(authorization: str, ttl: int, urgency: str, topic: str | None, uncached: bool) -> tuple[str, ...]:
    """The header lines; the same object for the same words, so that a connection need not be told them again."""
    if urgency not in URGENCIES:
        raise ValueError(f"urgency must be one of {', '.join(URGENCIES)}")
    headers: tuple[str, ...] = (
        f"Authorization: {authorization}",
        f"TTL: {ttl}",
        f"Urgency: {urgency}",
        "Content-Encoding: aes128gcm",
        "Content-Type: application/octet-stream",
    )
    if topic is not None:
        # Apple decodes a topic as base64url and refuses lengths that cannot be any.
        if not _TOPIC.fullmatch(topic) or len(topic) % 4 == 1:
            raise ValueError("topic must be base64url text of at most 32 characters")
        headers += (f"Topic: {topic}",)
    if uncached:
        headers += ("X-WNS-Cache-Policy: no-cache",)
    return headers


class _Authority(NamedTuple):
    """What scheme and authority of an endpoint say."""

    origin: str
    host: str
    service: PushService
    path: str


@lru_cache(maxsize=1024)
def _authority(scheme: str, text: str, extra_hosts: frozenset[str], allow_loopback: bool) -> _Authority:
    """The checked authority; kept, because millions of endpoints share a handful of them."""
    if "@" in text:
        raise EndpointRefused("userinfo", "the endpoint must not carry a user name or password")
    match = _NETLOC.fullmatch(text.lower())
    if match is None or ".." in match["host"]:
        raise EndpointRefused("malformed", "the endpoint's host is not a plain name or address")
    host, scheme = match["host"].strip("[]"), scheme.lower()
    default = {"https": 443, "http": 80}.get(scheme, 0)
    port = int(match["port"]) if match["port"] else default
    rule = _rule(scheme, host, port, extra_hosts, allow_loopback)
    origin = f"{scheme}://{match['host']}" + ("" if port == default else f":{port}")
    return _Authority(origin, host, rule.service, rule.path)


def _rule(scheme: str, host: str, port: int, extra_hosts: frozenset[str], allow_loopback: bool) -> _Allowed:
    """The line of the allow-list that fits."""
    if is_loopback_name(host):
        if not allow_loopback:
            raise EndpointRefused("loopback_not_allowed", "the endpoint is on this machine, which is not allowed here")
        if scheme not in ("https", "http"):
            raise EndpointRefused("not_https", "the endpoint must be an https URL")
        return _Allowed(host, False, PushService.LOCAL, port)
    if scheme != "https":
        raise EndpointRefused("not_https", "the endpoint must be an https URL")
    if host == "permanently-removed.invalid":
        raise EndpointRefused("permanently_removed", "the browser has given up this subscription; subscribe anew")
    rules = [*_ALLOWED, *map(_extra, extra_hosts)]
    named = [rule for rule in rules if host == rule.name or (rule.below and host.endswith("." + rule.name))]
    for rule in named:
        if port == rule.port:
            return rule
    if named:
        raise EndpointRefused("port_not_allowed", "the endpoint's port is not one this push service uses")
    raise EndpointRefused("host_not_allowed", "the endpoint's host is not a push service known here")


def _extra(text: str) -> _Allowed:
    """A line of the allow-list from `name`, `name:port` or `*.name`."""
    name, _, port = text.lower().partition(":")
    return _Allowed(name.removeprefix("*."), name.startswith("*."), PushService.OTHER, int(port or 443))
