"""How a simulated browser and the person before it react, the same way every time for the same seed and message."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pushplatform.localpush.parsing import BadInput, Fields


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Probabilities from 0 to 1 and delays in milliseconds; see `parse_behaviour` for what each member means."""

    mode: str = "full"
    online: bool = True
    receive: float = 1.0
    show: float = 1.0
    click: float = 0.0
    close: float = 0.0
    action: float = 0.0
    delay_ms: tuple[int, int] = (0, 0)
    receive_delay_ms: tuple[int, int] = (0, 0)
    spread: bool = True
    seed: int | str | None = None

    def as_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        document["delay_ms"], document["receive_delay_ms"] = list(self.delay_ms), list(self.receive_delay_ms)
        return document


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one browser does with one message: `answer` is "clicked", "closed" or None; times are seconds."""

    received: bool
    shown: bool
    answer: str | None
    action: int | None
    answer_after: float
    report_after: float


def parse_behaviour(value: object, pointer: str = "/behaviour", base: Behaviour | None = None) -> Behaviour:
    """A behaviour from JSON, members left out keep the value of `base`; raises BadInput.

    mode: "full", or "count" (counts POSTs and nothing else); online: connected now; receive: the push reaches the
    browser at all; show: a notification is displayed; click, close: what the person does, together at most 1;
    action: a click lands on a button; delay_ms: from shown to the click; receive_delay_ms: from accepted to shown;
    spread: obey the payload's `data.s`; seed: null takes the browser's number.
    """
    old = base or Behaviour()
    fields = Fields(value, pointer)
    seed = fields.raw("seed", old.seed)
    if isinstance(seed, bool) or not (seed is None or isinstance(seed, int | str)):
        raise BadInput(fields.pointer("seed"), "must be a whole number, a text or null")
    behaviour = Behaviour(
        mode=fields.choice("mode", old.mode, among=("full", "count")),
        online=fields.boolean("online", old.online),
        receive=fields.fraction("receive", old.receive),
        show=fields.fraction("show", old.show),
        click=fields.fraction("click", old.click),
        close=fields.fraction("close", old.close),
        action=fields.fraction("action", old.action),
        delay_ms=fields.span("delay_ms", old.delay_ms),
        receive_delay_ms=fields.span("receive_delay_ms", old.receive_delay_ms),
        spread=fields.boolean("spread", old.spread),
        seed=seed,
    )
    fields.done()
    if behaviour.click + behaviour.close > 1:
        raise BadInput(fields.pointer("click"), "click and close exclude each other: together at most 1")
    return behaviour


def _chances(*what: object) -> list[float]:
    """Eight numbers from 0 to below 1 that depend on the arguments alone."""
    digest = hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=32).digest()
    return [int.from_bytes(digest[at : at + 4], "big") / 2**32 for at in range(0, 32, 4)]


def _within(span: tuple[int, int], chance: float) -> float:
    return (span[0] + (span[1] - span[0]) * chance) / 1000


def receive_delay(behaviour: Behaviour, seed: object, ordinal: int) -> float:
    """Seconds from accepted to shown for the browser's push number `ordinal`, whose content is unknown as yet."""
    if behaviour.receive_delay_ms == (0, 0):
        return 0.0
    return _within(behaviour.receive_delay_ms, _chances("delay", seed, ordinal)[0])


def react(behaviour: Behaviour, seed: object, message: str, *, buttons: int, span: float) -> Reaction:
    """What a browser does with `message`, which has `buttons` buttons and spreads its reports over `span` seconds."""
    receives, shows, answers, acts, which, delay, spread, _ = _chances(seed, message)
    received = receives < behaviour.receive
    shown = received and shows < behaviour.show
    answer = None
    if shown and answers < behaviour.click:
        answer = "clicked"
    elif shown and answers < behaviour.click + behaviour.close:
        answer = "closed"
    on_button = answer == "clicked" and buttons > 0 and acts < behaviour.action
    return Reaction(
        received=received,
        shown=shown,
        answer=answer,
        action=int(which * buttons) if on_button else None,
        answer_after=_within(behaviour.delay_ms, delay),
        report_after=span * spread if behaviour.spread else 0.0,
    )
