"""Stored reason numbers as code and sentence."""

from pushplatform.webpush.outcome import REASONS

BY_CODE = {code: reason.sentence for code, reason in REASONS.items()}
BY_NUMBER = {reason.number: (code, reason.sentence) for code, reason in REASONS.items()}


def code_of(number: int | None) -> str | None:
    """The stable code, such as `device_gone`; None where there is no reason."""
    return BY_NUMBER[number][0] if number in BY_NUMBER else None


def sentence_of(number: int | None) -> str | None:
    """What happened, in a sentence; None where there is no reason."""
    return BY_NUMBER[number][1] if number in BY_NUMBER else None
