"""The device rules that a campaign's form offers, as texts of its field and in words."""

import json
from contextlib import suppress
from typing import Any, Final

from campaigns.device_choice import PICKS, DeviceChoice
from subscribers.admin.words import browser_name
from subscribers.user_agent import BROWSERS

_PICKED: Final = {
    "all": "Every device of each person",
    "latest": "Only the device each person used last",
    "most_engaged": "Only the device on which each person clicked most",
}
_FORMS: Final = {"desktop": "computers", "mobile": "phones", "tablet": "tablets"}

Choice = tuple[str, str]


def choices(wanted: str | None = None) -> list[tuple[str, list[Choice]]]:
    """Values of the field with their words, in groups. `wanted`: a value that is offered too where it is a rule."""
    found = [
        ("Of each person", [_choice(pick) for pick in PICKS]),
        ("Of a kind", [_choice({"form": [form]}) for form in _FORMS]),
        ("Of a browser", [_choice({"browser": [browser]}) for browser in BROWSERS[:5]]),
    ]
    if wanted and wanted not in (value for _, group in found for value, _ in group):
        with suppress(ValueError, RecursionError):
            DeviceChoice.of(rule := rule_of(wanted))
            found.append(("As it was", [(wanted, words_of(rule))]))
    return found


def text_of(rule: Any) -> str:
    """The field's value for a device rule."""
    return rule if isinstance(rule, str) else json.dumps(rule)


def rule_of(text: str) -> Any:
    """The device rule of one of the field's values."""
    return json.loads(text) if text.startswith("{") else text


def words_of(rule: Any) -> str:
    """A device rule in words that begin a sentence: "Only phones or tablets with Chrome"."""
    if isinstance(rule, str):
        return _PICKED.get(rule, rule)
    forms = " or ".join(_FORMS.get(form, form) for form in rule.get("form", ()))
    browsers = " or ".join(browser_name(browser) for browser in rule.get("browser", ()))
    return f"Only {forms or 'devices'}{f' with {browsers}' if browsers else ''}"


def _choice(rule: Any) -> Choice:
    return text_of(rule), words_of(rule)
