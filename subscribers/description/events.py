"""Behaviour that CRMs report, as the description tells of it."""

from typing import Final

from pushplatform.api.description.operations import Answer, Example, Group, Operation
from pushplatform.api.description.shapes import (
    answer,
    any_object,
    integer,
    listed,
    mapping,
    request,
    said,
    text,
    time,
    word,
)
from subscribers.contacts import LONGEST_ID
from subscribers.description.contacts import ITEM_ERRORS
from subscribers.events import (
    DEEPEST,
    DUPLICATE,
    LONGEST_PROPERTIES,
    MOST_AT_ONCE,
    MOST_PROPERTIES,
    OLDEST,
    STORED,
)  # fmt: skip

POST: Final = Operation(
    "postEvents",
    "Report what people did",
    f"1 to {MOST_AT_ONCE:,} events. An `id` makes an event count once per Site, however often it is sent; without one"
    " each call is a new event. A wrong one stops no other; results come in the order asked.",
    [
        Answer(
            200,
            "What came of each.",
            answer(
                results=listed(
                    answer(
                        optional=("external_id", "id", "code", "errors"),
                        external_id=said(),
                        id=said(),
                        status=word((STORED, DUPLICATE, "failed")),
                        **ITEM_ERRORS,
                    )
                ),
                counts=mapping(integer(), "How many there are of each status."),
            ),
            {
                "stored": Example(
                    "Stored",
                    {
                        "results": [{"external_id": "CRM-42", "id": "cart-17", "status": "stored"}],
                        "counts": {"stored": 1},
                    },
                )
            },
        )
    ],
    scopes=("events:write",),
    body=request(
        "",
        required=("events",),
        events=listed(
            request(
                "",
                required=("external_id", "name"),
                external_id=text("Of a contact that is there.", most=LONGEST_ID),
                name=text("Such as `cart_abandoned`.", most=64, pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$"),
                properties=any_object(
                    f"At most {MOST_PROPERTIES} members, {LONGEST_PROPERTIES:,} characters of JSON, {DEEPEST} levels."
                ),
                occurred_at=time(f"Within the last {OLDEST.days} days; left out, it is now. Needed with an `id`."),
                id=text("Yours; unique within the Site."),
            ),
            f"1 to {MOST_AT_ONCE:,}.",
            least=1,
            most=MOST_AT_ONCE,
        ),
    ),
    examples={
        "cart": Example(
            "An abandoned cart",
            {
                "events": [
                    {
                        "external_id": "CRM-42",
                        "name": "cart_abandoned",
                        "properties": {"total": 99.5},
                        "occurred_at": "2026-03-01T12:00:00Z",
                        "id": "cart-17",
                    }
                ]
            },
        )
    },
    problems=("too_many_items",),
)

GROUP: Final = Group("Events", "What people did, for segments and triggers.", {"POST /events": POST})
