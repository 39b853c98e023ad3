"""What the answer of a push service means: tables only, read by `classify` and `retry_delay`.

To teach the platform a new answer, add a line to RULES (the first line that fits decides) and, if it needs a word of
its own, a line to REASONS.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import Final, NamedTuple

from pushplatform.webpush.request import PushService


class Outcome(IntEnum):
    """What became of one delivery; the number is stored."""

    ACCEPTED = 1
    FAILED = 2
    GONE = 3
    EXPIRED = 4
    SKIPPED = 5
    CANCELLED = 6
    """Only ever a counter: a cancelled delivery has no row."""
    RETRY = 7
    """Never stored: a retry is a row of its own."""


class Reason(NamedTuple):
    """The stored number of a reason code and one sentence for operators."""

    number: int
    sentence: str


# Numbers are stored: never change or reuse one. Below 100: decided by us before sending; from 100: by an answer.
REASONS: Final[Mapping[str, Reason]] = {
    "unknown_contact": Reason(1, "No contact of this Site has this external id."),
    "unknown_device": Reason(2, "No device of this Site has this id."),
    "no_active_device": Reason(3, "The contact has no device that can be reached."),
    "no_matching_device": Reason(4, "None of the contact's devices fits the device rule."),
    "device_gone": Reason(5, "The push service says the subscription no longer exists; the device was retired."),
    "consent_missing": Reason(6, "The person was never asked, or never agreed, for this purpose."),
    "consent_withdrawn": Reason(7, "The person has withdrawn the consent for this purpose."),
    "personal_data_withdrawn": Reason(8, "The person does not want this browser linked to a customer id."),
    "duplicate_recipient": Reason(9, "The same recipient stands earlier in the request."),
    "invalid_params": Reason(10, "The recipient's params cannot be used with this content."),
    "payload_too_large": Reason(11, "The content is longer than one push message can carry."),
    "render_failed": Reason(12, "The template could not be filled with this recipient's data."),
    "expired": Reason(13, "The time to send it had passed."),
    "link_changed": Reason(14, "The device belonged to another contact by the time it was to be sent."),
    "frequency_capped": Reason(15, "The person has had the most messages the Site allows in this time."),
    "quiet_hours": Reason(16, "It is night where the person is."),
    "no_usable_key": Reason(17, "The Site has no VAPID key that may sign for this device."),
    "address_refused": Reason(100, "The push service's name leads to an address that is not public."),
    "key_refused": Reason(101, "The push service refuses our VAPID token: check key, subject and clock."),
    "key_mismatch": Reason(102, "The device was subscribed with another VAPID key; it has to subscribe anew."),
    "rejected": Reason(103, "The push service says the request itself is wrong or too large."),
    "gave_up": Reason(104, "The push service stayed busy or out of reach through all attempts."),
    "no_answer": Reason(105, "The request was sent and never answered; it may or may not have arrived."),
}

ERRORS: Final[Mapping[str, str]] = {
    "dns_failed": "The name of the push service could not be resolved.",
    "connect_failed": "No connection could be made.",
    "address_refused": "The name leads to an address that is not public; nothing was sent.",
    "tls": "The certificate or the handshake is not in order; nothing was sent.",
    "proxy_failed": "The outbound proxy refused or could not be reached.",
    "timeout_before_write": "Time ran out before the request was sent.",
    "timeout_after_write": "The request was sent and no answer came in time.",
    "out_of_reach": "Not sent: others just before it did not reach the push service.",
    "turned_away": "The push service ended one connection after the other before it looked at the request.",
    "reset": "The connection broke before an answer came.",
    "protocol": "The answer is not HTTP.",
    "failed": "The request failed in another way.",
}
"""What `Answer.error` can say when there is no status."""


class Answer(NamedTuple):  # made for each message: half the cost of a frozen dataclass
    """What came back for one request.

    `status`: 0 when there was no answer; `headers`: lower-case names; `body`: its first 4 kB; `error`: a code of
    ERRORS when `status` is 0, else None; `seconds`: from handing over to the end. Headers and body may repeat the
    endpoint and stay out of logs.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str | None
    seconds: float

    def __repr__(self) -> str:
        return f"Answer(status={self.status}, error={self.error!r}, {len(self.body)} octets)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means. `reason`: of a failure, or for a retry the reason it fails with when given up.

    `retry_after`: seconds the service asks us to wait, None when it says nothing.
    """

    outcome: Outcome
    reason: str | None
    retry_after: float | None


class Rule(NamedTuple):
    """One line of RULES: fits when the status is in `statuses` and, if given, `says` stands in the answer."""

    statuses: range
    outcome: Outcome
    reason: str | None
    why: str
    says: re.Pattern[str] | None = None
    service: PushService | None = None


def _status(first: int, last: int | None = None) -> range:
    return range(first, (last or first) + 1)


def _says(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)


_OTHER_KEY = _says("VapidPkHashMismatch", "do not correspond", "MismatchSenderId")

RULES: Final = (
    Rule(_status(200, 299), Outcome.ACCEPTED, None, "Accepted; what the browser does is told by receipts."),
    Rule(_status(404), Outcome.GONE, "device_gone", "RFC 8030 §7.3: the subscription has ended."),
    Rule(_status(410), Outcome.GONE, "device_gone", "All services say so when the browser unsubscribed."),
    Rule(_status(400, 403), Outcome.FAILED, "key_mismatch", "Apple and FCM on another key.", _OTHER_KEY),
    Rule(_status(400), Outcome.FAILED, "key_refused", "FCM: a bad token.", _says("UnauthorizedRegistration")),
    Rule(_status(401), Outcome.FAILED, "key_refused", "Our fault: key, token or clock. Nobody is retired."),
    Rule(_status(403), Outcome.FAILED, "key_refused", "Our fault: key, token or clock. Nobody is retired."),
    Rule(_status(406), Outcome.RETRY, "gave_up", "Windows throttles with it.", service=PushService.WINDOWS),
    Rule(_status(408), Outcome.RETRY, "gave_up", "The service waited too long for us."),
    Rule(_status(429), Outcome.RETRY, "gave_up", "RFC 8030 §8.4: too many for now."),
    Rule(_status(425), Outcome.RETRY, "gave_up", "RFC 8470 §5.2: sent too early in a handshake."),
    Rule(_status(400, 499), Outcome.FAILED, "rejected", "The request is wrong or too large; the same again would be."),
    Rule(_status(500, 599), Outcome.RETRY, "gave_up", "The service is in trouble."),
    Rule(_status(100, 999), Outcome.RETRY, "gave_up", "No push service answers so: something stands between."),
)

ERROR_RULES: Final[Mapping[str, tuple[Outcome, str]]] = {
    "address_refused": (Outcome.FAILED, "address_refused"),
    "timeout_after_write": (Outcome.RETRY, "no_answer"),
}
"""Answers without a status; every other error is the network's and is tried again."""

