"""Messages and their deliveries, as the description tells of them."""

from typing import Any, Final

from campaigns.counting import OUTCOMES, REPORTS
from campaigns.deliveries import FILTERS
from campaigns.delivery_status import STEPS, Status
from campaigns.description.send_request import SEND_EXAMPLES, SEND_REQUEST
from campaigns.description.words import MESSAGE_STATUSES
from campaigns.recipients import REASONS_IN_ORDER
from pushplatform.api.description.operations import LISTED, Answer, Example, Group, Operation, Parameter
from pushplatform.api.description.shapes import (
    Shape,
    answer,
    any_object,
    boolean,
    choice,
    extended,
    integer,
    listed,
    mapping,
    nullable,
    page_of,
    ref,
    request,
    said,
    text,
    time,
    word,
)  # fmt: skip
from pushplatform.api.idempotency import KEPT, MAX_KEY
from pushplatform.webpush.outcome import REASONS, Outcome
from pushplatform.webpush.request import PushService

_ID: Final = Parameter("id", "path", text("`msg_…`"), "As POST /messages answered it.", example="msg_8d2hk4w9")
_RESULTS: Final = listed(
    answer(
        optional=("external_id", "device_id", "devices", "reason"),
        external_id=said(),
        device_id=said(),
        status=word(("queued", "skipped")),
        devices=integer("How many it is queued for.", 1),
        reason=word(REASONS_IN_ORDER, "Why it is not; docs/api/reasons.md explains each."),
    ),
    "For each recipient, in the order asked; not with an audience.",
)
_PLANNED: Final[dict[str, Shape]] = {
    "recipients_queued": nullable(integer("Null for an audience: nobody is known yet.")),
    "recipients_skipped": nullable(integer()),
    "devices_queued": nullable(integer()),
    "correlation_id": nullable(said()),
    "results": _RESULTS,
    "warnings": listed(answer(pointer=said(), code=said(), detail=said()), "What is allowed, and likely not meant."),
}
_SENT: Final = {
    "id": "msg_8d2hk4w9",
    "status": "queued",
    "recipients_queued": 1,
    "recipients_skipped": 2,
    "devices_queued": 2,
    "correlation_id": "order-1042",
    "results": [
        {"external_id": "CRM-42", "status": "queued", "devices": 2},
        {"external_id": "CRM-43", "status": "skipped", "reason": "consent_withdrawn"},
        {"device_id": "dev_4k2m9x7qw3", "status": "skipped", "reason": "device_gone"},
    ],
}
_SEND_PROBLEMS: Final = (
    "too_many_recipients", "unknown_purpose", "payload_too_large", "unknown_segment", "broken_segment",
    "unknown_campaign", "campaign_not_ready", "other_purpose",
)  # fmt: skip

