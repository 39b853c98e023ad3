"""The body of POST /messages as frozen values (api.md §1); every rule that needs no database and no clock is here."""

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.content import Content, ContentError, parse_content
from campaigns.device_rule import ALL, DeviceRule, read_rule
from pushplatform.api.fields import Fields, refuse
from pushplatform.api.problems import FieldError, invalid
from pushplatform.sites import public_ids
from pushplatform.webpush.request import MAX_TTL, URGENCIES

MAX_RECIPIENTS: Final = 1_000
MAX_EXTERNAL_ID: Final = 255
"""Characters."""
MAX_PARAMS: Final = 8_192
"""Characters of one recipient's params as JSON; a push carries less than 4,000 octets."""
DEFAULT_TTL: Final = 86_400
"""Seconds."""
MAX_SEGMENTS: Final = 20
"""In each of the two lists of an audience."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class RecipientRequest:
    """One recipient as asked for: by `external_id` (NFC) or by `device_id`, the other is None."""

    no: int
    external_id: str | None
    device_id: str | None
    params: dict[str, Any]
    params_json: str
    rule: DeviceRule
    """Its own, else the request's."""
    own_rule_json: str | None
    """As given; None where it follows the request's."""

    @property
    def params_fit(self) -> bool:
        return len(self.params_json) <= MAX_PARAMS


@dataclass(frozen=True, slots=True)
class AudienceRequest:
    """Numbers of segments, in the order asked."""

    segments: tuple[int, ...]
    exclude: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Of `recipients` (empty) and `audience` (None) one is given, of `content` and `campaign` too.

    `purpose`: None only with a campaign, which has its own; `ttl` and `expires_at`: at most one is given; `send_at`
    None is now.
    """

    recipients: tuple[RecipientRequest, ...]
    audience: AudienceRequest | None
    purpose: str | None
    content: Content | None
    content_json: dict[str, Any]
    campaign: str | None
    rule: DeviceRule
    devices: Any
    ttl: int | None
    expires_at: datetime | None
    urgency: str
    collapse_key: str | None
    send_at: datetime | None
    correlation_id: str | None


def parse_send_request(body: Any) -> SendRequest:
    """The checked request; raises Problem 422 naming everything that is wrong."""
    errors: list[FieldError] = []
    fields = Fields(body, errors)
    refuse(errors)
    rule = read_rule(fields) or ALL
    audience = _audience(fields)
    recipients = () if audience else _recipients(fields, rule)
    campaign = fields.text("campaign", most=64)
    purpose = fields.text("purpose", required=campaign is None, most=64)
    content = _content(fields, needed=campaign is None)
    ttl, expires_at = fields.integer("ttl", 0, MAX_TTL), fields.time("expires_at")
    if ttl is not None and expires_at is not None:
        fields.wrong("expires_at", "invalid_value", "Give ttl or expires_at, not both.")
    request = SendRequest(
        recipients=recipients,
        audience=audience,
        purpose=purpose,
        content=content,
        content_json=fields.any("content") or {},
        campaign=campaign,
        rule=rule,
        devices=fields.any("devices") or "all",
        ttl=ttl,
        expires_at=expires_at,
        urgency=fields.choice("urgency", URGENCIES, "normal"),
        collapse_key=fields.text("collapse_key"),
        send_at=fields.time("send_at"),
        correlation_id=fields.text("correlation_id"),
    )
    fields.refuse_unknown()
    refuse(errors)
    return request


def _content(fields: Fields, *, needed: bool) -> Content | None:
    raw = fields.any("content", required=needed)
    if raw is None:
        return None
    if not needed:
        fields.wrong("campaign", "invalid_value", "Give content or campaign, not both: a campaign has its own texts.")
        return None
    try:
        return parse_content(raw)
    except ContentError as error:
        fields.errors.extend(FieldError(f"/content{at}", code, detail) for at, code, detail in error.errors)
        return None


def _audience(fields: Fields) -> AudienceRequest | None:
    raw = fields.any("audience")
    if raw is None:
        return None
    if fields.any("recipients") is not None:
        fields.wrong("audience", "invalid_value", "Give recipients or audience, not both.")
    inner = Fields(raw, fields.errors, "audience")
    asked = AudienceRequest(_segments(inner, "segments", required=True), _segments(inner, "exclude"))
    if isinstance(raw, dict):
        inner.refuse_unknown()
    return asked


def _segments(fields: Fields, name: str, *, required: bool = False) -> tuple[int, ...]:
    raw = fields.any(name, required=required)
    if raw is None:
        return ()
    if not isinstance(raw, list) or (required and not raw) or len(raw) > MAX_SEGMENTS:
        least = 1 if required else 0
        fields.wrong(name, "invalid_type", f"{name} must be a list of {least} to {MAX_SEGMENTS} segment ids.")
        return ()
    found = []
    for number, text in enumerate(raw):
        try:
            found.append(public_ids.decode("seg", text if isinstance(text, str) else ""))
        except public_ids.UnknownId:
            where = f"/audience/{name}/{number}"
            fields.errors.append(FieldError(where, "unknown_segment", "There is no segment with this id."))
    return tuple(found)


def _recipients(fields: Fields, rule: DeviceRule) -> tuple[RecipientRequest, ...]:
    raw = fields.any("recipients", required=True)
    if raw is None:
        return ()
    if not isinstance(raw, list) or not raw:
        fields.wrong("recipients", "invalid_type", "recipients must be a list of 1 to 1,000 objects.")
        return ()
    if len(raw) > MAX_RECIPIENTS:
        detail = f"recipients has {len(raw):,} entries; at most {MAX_RECIPIENTS:,} are taken in one request."
        raise invalid([("/recipients", "too_many_recipients", detail)])
    found = []
    for no, one in enumerate(raw):
        members = Fields(one, fields.errors, "recipients", no)
        if isinstance(one, dict):
            found.append(_recipient(members, no, rule))
    return tuple(found)


def _recipient(fields: Fields, no: int, rule: DeviceRule) -> RecipientRequest:
    external_id, device_id = fields.any("external_id"), fields.any("device_id")
    if (external_id is None) == (device_id is None):
        fields.wrong("", "invalid_value", "A recipient has an external_id or a device_id, one of them.")
    elif external_id is not None:
        external_id = _external_id(fields, external_id)
    elif not isinstance(device_id, str):
        fields.wrong("device_id", "invalid_type", "device_id must be a text.")
    params = fields.any("params")
    if params is not None and not isinstance(params, dict):
        fields.wrong("params", "invalid_type", "params must be an object.")
        params = None
    own = read_rule(fields)
    own_raw = fields.any("devices")
    fields.refuse_unknown()
    text = json.dumps(params, ensure_ascii=False) if params else "{}"
    own_json = None if own_raw is None else json.dumps(own_raw, ensure_ascii=False)
    return RecipientRequest(no, external_id, device_id, params or {}, text, own or rule, own_json)


def _external_id(fields: Fields, value: Any) -> str | None:
    if not isinstance(value, str):
        fields.wrong("external_id", "invalid_type", "external_id must be a text; write a number as one.")
        return None
    value = unicodedata.normalize("NFC", value)
    if not 1 <= len(value) <= MAX_EXTERNAL_ID:
        detail = f"external_id must have 1 to {MAX_EXTERNAL_ID} characters; it has {len(value)}."
        fields.wrong("external_id", "out_of_range", detail)
    elif _CONTROL.search(value):
        fields.wrong("external_id", "invalid_text", "external_id must not have control characters.")
    return value
