"""What several chapters of the description share."""

from typing import Final

from campaigns.device_rule import PICKS
from pushplatform.api.description.shapes import choice, either, listed, request, said
from subscribers.user_agent import BROWSERS, FORMS

MESSAGE_STATUSES: Final = ("scheduled", "queued", "sending", "paused", "finished", "cancelled", "expired")

_KINDS: Final = request(
    "",
    form=listed(choice(FORMS), "On one of these.", least=1),
    browser=listed(choice(BROWSERS), "In one of these.", least=1),
) | {"minProperties": 1}
_ABOUT: Final = "Of the devices that may be sent to: all of them, one of each person, or some kinds."

DEVICE_KINDS: Final = either(choice(PICKS), _KINDS, about=_ABOUT)
"""As audiences of segments take it."""

DEVICE_RULE: Final = either(
    choice(PICKS),
    _KINDS,
    request("", required=("ids",), ids=listed(said("`dev_…`"), "Of devices: `dev_…`.", least=1, most=100)),
    about=_ABOUT[:-1] + ", or these ids.",
)
"""As recipients take it."""
