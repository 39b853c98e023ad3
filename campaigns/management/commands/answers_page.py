import re
from typing import Any

from django.core.management.base import BaseCommand

from campaigns.refusals import ACCEPTED_BEFORE, EVIDENCE
from pushplatform.webpush.outcome import (
    ERROR_RULES,
    ERRORS,
    JITTER,
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_UNANSWERED,
    MAX_RETRY_AFTER,
    REASONS,
    RETRY_SCHEDULE,
    RULES,
    Outcome,
    Rule,
)
from pushplatform.webpush.request import PushService

SERVICES = {
    PushService.FCM: "Google FCM",
    PushService.MOZILLA: "Mozilla autopush",
    PushService.APPLE: "Apple",
    PushService.WINDOWS: "Windows (WNS)",
    PushService.OTHER: "others",
    PushService.LOCAL: "localpush",
}

BECOMES = {
    Outcome.ACCEPTED: "accepted",
    Outcome.FAILED: "failed",
    Outcome.GONE: "gone: the device is retired",
    Outcome.RETRY: "tried again",
}

PAGE = """# What the answer of a push service means

One table decides it, `RULES` in `pushplatform/webpush/outcome.py`, and `manage.py answers_page` writes this page from
it. Only a device that is gone is retired; no other answer ever takes a subscriber away.

## Answers with a status

The first line that fits decides. Words are looked for in the answer's text and in `X-WNS-Error-Description`, whatever
their case.

| status | from | saying | the delivery is | reason | why |
|---|---|---|---|---|---|
{rules}

A `key_refused` is our fault and fails that one delivery only. Once {evidence} devices in a row were refused with no
other answer between them, and at least {before} of them have had a message accepted before, that key is paused on that
push service. What would only fail then waits until somebody resumes it in the admin. A `key_mismatch` never counts.

## No answer

| what happened | code | the delivery is | reason |
|---|---|---|---|
{errors}

## When it is tried again

A delivery is tried at most {attempts} times. What it then fails with is the reason in the tables above. A `no_answer`
is tried at most {unanswered} times, with the same id and topic, because each further request may be a second copy.
Attempts that a service only put off (429, 406 of Windows, 503 with Retry-After) and those that were never made do not
count: such a delivery ends accepted or expired. When they come in a row, the whole road rests: see pacing.md.

| after attempt | the next comes |
|---|---|
{schedule}

The time within each span is random, so that what failed together does not come back together. `Retry-After` is taken
in seconds or as a date and never undercut: the next attempt then comes that much later, plus up to {jitter} % of it or
of the time in the table, whichever is shorter. A wait longer than {longest} is cut to that. Nothing is tried after the
message has expired: such a delivery counts as expired, not as failed.

## Reasons

Codes and numbers are stable. Those below 100 are decided before anything is sent.

| number | reason | meaning |
|---|---|---|
{reasons}
"""


def answers_page() -> str:
    """The text of docs/answers.md."""
    return PAGE.format(
        rules="\n".join(_rule(rule) for rule in RULES),
        evidence=EVIDENCE,
        before=ACCEPTED_BEFORE,
        errors="\n".join(_error(code, sentence) for code, sentence in ERRORS.items()),
        attempts=MAX_ATTEMPTS,
        unanswered=MAX_ATTEMPTS_UNANSWERED,
        schedule="\n".join(
            f"| {attempt} | after {_time(seconds * (1 - JITTER))} to {_time(seconds)} |"
            for attempt, seconds in enumerate(RETRY_SCHEDULE, start=1)
        ),
        jitter=round(100 * JITTER),
        longest=_time(MAX_RETRY_AFTER),
        reasons="\n".join(
            f"| {reason.number} | `{code}` | {reason.sentence} |"
            for code, reason in sorted(REASONS.items(), key=lambda one: one[1].number)
        ),
    )


def _rule(rule: Rule) -> str:
    first, last = rule.statuses[0], rule.statuses[-1]
    cells = (
        str(first) if first == last else f"{first} to {last}",
        SERVICES[rule.service] if rule.service else "any",
        " or ".join(f"“{word}”" for word in _words(rule.says)) if rule.says else "anything",
        BECOMES[rule.outcome],
        f"`{rule.reason}`" if rule.reason else "",
        rule.why,
    )
    return f"| {' | '.join(cells)} |"


def _words(says: re.Pattern[str]) -> list[str]:
    """The words that a rule looks for, as they were before they became a pattern."""
    return [re.sub(r"\\(.)", r"\1", word) for word in says.pattern.split("|")]


def _error(code: str, sentence: str) -> str:
    outcome, reason = ERROR_RULES.get(code, (Outcome.RETRY, "gave_up"))
    return f"| {sentence} | `{code}` | {BECOMES[outcome]} | `{reason}` |"


def _time(seconds: float) -> str:
    for size, word in ((3600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size or seconds == size:
            return _many(seconds / size, word)
    return _many(seconds, "second")


def _many(number: float, word: str) -> str:
    return f"{number:g} {word}{'' if number == 1 else 's'}"


class Command(BaseCommand):
    help = "Prints docs/answers.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(answers_page(), ending="")
