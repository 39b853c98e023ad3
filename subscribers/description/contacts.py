"""Contacts, as the description tells of them."""

from typing import Any, Final

from pushplatform.api.description.operations import LISTED, Answer, Example, Operation, Parameter
from pushplatform.api.description.shapes import (
    answer,
    any_object,
    anything,
    boolean,
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
from subscribers.contacts import LONGEST_ID, LONGEST_TAG, MOST_TAGS
from subscribers.models import Device
from subscribers.upserting import MOST_AT_ONCE

ID: Final = text("The CRM's own id of the person. Unicode NFC; upper and lower case count.", most=LONGEST_ID)
IN_PATH: Final = Parameter(
    "external_id", "path", ID, "Percent-encoded, a slash too: `CRM/42` is `CRM%2F42`.", example="CRM-42"
)
_ATTRIBUTE: Final = {"type": ["string", "number", "boolean", "array", "null"], "items": {"type": "string"}}
_MEMBERS: Final[dict[str, Any]] = {
    "attributes": mapping(
        _ATTRIBUTE,
        "By name (1 to 64 of `a-z A-Z 0-9 _`): a string, number, boolean, date or list of strings. The first value of a"
        " name decides its type.",
    ),
    "tags": listed(text(most=LONGEST_TAG), "All of them, in any order.", most=MOST_TAGS),
    "language": {"type": "string", "maxLength": 35, "description": "As in RFC 5646: `en`, `pt-BR`. Empty: none."},
    "time_zone": {"type": "string", "maxLength": 255, "description": "Such as `Europe/Warsaw`. Empty: none."},
    "owner": {"type": "string", "maxLength": LONGEST_ID, "description": "The CRM id of the sales person in charge."},
}
_RECREATE: Final = boolean("Bring back a person who was erased or merged into another, as a new contact.")

CONTACT: Final = answer(
    external_id=said(),
    attributes=any_object("As sent; see the Site's catalogue in the admin for their types."),
    tags=listed(said()),
    language=nullable(said()),
    time_zone=nullable(said()),
    owner=nullable(said()),
    created_at=time(),
    updated_at=time(),
)
DEVICE: Final = answer(
    "One browser installation. How it is reached is told to nobody.",
    device_id=said(),
    status=word([name.lower() for name in Device.Status.names]),
    browser=nullable(said()),
    browser_version=nullable(said()),
    os=nullable(said()),
    form=nullable(word(("desktop", "mobile", "tablet"))),
    language=nullable(said()),
    time_zone=nullable(said()),
    country=nullable(said()),
    tags=listed(said()),
    subscribed_at=nullable(time()),
    last_seen_at=nullable(time()),
    allowed=listed(said(), "Keys of the purposes that it may be sent to for now."),
)
ITEM_ERRORS: Final = {
    "code": said("Of the first error."),
    "errors": listed(
        answer(pointer=said(), code=said(), detail=said()), "What is wrong; pointers lead into the body of the call."
    ),
}

ANNA: Final = {
    "external_id": "CRM-42",
    "attributes": {"first_name": "Anna", "plan": "pro"},
    "tags": ["vip"],
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "owner": "sales-7",
    "created_at": "2026-03-01T11:02:10.482Z",
    "updated_at": "2026-03-01T11:02:10.482Z",
}
_LAPTOP: Final = {
    "device_id": "dev_4k2m9x7qw3",
    "status": "active",
    "browser": "firefox",
    "browser_version": "145",
    "os": "windows",
    "form": "desktop",
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "country": "PL",
    "tags": [],
    "subscribed_at": "2026-03-01T11:02:10.482Z",
    "last_seen_at": "2026-03-04T18:30:00.000Z",
    "allowed": ["measurement", "offers", "order_updates"],
}
_CONTACT_200: Final = Answer(200, "The contact.", ref("Contact"), {"contact": Example("A contact", ANNA)})
_WRITE_PROBLEMS: Final = ("contact_erased", (409, "contact_merged"))

LIST: Final = Operation(
    "listContacts",
    "List contacts",
    "Ordered by when they changed.",
    [
        Answer(
            200,
            "A page of contacts.",
            page_of(ref("Contact")),
            {"page": Example("The only page", {"data": [ANNA], "next_cursor": None})},
        )
    ],
    scopes=("contacts:read",),
    parameters=(
        *LISTED,
        Parameter("tag", "query", text(most=LONGEST_TAG), "Only those with this tag."),
        Parameter("owner", "query", text(), "Only those of this sales person."),
    ),
    problems=("invalid_cursor", "duplicate_parameter", "out_of_range"),
)
GET: Final = Operation(
    "getContact",
    "Read a contact",
    "",
    [_CONTACT_200],
    scopes=("contacts:read",),
    parameters=(IN_PATH,),
    problems=("contact_merged", "invalid_request"),
)
PUT: Final = Operation(
    "putContact",
    "Make or change a contact",
    "What the body leaves out stays as it is. `attributes` are replaced as a whole; null or an empty text empties the"
    " others.",
    [
        Answer(201, "It was made.", ref("Contact"), {"contact": Example("A new contact", ANNA)}),
        _CONTACT_200,
    ],
    scopes=("contacts:write",),
    parameters=(IN_PATH,),
    body=request("", **_MEMBERS, recreate=_RECREATE),
    body_required=False,
    examples={
        "anna": Example(
            "A person with attributes",
            {
                "attributes": {"first_name": "Anna", "plan": "pro"},
                "tags": ["vip"],
                "language": "pl",
                "owner": "sales-7",
            },
        ),
        "recreate": Example("Bring back an erased person", {"attributes": {}, "recreate": True}),
    },
    problems=_WRITE_PROBLEMS,
)
PATCH: Final = Operation(
    "patchContact",
    "Change a contact",
    "Attributes are merged one by one; null takes one away. The contact must be there.",
    [_CONTACT_200],
    scopes=("contacts:write",),
    parameters=(IN_PATH,),
    body=request("", **_MEMBERS),
    body_required=False,
    examples={"plan": Example("One attribute", {"attributes": {"plan": "team", "coupon": None}})},
    problems=_WRITE_PROBLEMS,
)
BATCH: Final = Operation(
    "batchContacts",
    "Make or change many contacts",
    f"1 to {MOST_AT_ONCE:,} contacts, each as PUT would take it, or with `merge` as PATCH would. A wrong one stops no"
    " other; results come in the order asked.",
    [
        Answer(
            200,
            "What came of each.",
            answer(
                results=listed(
                    answer(
                        optional=("code", "errors"),
                        external_id=anything("As sent."),
                        status=word(("created", "updated", "unchanged", "failed")),
                        **ITEM_ERRORS,
                    )
                ),
                counts=mapping(integer(), "How many there are of each status."),
            ),
            {
                "mixed": Example(
                    "One was made, one was refused",
                    {
                        "results": [
                            {"external_id": "CRM-42", "status": "created"},
                            {
                                "external_id": "CRM-43",
                                "status": "failed",
                                "code": "unknown_time_zone",
                                "errors": [
                                    {
                                        "pointer": "/contacts/1/time_zone",
                                        "code": "unknown_time_zone",
                                        "detail": "time_zone must be a time zone such as Europe/Warsaw.",
                                    }
                                ],
                            },
                        ],
                        "counts": {"created": 1, "failed": 1},
                    },
                )
            },
        )
    ],
    scopes=("contacts:write",),
    body=request(
        "",
        required=("contacts",),
        contacts=listed(
            request("", required=("external_id",), external_id=ID, **_MEMBERS, recreate=_RECREATE),
            f"1 to {MOST_AT_ONCE:,}.",
            least=1,
            most=MOST_AT_ONCE,
        ),
        merge=boolean("Merge attributes one by one instead of replacing them."),
    ),
    examples={
        "two": Example(
            "Two contacts",
            {
                "contacts": [
                    {"external_id": "CRM-42", "attributes": {"first_name": "Anna"}},
                    {"external_id": "CRM-43", "attributes": {"first_name": "Jan"}, "time_zone": "Mars/Olympus"},
                ]
            },
        )
    },
    problems=("too_many_items",),
)
DEVICES: Final = Operation(
    "listDevicesOfContact",
    "List a contact's devices",
    "Each browser linked to the person, with what it may be sent. Ordered by when it was first seen.",
    [
        Answer(
            200,
            "A page of devices.",
            page_of(ref("Device")),
            {"page": Example("One device", {"data": [_LAPTOP], "next_cursor": None})},
        )
    ],
    scopes=("contacts:read",),
    parameters=(IN_PATH, *(one for one in LISTED if one.name != "updated_since")),
    problems=("contact_merged", "invalid_cursor", "duplicate_parameter", "out_of_range"),
)
SCHEMAS: Final = {"Contact": CONTACT, "Device": DEVICE}
