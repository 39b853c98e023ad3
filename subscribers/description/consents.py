"""Consents of a contact, as the description tells of them."""

from typing import Final

from pushplatform.api.description.operations import Answer, Example, Group, Operation, Parameter
from pushplatform.api.description.shapes import (
    answer,
    any_object,
    boolean,
    choice,
    either,
    extended,
    integer,
    listed,
    nullable,
    request,
    said,
    text,
    time,
    word,
)  # fmt: skip
from subscribers.contacts import LONGEST_ID
from subscribers.models import Purpose
from subscribers.purposes import LONGEST_WORDING
from subscribers.told import DECISIONS, LONGEST_EVIDENCE

_WORDING: Final = answer(id=said(), version=integer(), language=said(), text=said())
STATE: Final = answer(
    purpose=said(),
    kind=word(Purpose.Kind.values),
    decision=nullable(word(DECISIONS)),
    at=nullable(time()),
    wording=nullable(_WORDING),
    ended_by_newer_wording=boolean("The yes was given to a wording that a newer one has ended."),
    devices_allowed=integer("Active devices that may be sent to for it, all decisions weighed."),
    devices_active=integer(),
)
LINE: Final = answer(
    "A line of the ledger. Lines are never changed.",
    purpose=said(),
    decision=word(DECISIONS),
    scope=word(("contact", "device")),
    device_id=nullable(said()),
    occurred_at=nullable(time()),
    recorded_at=time(),
    wording=nullable(_WORDING),
    source=said(),
    page=nullable(said("The origin of the page.")),
    channel=said(),
)
_IN_PATH: Final = Parameter(
    "external_id", "path", text(most=LONGEST_ID), "Percent-encoded, a slash too.", example="CRM-42"
)
_ASKED: Final = {"id": "wrd_7hs2k9", "version": 2, "language": "en", "text": "May we send you offers?"}
_GRANTED: Final = {
    "purpose": "offers",
    "decision": "granted",
    "scope": "contact",
    "device_id": None,
    "occurred_at": "2026-03-01T11:00:00.000Z",
    "recorded_at": "2026-03-01T11:02:10.482Z",
    "wording": _ASKED,
    "source": "phone",
    "page": None,
    "channel": "web_push",
}

LIST: Final = Operation(
    "getConsents",
    "Read a contact's consents",
    "What counts now for each purpose, and the newest 1,000 lines of the ledger.",
    [
        Answer(
            200,
            "State and history.",
            answer(external_id=said(), state=listed(STATE), history=listed(LINE)),
            {
                "one": Example(
                    "Offers were agreed to",
                    {
                        "external_id": "CRM-42",
                        "state": [
                            {
                                "purpose": "offers",
                                "kind": "marketing",
                                "decision": "granted",
                                "at": "2026-03-01T11:00:00.000Z",
                                "wording": _ASKED,
                                "ended_by_newer_wording": False,
                                "devices_allowed": 2,
                                "devices_active": 2,
                            }
                        ],
                        "history": [_GRANTED],
                    },
                )
            },
        )
    ],
    scopes=("contacts:read",),
    parameters=(_IN_PATH,),
    problems=("contact_merged", "invalid_request"),
)
TELL: Final = Operation(
    "tellConsent",
    "Tell what the person decided",
    "A grant needs `wording`, `source` and `occurred_at`; a withdrawal only the purpose. A no anywhere wins, and stops"
    " what is queued.",
    [
        Answer(
            201,
            "The line as it was recorded.",
            extended(LINE, counts=boolean("Whether it is the CRM's newest word for this purpose.")),
            {"granted": Example("Recorded", {**_GRANTED, "counts": True})},
        )
    ],
    scopes=("consents:write",),
    parameters=(_IN_PATH,),
    body=request(
        "",
        required=("purpose", "decision"),
        purpose=text("The key of a purpose of the Site.", most=64),
        decision=choice(DECISIONS, "What the person said."),
        wording=either(
            said("The id of a wording."),
            request(
                "Kept as a version where it is new.",
                required=("language", "text"),
                language=text("In which it was said: `en`, `pt-BR`.", most=35),
                text=text("Word for word.", most=LONGEST_WORDING),
            ),
            about="To what the person agreed: the id of a wording, or its language and text.",
        ),
        source=text("Where it happened: `phone`, `shop-account`. 1 to 64 of `a-z 0-9 _ -`.", most=64),
        occurred_at=time("When the person decided."),
        evidence=any_object(f"At most {LONGEST_EVIDENCE:,} characters of JSON. It goes with an erasure."),
    ),
    examples={
        "granted": Example(
            "Agreed on the phone",
            {
                "purpose": "offers",
                "decision": "granted",
                "source": "phone",
                "occurred_at": "2026-03-01T12:00:00+01:00",
                "wording": {"language": "en", "text": "May we send you offers?"},
                "evidence": {"recording": "r-17"},
            },
        ),
        "withdrawn": Example("Said no", {"purpose": "offers", "decision": "withdrawn"}),
    },
    problems=("contact_merged", "consent_proof_missing", "unknown_purpose", "unknown_wording"),
)

GROUP: Final = Group(
    "Consents",
    "An append-only ledger: who decided what, to which wording, where and when.",
    {"GET /contacts/{external_id}/consents": LIST, "POST /contacts/{external_id}/consents": TELL},
)
