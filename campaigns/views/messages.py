"""Messages of the CRM API (api.md §1)."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns import control, targeted, tasks
from campaigns.first_payload import first_payload
from campaigns.models import Lane, Message
from campaigns.recipients import Decided
from campaigns.send_request import parse_send_request
from campaigns.statistics import figures_of, message_statistics, statistics_of, status_word
from pushplatform.api.authentication import Caller
from pushplatform.api.fields import Fields, refuse
from pushplatform.api.idempotency import Answer, once, read_key
from pushplatform.api.pagination import Query, page
from pushplatform.api.problems import FieldError, Problem
from pushplatform.api.times import rfc3339
from pushplatform.sites import public_ids
from pushplatform.sites.models import Scope

MAY_READ = (Scope.MESSAGES_READ, Scope.MESSAGES_READ_ALL)


class Messages(APIView):
    """`GET` and `POST /api/v1/messages`"""

    required_scope = {"GET": MAY_READ, "POST": Scope.MESSAGES_SEND}
    weighed = "recipients"

    def get(self, request: Request) -> Response:
        query, messages = Query(request), messages_of(request.auth)
        if (correlation_id := query.text("correlation_id")) is not None:
            messages = messages.filter(correlation_id=correlation_id)
        if (campaign := query.text("campaign")) is not None:
            messages = messages.filter(_of_campaign(campaign))
        return Response(page(messages, query, _shown_all))

    def post(self, request: Request) -> Response:
        caller: Caller = request.auth
        key, now = read_key(request), timezone.now()

        def accept() -> Answer:
            accepted = targeted.accept(parse_send_request(request.data), caller.site, caller.client, now)
            _poke(accepted)
            message = accepted.message
            said = {"id": public_ids.encode("msg", message.pk), "status": _FIRST_WORDS.get(message.status, "queued")}
            return Answer(202, {**said, **_answered(accepted.plan)})

        answer = once(caller.site.pk, key, "POST /messages", request.data, now, accept)
        return Response(answer.body, answer.status, headers=answer.headers)


_FIRST_WORDS = {Message.Status.SCHEDULED: "scheduled", Message.Status.FINISHED: "finished"}


def _poke(accepted: targeted.Accepted) -> None:
    match accepted.message.status:
        case Message.Status.SENDING:
            tasks.send_batch.poke_on_commit(*accepted.batch_ids, queue=tasks.QUEUES[Lane.TARGETED])
        case Message.Status.FREEZING:
            tasks.freeze_message.poke_on_commit(accepted.message.pk)


class ValidateMessage(APIView):
    """`POST /api/v1/messages/validate`: what POST /messages would answer, and the first payload; nothing is stored."""

    required_scope = {"POST": Scope.MESSAGES_SEND}
    weighed = "recipients"

    def post(self, request: Request) -> Response:
        plan = targeted.plan(parse_send_request(request.data), request.auth.site, timezone.now())
        return Response({"status": "valid", **_answered(plan), "preview": first_payload(plan)})


def _answered(plan: targeted.Plan) -> dict[str, Any]:
    """What the answer says of a plan, carried out or not. Of an audience nobody is known yet."""
    listed = plan.audience is None
    body: dict[str, Any] = {
        "recipients_queued": plan.recipients_queued if listed else None,
        "recipients_skipped": len(plan.decided) - plan.recipients_queued if listed else None,
        "devices_queued": plan.devices_queued if listed else None,
        "correlation_id": plan.request.correlation_id,
    }
    if listed:
        body["results"] = [_result(one) for one in plan.decided]
    if plan.content.warnings:
        body["warnings"] = [
            {"pointer": "/campaign" if plan.campaign else f"/content{at}", "code": code, "detail": detail}
            for at, code, detail in plan.content.warnings
        ]
    return body


def _result(one: Decided) -> dict[str, Any]:
    request = one.request
    who = {"external_id": request.external_id} if request.external_id is not None else {"device_id": request.device_id}
    if one.reason is not None:
        return {**who, "status": "skipped", "reason": one.reason}
    return {**who, "status": "queued", "devices": len(one.devices)}


def _of_campaign(id: str) -> Q:
    """Messages of the campaign with this public id; of one that is not there there are none."""
    try:
        number = public_ids.decode("cmp", id)
    except public_ids.UnknownId:
        return Q(pk=None)
    return Q(campaign_id=number) | Q(content_from_id=number)


def _shown_all(messages: list[Message]) -> list[dict[str, Any]]:
    statistics = statistics_of(messages)
    return [_shown(message, statistics[message.pk]) for message in messages]


class OneMessage(APIView):
    """`GET /api/v1/messages/{id}`"""

    required_scope = {"GET": MAY_READ}

    def get(self, request: Request, id: str) -> Response:
        message = find_message(request.auth, id)
        figures = figures_of(message) or {"people": None, "failures": {}}
        shown = _shown(message, message_statistics(message.pk))
        return Response({**shown, "people": figures["people"], "failures": figures["failures"]})


def _shown(message: Message, statistics: dict[str, int]) -> dict[str, Any]:
    """A message as lists and its own address answer it."""
    campaign_id = message.campaign_id or message.content_from_id
    return {
        "id": public_ids.encode("msg", message.pk),
        "status": status_word(message, statistics),
        "correlation_id": message.correlation_id or None,
        "campaign": campaign_id and public_ids.encode("cmp", campaign_id),
        "purpose": message.purpose.key,
        "created_at": rfc3339(message.created_at),
        "updated_at": rfc3339(message.updated_at),
        "send_at": rfc3339(message.send_at),
        "expires_at": rfc3339(message.expires_at),
        "finished_at": rfc3339(message.finished_at),
        "recipients_queued": message.recipients_queued,
        "recipients_skipped": message.recipients_skipped,
        "statistics": statistics,
    }


class CancelMessage(APIView):
    """`POST /api/v1/messages/{id}/cancel`"""

    required_scope = {"POST": Scope.MESSAGES_SEND}

    def post(self, request: Request, id: str) -> Response:
        message = find_message(request.auth, id)
        errors: list[FieldError] = []
        Fields({} if request.data is None else request.data, errors).refuse_unknown()
        refuse(errors)
        try:
            control.cancel(message.pk, timezone.now())
        except control.NotPossible as error:
            raise Problem("not_cancellable", str(error)) from None
        message.refresh_from_db()
        statistics = message_statistics(message.pk)
        return Response({"id": id, "status": status_word(message, statistics), "already_sent": statistics["accepted"]})


def messages_of(caller: Caller) -> QuerySet[Message]:
    """The messages that the caller may see: those of its client, or all of its Site with `read_all`."""
    messages = Message.objects.select_related("purpose").filter(site=caller.site)
    return messages if Scope.MESSAGES_READ_ALL in caller.scopes else messages.filter(client=caller.client)


def find_message(caller: Caller, id: str) -> Message:
    """The message with this public id among those; raises Problem 404."""
    try:
        message = messages_of(caller).filter(pk=public_ids.decode("msg", id)).first()
    except public_ids.UnknownId:
        message = None
    if message is None:
        raise Problem("not_found", "There is no message with this id.")
    return message