SEND: Final = Operation(
    "sendMessage",
    "Send a message",
    "To 1 to 1,000 recipients, or to an audience of segments. The answer comes before anything is sent; follow the"
    " message with the `id`. 202 also when everybody was skipped: `results` says why. Send the same `Idempotency-Key`"
    f" and body again after an error or a timeout: it is sent once. Keys are kept {KEPT.days} days.",
    [
        Answer(
            202,
            "It is accepted, for these recipients.",
            answer(
                optional=("results", "warnings"),
                id=said("`msg_…`"),
                status=word(("queued", "scheduled", "finished")),
                **_PLANNED,
            ),
            {"sent": Example("One was queued, two were skipped", _SENT)},
            headers=("Idempotent-Replayed",),
        )
    ],
    scopes=("messages:send",),
    parameters=(
        Parameter(
            "Idempotency-Key",
            "header",
            {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]([ -~]*[!-~])?$"},
            "Yours, one for each act, such as a UUID.",
            required=True,
            example="order-1042-shipped",
        ),
    ),
    body=SEND_REQUEST,
    examples=SEND_EXAMPLES,
    problems=(
        *_SEND_PROBLEMS, "idempotency_key_required", "invalid_idempotency_key", "idempotency_key_reused",
        "idempotency_in_progress",
    ),
)  # fmt: skip
VALIDATE: Final = Operation(
    "validateMessage",
    "Try a message",
    "The body of POST /messages and the answer that it would get, with the first payload as a browser would see it."
    " Nothing is stored or sent; no Idempotency-Key.",
    [
        Answer(
            200,
            "What would be answered.",
            answer(
                optional=("results", "warnings"),
                status=word(("valid",)),
                **_PLANNED,
                preview=answer(
                    device_id=nullable(said("Null: nobody would get it; it is rendered with an empty contact.")),
                    payload=nullable(any_object("What the browser would be given.")),
                    payload_bytes=nullable(integer()),
                    reason=nullable(word(("render_failed", "payload_too_large"))),
                    detail=nullable(said()),
                ),
            ),
            {
                "valid": Example(
                    "One recipient",
                    {
                        "status": "valid",
                        "recipients_queued": 1,
                        "recipients_skipped": 0,
                        "devices_queued": 1,
                        "correlation_id": None,
                        "results": [{"external_id": "CRM-42", "status": "queued", "devices": 1}],
                        "preview": {
                            "device_id": "dev_4k2m9x7qw3",
                            "payload": {"web_push": 8030, "notification": {"title": "Order 1042 is on its way"}},
                            "payload_bytes": 412,
                            "reason": None,
                            "detail": None,
                        },
                    },
                )
            },
        )
    ],
    scopes=("messages:send",),
    body=SEND_REQUEST,
    examples=SEND_EXAMPLES,
    problems=_SEND_PROBLEMS,
)

_COUNTED: Final = ("targeted", *OUTCOMES.values(), *REPORTS, "expired_unseen", "remaining")
MESSAGE: Final[dict[str, Any]] = answer(
    id=said("`msg_…`"),
    status=word(MESSAGE_STATUSES),
    correlation_id=nullable(said()),
    campaign=nullable(said("`cmp_…`")),
    purpose=said(),
    created_at=time(),
    updated_at=time("When its status changed; figures change without it."),
    send_at=nullable(time()),
    expires_at=nullable(time()),
    finished_at=nullable(time()),
    recipients_queued=nullable(integer()),
    recipients_skipped=nullable(integer()),
    statistics=answer(
        "In devices. `accepted` is a push service's word, `received`, `shown` and `clicked` are the browser's;"
        " docs/api/statuses.md says what each proves.",
        **{name: integer() for name in _COUNTED},
    ),
)
_LISTED_MESSAGE: Final = {
    "id": "msg_8d2hk4w9",
    "status": "finished",
    "correlation_id": "order-1042",
    "campaign": None,
    "purpose": "order_updates",
    "created_at": "2026-03-01T11:02:10.482Z",
    "updated_at": "2026-03-01T11:02:11.020Z",
    "send_at": "2026-03-01T11:02:10.482Z",
    "expires_at": "2026-03-01T12:02:10.482Z",
    "finished_at": "2026-03-01T11:02:11.020Z",
    "recipients_queued": 1,
    "recipients_skipped": 2,
    "statistics": dict.fromkeys(_COUNTED, 0) | {"targeted": 2, "accepted": 2, "received": 2, "shown": 2, "clicked": 1},
}
_READ: Final = ("messages:read", "messages:read_all")

