"""Segments, as the description tells of them."""

from typing import Any, Final

from campaigns.description.words import DEVICE_KINDS
from campaigns.saved_segments import LONGEST_DESCRIPTION, LONGEST_NAME
from pushplatform.api.description.operations import LISTED, Answer, Example, Group, Operation, Parameter
from pushplatform.api.description.shapes import (
    Shape,
    answer,
    any_object,
    anything,
    boolean,
    either,
    integer,
    listed,
    nullable,
    page_of,
    ref,
    request,
    said,
    text,
    time,
    word,
)  # fmt: skip
from subscribers.segments.definition import DEEPEST, MOST_RULES

_ID: Final = Parameter("id", "path", text("`seg_…`"), "The id of the segment.", example="seg_5m2k8w")
_RULE: Final = ref("Rule")
RULE: Final[Shape] = either(
    {
        "type": "object",
        "description": "A test of one field; the operators of each are in docs/segments.md.",
        "properties": {"field": {"type": "string"}, "op": {"type": "string"}, "value": {}},
        "required": ["field", "op"],
    },
    request("All of these match; `[]` is everyone.", required=("all",), all=listed(_RULE)),
    request("One of these matches.", required=("any",), any=listed(_RULE, least=1)),
    request("It does not match.", required=("not",), **{"not": _RULE}),
    request("Whoever is in another segment.", required=("segment",), segment=said("`seg_…`")),
    about=f"Rules nest at most {DEEPEST} levels; a segment has at most {MOST_RULES} of them.",
)
SEGMENT: Final = answer(
    id=said("`seg_…`"),
    name=said(),
    description=said(),
    definition=any_object("A Rule, as it was sent."),
    words=nullable(said("The rule as a sentence; null where it cannot be understood any more.")),
    problem=nullable(said("Why it cannot be understood any more.")),
    archived=boolean(),
    created_at=time(),
    updated_at=time(),
)
_DEFINITION: Final = {
    "all": [
        {"field": "contact.attributes.plan", "op": "in", "value": ["pro", "team"]},
        {"field": "device.last_seen", "op": "within", "value": "30d"},
    ]
}
_PAID: Final = {
    "id": "seg_5m2k8w",
    "name": "Paid and active",
    "description": "",
    "definition": _DEFINITION,
    "words": "plan is pro or team, and last seen within the last 30 days",
    "problem": None,
    "archived": False,
    "created_at": "2026-03-01T11:02:10.482Z",
    "updated_at": "2026-03-01T11:02:10.482Z",
}
_WRITTEN: Final = request(
    "",
    required=("name", "definition"),
    name=text("Unlike those of other segments in use.", most=LONGEST_NAME),
    definition=_RULE,
    description=text(most=LONGEST_DESCRIPTION),
    archived=boolean("Put away: no longer offered, but what uses it goes on."),
)
_WRITE_EXAMPLES: Final = {"paid": Example("Two rules", {"name": "Paid and active", "definition": _DEFINITION})}
_ASKED: Final[dict[str, Any]] = {
    "definition": _RULE,
    "segment": text("`seg_…`, instead of a definition."),
    "purpose": text("Look at consent for it too.", most=64),
    "exclude": listed(said("`seg_…`"), most=100),
    "devices": DEVICE_KINDS,
}
_ASK_PROBLEMS: Final = ("unknown_purpose", "unknown_segment")
_STEPS: Final = ("matched", "with_consent", "active", "after_exclusions", "after_device_choice")

