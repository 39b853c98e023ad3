"""A token bucket for each address, in this process: generous to an office behind one address, not to a flood."""

import ipaddress
import threading
import time
from collections import OrderedDict
from typing import Final

MOST_ADDRESSES: Final = 50_000
"""Remembered at once; the longest silent is forgotten first, and starts again with a full bucket."""


class Limit:
    """At most so many calls a minute from one address, that many at once; IPv6 counts by /64, one household."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, when that was so
        self._lock = threading.Lock()

    def wait(self, address: str, per_minute: int, now: float | None = None) -> float:
        """Seconds until the next call may come; 0 lets this one through. `now`: monotonic seconds."""
        now = time.monotonic() if now is None else now
        who = _household(address)
        with self._lock:
            tokens, since = self._buckets.get(who, (float(per_minute), now))
            tokens = min(per_minute, tokens + (now - since) * per_minute / 60)
            allowed = tokens >= 1
            self._buckets[who] = (tokens - 1 if allowed else tokens, now)
            self._buckets.move_to_end(who)
            if len(self._buckets) > MOST_ADDRESSES:
                self._buckets.popitem(last=False)
        return 0 if allowed else (1 - tokens) * 60 / per_minute


def _household(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
