"""Stored reason numbers as code and sentence, and what a marketer can do about each."""

from collections.abc import Mapping
from typing import Final

from pushplatform.webpush.outcome import REASONS

BY_CODE = {code: reason.sentence for code, reason in REASONS.items()}
BY_NUMBER = {reason.number: (code, reason.sentence) for code, reason in REASONS.items()}

ADVICE: Final[Mapping[str, str]] = {
    "device_gone": "Nothing to do: such browsers are not asked again.",
    "consent_withdrawn": "Nothing to do: a withdrawal counts until the very moment of sending.",
    "payload_too_large": "Shorten title, text or addresses; what Liquid fills in may be long for some people.",
    "render_failed": "See which contacts these are, and give the field they lack a default in the text.",
    "expired": "Let the next one be tried for longer, or send it earlier.",
    "link_changed": "Nothing to do: the text was written for somebody else than who uses the browser now.",
    "no_usable_key": "An administrator has to look at the VAPID keys: one is retired or cannot be read.",
    "address_refused": "Whoever runs the platform has to look at name resolution and PUSH_ALLOWED_HOSTS.",
    "key_refused": "An administrator has to look at the VAPID key and its contact address.",
    "key_mismatch": "Nothing to do: the browser subscribes anew when its person next visits the site.",
    "rejected": "What the push service said stands below; `manage.py push_doctor` tries one device alone.",
    "gave_up": "The page of push services shows how the road has been.",
    "no_answer": "Not tried again on purpose: it could appear twice on the person's screen.",
}
"""What to do, for reasons that a campaign's page can show; the others speak for themselves."""


def code_of(number: int | None) -> str | None:
    """The stable code, such as `device_gone`; None where there is no reason."""
    return BY_NUMBER[number][0] if number in BY_NUMBER else None


def sentence_of(number: int | None) -> str | None:
    """What happened, in a sentence; None where there is no reason."""
    return BY_NUMBER[number][1] if number in BY_NUMBER else None


def number_of(code: str) -> int | None:
    """The stored number of a code; None for one that does not exist."""
    return REASONS[code].number if code in REASONS else None
