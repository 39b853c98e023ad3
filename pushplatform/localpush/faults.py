"""Failing on command: which push request fails, and how."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any

from pushplatform.localpush.exchange import Request, Response
from pushplatform.localpush.parsing import BadInput, Fields
from pushplatform.localpush.push_errors import refusal
from pushplatform.localpush.subscriptions import Subscription

STATUS_KINDS = ("400", "401", "403", "404", "410", "413", "429", "500", "502", "503")
KINDS = (*STATUS_KINDS, "slow", "hang", "reset", "garbage")

_GARBAGE = b"\x16\x03\x01 this is no answer of a push service \x00\xff\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Fault:
    """One fault switched on; None means: any label, any browser, without end, no Retry-After.

    `deliver`: the message is taken first, then the sender gets the fault for an answer (the answer was lost).
    `above`: so many requests with each VAPID key pass in every `window_ms`, and only what goes beyond fails, as when
    Chrome throttles a site.
    """

    id: int
    kind: str
    label: str | None = None
    browser: str | None = None
    count: int | None = None
    probability: float = 1.0
    retry_after: int | str | None = None
    retry_after_as: str = "seconds"
    delay_ms: int = 1000
    deliver: bool = False
    text: str | None = None
    above: int | None = None
    window_ms: int = 60_000
    hits: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def row(self) -> str:
        return json.dumps(asdict(self))

    def matches(self, subscription: Subscription | None) -> bool:
        if self.label is None and self.browser is None:
            return True
        return (
            subscription is not None
            and self.label in (None, subscription.browser.label)
            and self.browser in (None, subscription.browser.id)
        )


def parse_fault(value: object, fault_id: int) -> Fault:
    """A fault from JSON; raises BadInput. See docs/localpush.md for the members."""
    if isinstance(value, dict) and isinstance(value.get("kind"), int):
        value = {**value, "kind": str(value["kind"])}
    fields = Fields(value)
    retry_after = fields.raw("retry_after", None)
    if isinstance(retry_after, bool) or not (
        retry_after is None
        or (isinstance(retry_after, int) and 0 <= retry_after <= 604_800)
        or (isinstance(retry_after, str) and retry_after.isascii() and retry_after.isprintable())
    ):
        raise BadInput("/retry_after", "must be seconds up to 604800, a text to send as it stands, or null")
    fault = Fault(
        id=fault_id,
        kind=fields.choice("kind", among=KINDS),
        label=fields.text("label", None),
        browser=fields.text("browser", None),
        count=fields.whole("count", None, least=1, most=1_000_000),
        probability=fields.fraction("probability", 1.0),
        retry_after=retry_after,
        retry_after_as=fields.choice("retry_after_as", "seconds", among=("seconds", "date")),
        delay_ms=fields.whole("delay_ms", 1000, least=0, most=600_000),
        deliver=fields.boolean("deliver", False),
        text=fields.text("text", None, longest=1000),
        above=fields.whole("above", None, least=0, most=1_000_000),
        window_ms=fields.whole("window_ms", 60_000, least=100, most=3_600_000),
    )
    fields.done()
    if fault.probability == 0:
        raise BadInput("/probability", "must be above 0: a fault that never happens is none")
    return fault


class Faults:
    """The faults switched on, oldest first; the first that matches a request takes it."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._last_id = 0
        self._passed: dict[tuple[int, object], tuple[int, int]] = {}

    def __iter__(self) -> Any:
        return iter(self._faults.values())

    def __len__(self) -> int:
        return len(self._faults)

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add(self, fault: Fault) -> None:
        self._faults[fault.id] = fault
        self._last_id = max(self._last_id, fault.id)

    def remove(self, fault_id: int) -> Fault | None:
        self._passed = {key: passed for key, passed in self._passed.items() if key[0] != fault_id}
        return self._faults.pop(fault_id, None)

    def choose(self, subscription: Subscription | None) -> Fault | None:
        """The fault that this request gets, counted; one whose count is used up is switched off."""
        for fault in self._faults.values():
            if (
                fault.matches(subscription)
                and self._goes_beyond(fault, subscription)
                and (fault.probability >= 1 or random.random() < fault.probability)
            ):
                fault.hits += 1
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        del self._faults[fault.id]
                return fault
        return None

    def _goes_beyond(self, fault: Fault, subscription: Subscription | None) -> bool:
        if fault.above is None:
            return True
        sender = (fault.id, subscription.key if subscription else None)
        window, passed = int(time.time() * 1000 / fault.window_ms), 0
        if sender in self._passed and self._passed[sender][0] == window:
            passed = self._passed[sender][1]
        self._passed[sender] = (window, passed + 1)
        return passed >= fault.above


def faulty_answer(fault: Fault) -> Response:
    """The answer of a fault that has a status."""
    headers: dict[str, str] = {}
    if isinstance(fault.retry_after, str):
        headers["retry-after"] = fault.retry_after
    elif fault.retry_after is not None and fault.retry_after_as == "date":
        headers["retry-after"] = formatdate(time.time() + fault.retry_after, usegmt=True)
    elif fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    answer = refusal(int(fault.kind), fault.text or f"fault {fault.id}: {fault.kind} on command")
    answer.headers.update(headers)
    return answer


async def misbehave(fault: Fault, request: Request, stopping: asyncio.Event) -> None:
    """Break the connection as the fault says; returns when the connection is gone or the service stops."""
    connection = request.connection
    if connection is None:
        raise RuntimeError("this server does not hand out its connections")
    if fault.kind == "hang":
        gone = asyncio.ensure_future(request.wait_for_disconnect())
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait((gone, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if gone.done():
            return
        gone.cancel()
        connection.abort()
    elif fault.kind == "garbage":
        connection.write(_GARBAGE)
        connection.close()
    else:
        # Closing with unsent data thrown away makes the kernel send RST instead of FIN.
        sock = connection.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        connection.abort()
    await request.wait_for_disconnect()
