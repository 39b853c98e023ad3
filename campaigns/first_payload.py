"""The first payload that a message would send: what `validate` shows of it."""

import json
from typing import Any

from django.db import connection

from campaigns.audience import CHOSEN
from campaigns.content import Renderer
from campaigns.liquid_text import RenderFailed
from campaigns.loading import CONTACT_FIELDS, DEVICE_FIELDS, contact_values
from campaigns.targeted import Plan
from pushplatform.sites import public_ids
from pushplatform.webpush.encryption import PayloadTooLarge


def first_payload(plan: Plan) -> dict[str, Any]:
    """`payload` for the first device that it would be sent to, and its size; or the `reason` why it has none.

    Where nobody is sent to, the payload of nobody: with the first recipient's params, and an empty contact and device.
    Its tokens are placeholders.
    """
    device_id = _first_device(plan)
    first = next((one for one in plan.decided if one.devices), plan.decided[0] if plan.decided else None)
    device, contact = _values(device_id)
    said: dict[str, Any] = {"device_id": device_id and public_ids.encode("dev", device_id), "payload": None}
    try:
        rendered = Renderer(plan.content, plan.site).render(contact, device, first.request.params if first else {})
    except RenderFailed as error:
        return said | {"payload_bytes": None, "reason": "render_failed", "detail": f"The template fails: {error}."}
    except PayloadTooLarge as error:
        return said | {"payload_bytes": None, "reason": "payload_too_large", "detail": f"It is too large: {error}."}
    return said | {"payload": json.loads(rendered), "payload_bytes": len(rendered), "reason": None, "detail": None}


def _first_device(plan: Plan) -> int | None:
    if plan.audience is None:
        return next((device.id for one in plan.decided for device in one.devices), None)
    selection, params = plan.audience.selection()
    with connection.cursor() as cursor:
        cursor.execute(f"select id from ({selection}) m where {CHOSEN} limit 1", params)
        row = cursor.fetchone()
    return row and row[0]


def _values(device_id: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What templates read of the device and of its contact."""
    if device_id is None:
        return {}, {}
    names = [*(f"d.{name}" for name in DEVICE_FIELDS), *(f"c.{name}" for name in CONTACT_FIELDS), "c.attributes"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"select {', '.join(names)} from device d left join contact c on c.id = d.contact_id where d.id = %s",
            [device_id],
        )
        row = cursor.fetchone()
    end = len(DEVICE_FIELDS)
    return dict(zip(DEVICE_FIELDS, row[:end], strict=True)), contact_values(row[end:])
