"""Counts what a road answered between two flushes, for its history (`service_minute`) and for pacing."""

import os
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from campaigns.models.service import LATENCY_BOUNDS
from pushplatform.webpush.outcome import Answer, Outcome, Verdict
from pushplatform.webpush.transport import UNREACHABLE

SLOTS: Final = 8
"""Rows of a minute among which the processes are spread; one more has the rests."""

EVIDENCE: Final = 8
"""So many devices with bad answers in a row, no good one between them, show that a road is in trouble; with one bad
answer in twenty by chance that happens once in 10^10."""

KINDS: Final = ("accepted", "gone", "throttled", "unavailable", "refused", "rejected", "no_answer", "unsent")
THROTTLED: Final = frozenset({406, 429})
"""406 is tried again where Windows says it, and only there."""

_NEVER_SENT: Final = frozenset({"out_of_reach", "turned_away", "address_refused"})
_SILENT: Final = UNREACHABLE | {"out_of_reach"}
_KEY: Final = frozenset({"key_refused", "key_mismatch"})


def kind_of(verdict: Verdict, answer: Answer) -> str:
    """The column of `service_minute` that an answer counts in."""
    if verdict.outcome is Outcome.ACCEPTED:
        return "accepted"
    if verdict.outcome is Outcome.GONE:
        return "gone"
    if not answer.status:
        return "unsent" if answer.error in _NEVER_SENT else "no_answer"
    if verdict.outcome is Outcome.RETRY:
        return "throttled" if answer.status in THROTTLED else "unavailable"
    return "refused" if verdict.reason in _KEY else "rejected"


@dataclass(slots=True)
class Run:
    """Bad answers with no good one between them; a good one is any that shows the road to be well.

    `device_ids`: the first EVIDENCE; `silent`: how many timeouts and the like; `retry_after`: the longest that was
    asked for, seconds.
    """

    device_ids: list[int] = field(default_factory=list)
    throttled: int = 0
    unavailable: int = 0
    silent: int = 0
    retry_after: float | None = None


class Tally:
    """What a road answered; `runs` of bad answers in the order they came."""

    __slots__ = ("_accepted", "_counts", "_run", "_seconds", "began_well", "runs")

    def __init__(self) -> None:
        self._accepted = 0
        self._counts: dict[str, int] = {}
        self._seconds: list[float] = []
        self._run: Run | None = None
        self.runs: list[Run] = []
        self.began_well = False

    def note(self, device_id: int, verdict: Verdict, answer: Answer) -> None:
        """Counts the answer for a device."""
        if verdict.outcome is Outcome.ACCEPTED:
            self._accepted += 1
            self._seconds.append(answer.seconds)
            self._note_good()
        else:
            self._note_other(device_id, verdict, answer)

    @property
    def is_trouble(self) -> bool:
        """Whether the newest answers alone are evidence that the road is in trouble."""
        return self._run is not None and len(self._run.device_ids) >= EVIDENCE

    @property
    def ends_well(self) -> bool:
        """Whether the newest answer is a good one, or there is none."""
        return self._run is None

    @property
    def has_good(self) -> bool:
        """Whether the road was seen to be well."""
        return self.began_well or len(self.runs) > 1 or bool(self.runs and self._run is None)

    @property
    def counts(self) -> dict[str, int]:
        """How many answers by kind; kinds that did not occur are missing."""
        return {**self._counts, "accepted": self._accepted} if self._accepted else self._counts

    def _note_good(self) -> None:
        if self._run is not None:
            self._run = None
        elif not self.runs:
            self.began_well = True

    def _note_other(self, device_id: int, verdict: Verdict, answer: Answer) -> None:
        kind = kind_of(verdict, answer)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if answer.status:
            self._seconds.append(answer.seconds)
        if verdict.outcome is not Outcome.RETRY:
            if answer.status:
                self._note_good()
            return
        if self._run is None:
            self._run = Run()
            self.runs.append(self._run)
        if len(self._run.device_ids) < EVIDENCE:
            self._run.device_ids.append(device_id)
        self._run.throttled += kind == "throttled"
        self._run.unavailable += kind == "unavailable"
        self._run.silent += answer.error in _SILENT
        if verdict.retry_after is not None:
            self._run.retry_after = max(verdict.retry_after, self._run.retry_after or 0.0)

    def latency(self) -> list[int]:
        """Answers by LATENCY_BOUNDS."""
        buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        for seconds in self._seconds:
            buckets[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        return buckets

    def write(
        self, cursor: Any, service: int, vapid_key_id: int, now: datetime, window: int | None, rate: float | None
    ) -> None:
        """Adds it to the road's minute; `window` and `rate`: as they are now."""
        counts = self.counts
        if not counts:
            return
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        numbers = [counts.get(kind, 0) for kind in KINDS]
        latency = "{" + ",".join(map(str, self.latency())) + "}"
        cursor.execute(
            _UPSERT, [service, vapid_key_id, minute, os.getpid() % SLOTS, now, latency, window, rate, *numbers]
        )


_UPSERT: Final = f"""
    insert into service_minute as x (service, vapid_key_id, minute, slot, first_at, latency, send_window, rate,
                                     {", ".join(KINDS)})
    values (%s, %s, %s, %s, %s, %s::int[], %s, %s, {", ".join(["%s"] * len(KINDS))})
    on conflict (service, vapid_key_id, minute, slot) do update set
        latency = array(select a + b from unnest(x.latency, excluded.latency) u(a, b)),
        send_window = excluded.send_window, rate = excluded.rate,
        {", ".join(f"{kind} = x.{kind} + excluded.{kind}" for kind in KINDS)}"""
