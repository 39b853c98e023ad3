"""The body of POST /messages, as the description tells of it; what reads it is campaigns/send_request.py."""

from typing import Final

from campaigns.content import MAX_ACTIONS, MAX_MARKUP
from campaigns.description.words import DEVICE_RULE
from campaigns.liquid_text import MAX_SOURCE
from campaigns.send_request import DEFAULT_TTL, MAX_EXTERNAL_ID, MAX_PARAMS, MAX_RECIPIENTS, MAX_SEGMENTS
from pushplatform.api.description.operations import Example
from pushplatform.api.description.shapes import (
    Shape,
    any_object,
    boolean,
    choice,
    either,
    integer,
    listed,
    mapping,
    request,
    said,
    text,
    time,
)
from pushplatform.webpush.request import MAX_TTL, URGENCIES

_TEMPLATE: Final = "A Liquid template: it reads `params.*`, `contact.*` and `device.*`."


def _template(about: str) -> Shape:
    return text(about, least=0, most=MAX_SOURCE)


def _segments(about: str) -> Shape:
    return listed(said("`seg_…`"), about, most=MAX_SEGMENTS)


_ACTION: Final = request(
    "",
    required=("action", "title"),
    action=text("Its name in statistics: letters, digits, `.`, `-`, `_`.", most=64, pattern="^[A-Za-z0-9_.-]+$"),
    title=text(f"What is written on it. {_TEMPLATE}", most=MAX_SOURCE),
    url=_template("Where a click on it leads."),
    icon=_template("The address of a picture."),
)
_TEXTS: Final[dict[str, Shape]] = {
    "body": _template(_TEMPLATE),
    "url": _template("Where a click leads: https:// and the host written out; the path may be a template."),
    "icon": _template("The address of a picture."),
    "image": _template("The address of a picture."),
    "badge": _template("The address of a picture."),
    "actions": listed(_ACTION, "Buttons. Browsers show two.", most=MAX_ACTIONS),
}
CONTENT: Final = request(
    f"What the notification says. All templates together have at most {MAX_MARKUP:,} characters.",
    required=("title",),
    title=text(_TEMPLATE, most=MAX_SOURCE),
    **_TEXTS,
    require_interaction=boolean("Keep it on the screen until the person does something."),
    translations=mapping(
        request("", title=_template(_TEMPLATE), **_TEXTS),
        "By language, for devices of that language; what one leaves out is as above.",
        propertyNames={"pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$"},
    ),
)
_OWN: Final[dict[str, Shape]] = {
    "params": any_object(f"For the templates: `params.*`. At most {MAX_PARAMS:,} characters of JSON."),
    "devices": DEVICE_RULE,
}
RECIPIENT: Final = either(
    request("", required=("external_id",), external_id=text("The CRM's id.", most=MAX_EXTERNAL_ID), **_OWN),
    request("", required=("device_id",), device_id=said("`dev_…`"), **_OWN),
    about="A person by `external_id`, or one browser by `device_id`. Its `devices` override the message's.",
)
SEND_REQUEST: Final = request(
    "",
    recipients=listed(
        RECIPIENT, f"1 to {MAX_RECIPIENTS:,}. Either these or an audience.", least=1, most=MAX_RECIPIENTS
    ),
    audience=request(
        "Everybody in one of these segments, frozen in the background.",
        required=("segments",),
        segments=_segments("Whoever is in one of these: `seg_…`.") | {"minItems": 1},
        exclude=_segments("But nobody who is in one of these."),
    ),
    purpose=text("What consent is asked for: the key of a purpose of the Site. Needed without a campaign.", most=64),
    content=CONTENT,
    campaign=text("`cmp_…`: send this campaign's texts instead of `content`.", most=64),
    devices=DEVICE_RULE,
    ttl=integer(
        f"Seconds that a push service keeps it for a device that is off; {DEFAULT_TTL:,} where neither this nor"
        " `expires_at` is given.",
        0,
        MAX_TTL,
    ),
    expires_at=time("When it is too late; instead of `ttl`."),
    urgency=choice(URGENCIES, "How much battery it is worth (RFC 8030). Left out: `normal`."),
    collapse_key=text(
        "A newer message with this key replaces an older one that was not delivered or is still shown. Chrome keeps the"
        " messages of four keys for a device that is off, and loses older ones."
    ),
    send_at=time("Up to 30 days ahead; left out, now."),
    correlation_id=text("Yours: it comes back in every answer about the message."),
)
SEND_EXAMPLES: Final = {
    "order_update": Example(
        "To three recipients",
        {
            "recipients": [
                {"external_id": "CRM-42", "params": {"order": "1042"}, "devices": "latest"},
                {"external_id": "CRM-43"},
                {"device_id": "dev_4k2m9x7qw3"},
            ],
            "purpose": "order_updates",
            "content": {
                "title": "Order {{ params.order }} is on its way",
                "body": "{{ contact.first_name | default: 'Hello' }}, it arrives tomorrow.",
                "url": "https://shop.example/orders/{{ params.order }}",
                "translations": {"pl": {"title": "Zamówienie {{ params.order }} jest w drodze"}},
            },
            "ttl": 3600,
            "correlation_id": "order-1042",
        },
    ),
    "audience": Example(
        "To an audience of segments, tomorrow",
        {
            "audience": {"segments": ["seg_5m2k8w"], "exclude": ["seg_9x1q4z"]},
            "purpose": "offers",
            "content": {"title": "Teapots, 20 % off", "url": "https://shop.example/teapots"},
            "send_at": "2026-03-02T08:00:00+01:00",
        },
    ),
    "campaign": Example(
        "A marketer's texts, filled by the CRM",
        {"recipients": [{"external_id": "CRM-42", "params": {"offer": "Gold"}}], "campaign": "cmp_3k9d2m"},
    ),
}