LIST: Final = Operation(
    "listSegments",
    "List segments",
    "Archived ones too.",
    [
        Answer(
            200,
            "A page of segments.",
            page_of(ref("Segment")),
            {"page": Example("The only page", {"data": [_PAID], "next_cursor": None})},
        )
    ],
    scopes=("segments:read",),
    parameters=LISTED,
    problems=("invalid_cursor", "duplicate_parameter", "out_of_range"),
)
CREATE: Final = Operation(
    "createSegment",
    "Make a segment",
    "",
    [Answer(201, "It was made.", ref("Segment"), {"made": Example("A segment", _PAID)}, headers=("Location",))],
    scopes=("segments:write",),
    body=_WRITTEN,
    examples=_WRITE_EXAMPLES,
    problems=("unknown_segment",),
)
GET: Final = Operation(
    "getSegment",
    "Read a segment",
    "",
    [Answer(200, "The segment.", ref("Segment"), {"segment": Example("A segment", _PAID)})],
    scopes=("segments:read",),
    parameters=(_ID,),
)
PUT: Final = Operation(
    "putSegment",
    "Replace a segment",
    "What the body leaves out becomes empty.",
    [Answer(200, "As it is now.", ref("Segment"), {"segment": Example("A segment", _PAID)})],
    scopes=("segments:write",),
    parameters=(_ID,),
    body=_WRITTEN,
    examples=_WRITE_EXAMPLES,
    problems=("unknown_segment",),
)
DELETE: Final = Operation(
    "deleteSegment",
    "Delete a segment",
    "Only one that no campaign and no other segment uses; archive others with a PUT.",
    [Answer(204, "It is gone.")],
    scopes=("segments:write",),
    parameters=(_ID,),
    problems=("segment_in_use",),
)
PREVIEW: Final = Operation(
    "previewSegment",
    "Count whom a segment would reach",
    "A definition, or a saved segment. Counted exactly where that takes under 1.5 s, else estimated from a sample.",
    [
        Answer(
            200,
            "How many, and some of them.",
            answer(
                count=nullable(integer("Devices that would be reached; null where a sample held too few to say.")),
                people=nullable(integer("Distinct persons.")),
                exact=boolean(),
                error=nullable({"type": "number", "description": "Of an estimate: 0.03 is ± 3 %."}),
                few=boolean("The sample held too few to say a number."),
                words=said("Such as `41,203` or `about 61,000 ± 3 %`."),
                waterfall=nullable(answer("Devices left after each step.", **{name: integer() for name in _STEPS})),
                sample=listed(
                    answer(
                        "One of some devices; none for a key without the scope `contacts:read`.",
                        device_id=said(),
                        external_id=nullable(said()),
                    )
                ),
            ),
            {
                "exact": Example(
                    "An exact count",
                    {
                        "count": 1,
                        "people": 1,
                        "exact": True,
                        "error": None,
                        "few": False,
                        "words": "1",
                        "waterfall": {
                            "matched": 3, "with_consent": 2, "active": 2, "after_exclusions": 2,
                            "after_device_choice": 1,
                        },
                        "sample": [{"device_id": "dev_4k2m9x7qw3", "external_id": "CRM-42"}],
                    },
                )
            },
        )
    ],
    scopes=("segments:read",),
    body=request(
        "",
        **_ASKED,
        token=text(
            "Of your own, one for each person who waits: a newer preview with the same token ends this one, which then "
            "answers 409 `superseded`.",
            most=64,
        ),
    ),
    examples={
        "latest": Example(
            "The newest device of each", {"definition": _DEFINITION, "purpose": "offers", "devices": "latest"}
        )
    },
    problems=(*_ASK_PROBLEMS, "superseded"),
)  # fmt: skip
EXPLAIN: Final = Operation(
    "explainSegment",
    "Explain why somebody is in a segment or not",
    "Each rule with its verdict and the value found, for each device of the person, then the steps after it. That is "
    "personal data: the key needs the scope `contacts:read` as well.",
    [
        Answer(
            200,
            "Rule by rule.",
            answer(
                matches=boolean("A device of the person is in the segment."),
                reached=boolean("And would be sent to."),
                devices=listed(
                    answer(
                        device_id=said(),
                        matches=boolean(),
                        reached=boolean(),
                        rule=ref("ExplainedRule"),
                        steps=listed(
                            answer(
                                step=word(("matched", "consent", "active", "exclusions", "device_choice")),
                                verdict=boolean(),
                                found=anything("What was looked at."),
                            )
                        ),
                    )
                ),
            ),
            {
                "matches": Example(
                    "It matches",
                    {
                        "matches": True,
                        "reached": True,
                        "devices": [
                            {
                                "device_id": "dev_4k2m9x7qw3",
                                "matches": True,
                                "reached": True,
                                "rule": {
                                    "pointer": "",
                                    "kind": "test",
                                    "words": "plan is pro or team",
                                    "verdict": True,
                                    "found": "pro",
                                },
                                "steps": [{"step": "matched", "verdict": True, "found": None}],
                            }
                        ],
                    },
                )
            },
        )
    ],
    scopes=("segments:read",),
    body=request("", **_ASKED, external_id=text("Whom to explain it for, or:"), device_id=text("`dev_…`")),
    examples={
        "anna": Example("Of a person", {"definition": _DEFINITION, "external_id": "CRM-42", "purpose": "offers"})
    },
    problems=(*_ASK_PROBLEMS, "unknown_contact"),
)
EXPLAINED_RULE: Final = answer(
    optional=("found", "rules"),
    pointer=said("Where in the definition (RFC 6901)."),
    kind=word(("all", "any", "not", "segment", "test")),
    words=said(),
    verdict=boolean(),
    found=anything("The value that a test looked at; null: unknown."),
    rules=listed(ref("ExplainedRule")),
)

GROUP: Final = Group(
    "Segments",
    "Saved rules over devices and their contacts. What can be asked for is in docs/segments.md.",
    {
        "GET /segments": LIST,
        "POST /segments": CREATE,
        "GET /segments/{id}": GET,
        "PUT /segments/{id}": PUT,
        "DELETE /segments/{id}": DELETE,
        "POST /segments/preview": PREVIEW,
        "POST /segments/explain": EXPLAIN,
    },
)
SCHEMAS: Final = {"Rule": RULE, "Segment": SEGMENT, "ExplainedRule": EXPLAINED_RULE}