LIST: Final = Operation(
    "listMessages",
    "List messages",
    "Those of the key's own client; with `messages:read_all` all of the Site. Ordered by when their status changed.",
    [
        Answer(
            200,
            "A page of messages.",
            page_of(ref("Message")),
            {"page": Example("The only page", {"data": [_LISTED_MESSAGE], "next_cursor": None})},
        )
    ],
    scopes=_READ,
    parameters=(
        *LISTED,
        Parameter("correlation_id", "query", text(), "Only those with this correlation_id."),
        Parameter("campaign", "query", text(), "Only those of this campaign, or with its texts."),
    ),
    problems=("invalid_cursor", "duplicate_parameter", "out_of_range"),
)
GET: Final = Operation(
    "getMessage",
    "Read a message",
    "Its status and figures, and why devices were not reached.",
    [
        Answer(
            200,
            "The message.",
            extended(
                MESSAGE,
                people=nullable(
                    answer(
                        "Contacts. Null of a large message until it is worked out.",
                        **{name: integer() for name in ("targeted", "reached", "shown", "clicked")},
                    )
                ),
                failures=mapping(integer(), "Devices by reason; docs/api/reasons.md explains each."),
            ),
            {
                "finished": Example(
                    "It was sent",
                    {
                        **_LISTED_MESSAGE,
                        "people": {"targeted": 1, "reached": 1, "shown": 1, "clicked": 1},
                        "failures": {},
                    },
                )
            },
        )
    ],
    scopes=_READ,
    parameters=(_ID,),
)
DELIVERIES: Final = Operation(
    "listDeliveries",
    "List a message's deliveries",
    "What became of it on each device, with the times. Ordered by device. `docs/api/statuses.md` says what each status"
    " proves, beside the sent, delivered and read of a messenger.",
    [
        Answer(
            200,
            "A page of deliveries; it may be shorter than `limit` though more follow.",
            page_of(
                answer(
                    device_id=said(),
                    external_id=nullable(said()),
                    status=word(list(Status)),
                    outcome=nullable(word([outcome.name.lower() for outcome in Outcome if outcome != Outcome.RETRY])),
                    reason=nullable(word(REASONS)),
                    attempts=integer(),
                    push_service=word([service.name.lower() for service in PushService]),
                    outcome_at=nullable(time()),
                    **{f"{step}_at": nullable(time()) for step in STEPS},
                    implied=listed(word(STEPS), "Steps that no report told of, but a later one does."),
                    action=nullable(said("The button that was clicked.")),
                    receipts=nullable(
                        word(("device", "aggregate"), "`aggregate`: reports are counted and belong to nobody.")
                    ),
                    expired_unseen=nullable(boolean("Its time is over and no browser reported it.")),
                )
            ),
            {
                "page": Example(
                    "One device",
                    {
                        "data": [
                            {
                                "device_id": "dev_4k2m9x7qw3",
                                "external_id": "CRM-42",
                                "status": "shown",
                                "outcome": "accepted",
                                "reason": None,
                                "attempts": 1,
                                "push_service": "mozilla",
                                "outcome_at": "2026-03-01T11:02:10.744Z",
                                "accepted_at": "2026-03-01T11:02:10.744Z",
                                "received_at": "2026-03-01T11:02:11.000Z",
                                "shown_at": "2026-03-01T11:02:11.000Z",
                                "closed_at": None,
                                "clicked_at": None,
                                "implied": [],
                                "action": None,
                                "receipts": "device",
                                "expired_unseen": False,
                            }
                        ],
                        "next_cursor": None,
                    },
                )
            },
        )
    ],
    scopes=_READ,
    parameters=(
        _ID,
        *(one for one in LISTED if one.name != "updated_since"),
        Parameter("status", "query", choice(FILTERS), "Only those with this status."),
        Parameter("external_id", "query", text(), "Only this person's devices."),
    ),
    problems=("invalid_cursor", "duplicate_parameter", "out_of_range"),
)
CANCEL: Final = Operation(
    "cancelMessage",
    "Cancel a message",
    "What has not gone out stays here. What a push service has taken cannot be taken back.",
    [
        Answer(
            200,
            "It is cancelled.",
            answer(
                id=said(),
                status=word(MESSAGE_STATUSES),
                already_sent=integer("Devices whose push service had it."),
            ),
            {"cancelled": Example("In time", {"id": "msg_8d2hk4w9", "status": "cancelled", "already_sent": 0})},
        )
    ],
    scopes=("messages:send",),
    parameters=(_ID,),
    body=request(""),
    body_required=False,
    examples={"empty": Example("Nothing", {})},
    problems=("not_cancellable",),
)

GROUP: Final = Group(
    "Messages",
    "Send to chosen people now or later, and learn for each device what became of it.",
    {
        "POST /messages": SEND,
        "POST /messages/validate": VALIDATE,
        "GET /messages": LIST,
        "GET /messages/{id}": GET,
        "GET /messages/{id}/deliveries": DELIVERIES,
        "POST /messages/{id}/cancel": CANCEL,
    },
)
SCHEMAS: Final = {"Message": MESSAGE}
