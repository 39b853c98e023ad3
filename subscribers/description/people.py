"""What becomes of a whole person: merge, erasure, export; and the chapter of all that is about contacts."""

from typing import Final

from pushplatform.api.description.operations import Answer, Example, Group, Operation
from pushplatform.api.description.shapes import (
    answer,
    any_object,
    anything,
    extended,
    integer,
    listed,
    mapping,
    nullable,
    ref,
    request,
    said,
    time,
    word,
)
from subscribers.description import contacts
from subscribers.description.consents import LINE, STATE
from subscribers.description.contacts import ANNA, DEVICE, ID, IN_PATH

MERGE: Final = Operation(
    "mergeContact",
    "Merge a contact into another",
    "Devices and history move to the contact `into`, the most restrictive consent wins, and what was queued for the"
    " merged id ends `link_changed`.",
    [
        Answer(
            200,
            "They are one now.",
            answer(
                merged=said("The id that is no contact any more."),
                into=ref("Contact"),
                devices_moved=integer(),
                deliveries_moved=integer(),
            ),
            {
                "merged": Example(
                    "Merged", {"merged": "LEAD-7", "into": ANNA, "devices_moved": 1, "deliveries_moved": 3}
                )
            },
        )
    ],
    scopes=("contacts:write",),
    parameters=(IN_PATH,),
    body=request("", required=("into",), into=ID),
    examples={"into": Example("The lead became a customer", {"into": "CRM-42"})},
    problems=("contact_merged",),
)
DELETE: Final = Operation(
    "eraseContact",
    "Erase a person",
    "Unlinks and silences the devices, withdraws every purpose, and deletes what is known of the person. Asked again,"
    " it says when that was.",
    [
        Answer(
            200,
            "What was removed, and what is kept and why.",
            answer(
                external_id=said(),
                status={"const": "erased", "type": "string"},
                erased_at=time(),
                removed=mapping(integer(), "How many of each kind."),
                remains=listed(answer(what=said(), count=nullable(integer()), detail=said())),
            ),
            {
                "erased": Example(
                    "Erased",
                    {
                        "external_id": "CRM-42",
                        "status": "erased",
                        "erased_at": "2026-03-05T09:00:00.000Z",
                        "removed": {
                            "devices": 2, "evidence": 1, "events": 4, "recipients": 3, "message_texts": 3,
                            "stored_answers": 3,
                        },
                        "remains": [
                            {
                                "what": "consent_ledger",
                                "count": 9,
                                "detail": "Decisions under numbers: purpose, time, source, wording.",
                            }
                        ],
                    },
                )
            },
        )
    ],
    scopes=("contacts:erase",),
    parameters=(IN_PATH,),
    problems=("contact_merged", "invalid_request"),
)  # fmt: skip
EXPORT: Final = Operation(
    "exportContact",
    "Export a person",
    "Everything known of the person as one document (GDPR, articles 15 and 20). It holds nothing that would let others"
    " send to the person's browsers.",
    [
        Answer(
            200,
            "Everything.",
            answer(
                exported_at=time(),
                contact=ref("Contact"),
                lists=listed(said(), "Names of the uploaded lists that hold the id."),
                devices=listed(
                    extended(
                        DEVICE,
                        logged_out_at=nullable(time()),
                        subscribed_on_page=nullable(said()),
                        statistics=nullable(any_object()),
                    )
                ),
                consents=answer(
                    state=listed(STATE),
                    history=listed(extended(LINE, evidence=nullable(any_object("Proof that is kept.")))),
                ),
                events=listed(
                    answer(
                        id=nullable(said()),
                        name=said(),
                        properties=any_object(),
                        occurred_at=time(),
                        device_id=nullable(said()),
                    )
                ),
                merged_external_ids=listed(said(), "Ids that were merged into this one."),
                messages=listed(
                    answer(
                        id=said(),
                        campaign=nullable(said()),
                        purpose=said(),
                        correlation_id=nullable(said()),
                        created_at=time(),
                        content=any_object(),
                    )
                ),
                recipients=listed(
                    answer(
                        message_id=said(),
                        external_id=nullable(said()),
                        device_id=nullable(said()),
                        params=any_object(),
                        devices=anything("The device rule of this recipient alone; null: the message's."),
                        status=word(("queued", "skipped")),
                        reason=nullable(said()),
                    ),
                    "What calls of the API asked for this person.",
                ),
                deliveries=listed(
                    answer(
                        message_id=said(),
                        device_id=said(),
                        status=said(),
                        reason=nullable(said()),
                        push_service=said(),
                        attempts=integer(),
                        at=time(),
                        receipts=listed(any_object("What the browser reported.")),
                    )
                ),
            ),
            {
                "export": Example(
                    "Of a person without history",
                    {
                        "exported_at": "2026-03-05T09:00:00.000Z",
                        "contact": ANNA,
                        "lists": [],
                        "devices": [],
                        "consents": {"state": [], "history": []},
                        "events": [],
                        "merged_external_ids": [],
                        "messages": [],
                        "recipients": [],
                        "deliveries": [],
                    },
                )
            },
        )
    ],
    scopes=("contacts:read",),
    parameters=(IN_PATH,),
    problems=("contact_merged", "invalid_request"),
)

GROUP: Final = Group(
    "Contacts",
    "People as the CRM knows them, under its own ids. More in docs/api/people.md.",
    {
        "GET /contacts": contacts.LIST,
        "POST /contacts/batch": contacts.BATCH,
        "GET /contacts/{external_id}": contacts.GET,
        "PUT /contacts/{external_id}": contacts.PUT,
        "PATCH /contacts/{external_id}": contacts.PATCH,
        "DELETE /contacts/{external_id}": DELETE,
        "GET /contacts/{external_id}/devices": contacts.DEVICES,
        "POST /contacts/{external_id}/merge": MERGE,
        "GET /contacts/{external_id}/export": EXPORT,
    },
)
