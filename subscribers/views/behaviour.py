"""`POST /api/v1/events`: what people did, up to 1,000 at once (api.md §1)."""

from dataclasses import replace
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from pushplatform.api.fields import Fields, refuse
from pushplatform.api.problems import FieldError, pointer
from pushplatform.sites.models import Scope
from subscribers import events
from subscribers.contacts import LONGEST_ID, external_id_faults
from subscribers.events import Event
from subscribers.views.crm import CrmView, counted, failed, many, sentence, site_of


class Events(CrmView):
    """Items are independent; `results` come in the order asked."""

    required_scope = {"POST": Scope.EVENTS_WRITE}
    weighed = "events"

    def post(self, request: Request) -> Response:
        body, errors, raw = many(request, "events", events.MOST_AT_ONCE)
        body.refuse_unknown()
        refuse(errors)
        now, site = timezone.now(), site_of(request)
        wrong: list[list[FieldError]] = [[] for _ in raw]
        read: list[tuple[str | None, Event | None]] = []
        for no, one in enumerate(raw):
            fields = Fields(one, wrong[no], "events", no)
            is_object = not wrong[no]
            read.append((_external_id(fields, no), events.parse_event(fields, now)) if is_object else (None, None))
        known = events.ids_of(site.id, [who for who, _ in read if who is not None])
        sound: list[tuple[int, Event]] = []
        for no, (who, event) in enumerate(read):
            if who is not None and who not in known:
                detail = "The Site has no contact with this external_id; make it first."
                wrong[no].append(FieldError(pointer("events", no, "external_id"), "unknown_contact", detail))
            elif not wrong[no] and event is not None and who is not None:
                sound.append((no, replace(event, contact_id=known[who])))
        words = events.store(site.id, [event for _, event in sound])
        status = {no: word for (no, _), word in zip(sound, words, strict=True)}
        results = [_result(one, no, wrong[no], status.get(no)) for no, one in enumerate(raw)]
        return Response({"results": results, "counts": counted(results)})


def _external_id(fields: Fields, no: int) -> str | None:
    external_id = fields.text("external_id", required=True, most=LONGEST_ID)
    for fault in external_id_faults(external_id) if external_id is not None else ():
        fields.errors.append(sentence(fault)._replace(pointer=pointer("events", no, "external_id")))
        return None
    return external_id


def _result(raw: Any, no: int, errors: list[FieldError], status: str | None) -> dict[str, Any]:
    members = raw if isinstance(raw, dict) else {}
    who = {name: members.get(name) for name in ("external_id", "id") if isinstance(members.get(name), str)}
    return failed(errors, **who) if errors else {**who, "status": status}
