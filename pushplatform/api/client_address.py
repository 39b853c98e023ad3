"""Where a request comes from, also behind proxies: decided in one place, before anybody looks at REMOTE_ADDR.

Each proxy adds to the end of `X-Forwarded-For` whom it heard from. So the list is read from its end, and only as long
as those who wrote it are among TRUSTED_PROXIES: what stands further left, anybody may have made up.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address of the first in the chain whom we do not trust; "" where a trusted proxy names none we can read."""
    words = [word.strip() for word in forwarded_for.split(",") if word.strip()]
    here = _parsed(peer)
    while words and here is not None and any(here in network for network in trusted):
        here = _parsed(words.pop())
    return "" if here is None else str(here)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 callers as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address


class ClientAddressMiddleware:
    """Puts the caller's address in the place of the proxy's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TRUSTED_PROXIES and (forwarded_for := request.headers.get("X-Forwarded-For")):
            peer = request.META.get("REMOTE_ADDR", "")
            request.META["REMOTE_ADDR"] = client_address(peer, forwarded_for, settings.TRUSTED_PROXIES)
        return self.get_response(request)