MAX_RETRY_AFTER: Final = 86_400.0
"""Seconds; a service that asks for more is asked again after a day, or the message has expired by then."""

RETRY_SCHEDULE: Final = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
"""Seconds after the first, second, … attempt."""

MAX_ATTEMPTS: Final = len(RETRY_SCHEDULE) + 1
"""After so many a delivery fails with the reason of its last verdict."""

MAX_ATTEMPTS_UNANSWERED: Final = 2
"""The same for `no_answer`, where each further attempt may be a second copy."""

JITTER: Final = 0.5
"""Share of a delay that is random, so that what failed together does not come back together."""


def classify(answer: Answer, *, service: PushService, now: float) -> Verdict:
    """The verdict on an answer of `service` that arrived at `now` (Unix seconds; for Retry-After given as a date)."""
    if 200 <= answer.status <= 299:
        return _ACCEPTED
    if answer.status == 0:
        outcome, reason = ERROR_RULES.get(answer.error or "failed", (Outcome.RETRY, "gave_up"))
        return Verdict(outcome, reason, None)
    rule = _rule(answer, service)
    after = parse_retry_after(answer.headers.get("retry-after"), now) if rule.outcome is Outcome.RETRY else None
    return Verdict(rule.outcome, rule.reason, after)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, in seconds or as a date (RFC 9110 §10.2.3), within 0…MAX_RETRY_AFTER.

    None when the header is missing or cannot be read.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return MAX_RETRY_AFTER if len(value) > 9 else min(float(value), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is in UTC: HTTP dates always are.
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0.0), MAX_RETRY_AFTER)


def retry_delay(attempt: int, retry_after: float | None, jitter: float) -> float:
    """Seconds to wait after the `attempt`-th attempt (1 is the first) failed.

    `retry_after`: what the service asked for, never undercut; `jitter`: a random number in 0…1.
    """
    scheduled = RETRY_SCHEDULE[min(max(attempt, 1), len(RETRY_SCHEDULE)) - 1]
    if retry_after is None:
        return scheduled * (1 - JITTER + JITTER * jitter)
    return max(retry_after, 1.0) + min(scheduled, max(retry_after, 1.0)) * JITTER * jitter


def _rule(answer: Answer, service: PushService) -> Rule:
    words = answer.body.decode("utf-8", "replace") + answer.headers.get("x-wns-error-description", "")
    for rule in RULES:
        if (
            answer.status in rule.statuses
            and (rule.service is None or rule.service is service)
            and (rule.says is None or rule.says.search(words))
        ):
            return rule
    return RULES[-1]


_ACCEPTED: Final = Verdict(Outcome.ACCEPTED, None, None)
