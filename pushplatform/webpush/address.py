"""Which addresses of the internet we connect to: public ones, so that no endpoint can make us call the inside."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether the numeric address is a public unicast one; an IPv6 address that carries an IPv4 one needs both to be.

    False for anything that is not an address.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved
    carried = _carried(parsed)
    if parsed.ipv4_mapped is None and parsed not in _NAT64 and not (parsed in _GLOBAL_UNICAST and parsed.is_global):
        return False
    return all(is_public(str(inner)) for inner in carried)


def is_loopback(address: str) -> bool:
    """Whether the numeric address is this machine's own (127.0.0.0/8, ::1)."""
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _carried(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses a packet may end at: mapped, 6to4, Teredo, NAT64."""
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    return [inner for inner in found if inner is not None]
