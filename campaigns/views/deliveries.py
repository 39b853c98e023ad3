"""What became of a message on each device (api.md §1)."""

from typing import Any, Final
from unicodedata import normalize

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import deliveries
from campaigns.deliveries import DeviceCourse
from campaigns.delivery_status import STEPS
from campaigns.views.messages import MAY_READ, find_message
from pushplatform.api.fields import refuse
from pushplatform.api.pagination import MOST_ROWS, ROWS, Query
from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from subscribers.models import Contact

_CURSOR: Final = "dev"
"""A cursor is the public id of the last device."""


class Deliveries(APIView):
    """`GET /api/v1/messages/{id}/deliveries`"""

    required_scope = {"GET": MAY_READ}

    def get(self, request: Request, id: str) -> Response:
        message, query = find_message(request.auth, id), Query(request)
        status = query.choice("status", deliveries.FILTERS, "") or None
        external_id = query.text("external_id")
        limit, after = query.integer("limit", 1, MOST_ROWS) or ROWS, _after(query)
        query.refuse_unknown()
        refuse(query.errors)
        contact_id = None
        if external_id is not None:
            contact = Contact.objects.filter(site=request.auth.site, external_id=normalize("NFC", external_id))
            contact_id = contact.values_list("pk", flat=True).first()
            if contact_id is None:
                return Response({"data": [], "next_cursor": None})
        found, last = deliveries.page(message, after, limit, timezone.now(), status=status, contact_id=contact_id)
        cursor = None if last is None else public_ids.encode(_CURSOR, last)
        return Response({"data": [_shown(one) for one in found], "next_cursor": cursor})


def _after(query: Query) -> int:
    text = query.text("cursor")
    if text is None:
        return 0
    try:
        return public_ids.decode(_CURSOR, text)
    except public_ids.UnknownId:
        query.wrong("cursor", "invalid_cursor", "cursor must be the next_cursor of an earlier page of this very list.")
        return 0


def _shown(one: DeviceCourse) -> dict[str, Any]:
    steps = one.course.steps
    return {
        "device_id": public_ids.encode("dev", one.device_id),
        "external_id": one.external_id,
        "status": one.course.status,
        "outcome": one.outcome and one.outcome.name.lower(),
        "reason": one.reason,
        "attempts": one.attempts,
        "push_service": one.service.name.lower(),
        "outcome_at": rfc3339(one.at),
        **{f"{step}_at": rfc3339(steps[step].at) if step in steps else None for step in STEPS},
        "implied": [step for step in STEPS if step in steps and steps[step].implied],
        "action": one.button,
        "receipts": None if one.measured is None else "device" if one.measured else "aggregate",
        "expired_unseen": one.expired_unseen,
    }
