"""What a table of the description says of a call, and how OpenAPI says it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pushplatform.api.description.problem_answers import problem_answers
from pushplatform.api.description.shapes import Shape, said
from pushplatform.api.pagination import MOST_ROWS, ROWS
from pushplatform.api.problem_codes import PROBLEMS

Json = dict[str, Any]

HEADERS: Final[Mapping[str, Json]] = {
    "X-Request-Id": {
        "description": "Names the request in our log: the caller's own, where it sent 8 to 64 of `A-Z a-z 0-9 _ . -`."
        " It stays there when a person is erased, so put nobody's id in it.",
        "required": True,
        "schema": said(),
    },
    "RateLimit-Limit": {
        "description": "Units that the key may use in a minute.", "required": True, "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {
        "description": "Units that are left now.", "required": True, "schema": {"type": "integer"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until all are there again.", "required": True, "schema": {"type": "integer"},
    },
    "Idempotent-Replayed": {
        "description": "`true`: this is the stored answer of an earlier call.", "schema": said(),
    },
    "Location": {"description": "The address of what was made.", "schema": said()},
}  # fmt: skip
_ON_EVERY_ANSWER: Final = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """`where`: path, query or header."""

    name: str
    where: str
    shape: Shape
    about: str = ""
    required: bool = False
    example: Any = None

    def as_openapi(self) -> Json:
        said_of = {"name": self.name, "in": self.where, "required": self.required or self.where == "path"}
        more = {"description": self.about, "example": self.example}
        return {**said_of, "schema": self.shape, **{name: value for name, value in more.items() if value}}


@dataclass(frozen=True, slots=True)
class Answer:
    """`shape` None: no body."""

    status: int
    about: str
    shape: Shape | None = None
    examples: Mapping[str, Example] = field(default_factory=dict)
    headers: Sequence[str] = ()

    def as_openapi(self) -> Json:
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ON_EVERY_ANSWER, *self.headers)}
        answer: Json = {"description": self.about, "headers": headers}
        if self.shape is not None:
            answer["content"] = {"application/json": {"schema": self.shape, "examples": _examples(self.examples)}}
        return answer


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `problems`: the error codes of its own, beside those that every such call may answer; with a status
    where it is not the code's own."""

    id: str
    title: str
    about: str
    answers: Sequence[Answer]
    scopes: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    body: Shape | None = None
    body_required: bool = True
    examples: Mapping[str, Example] = field(default_factory=dict)
    problems: Sequence[str | tuple[int, str]] = ()

    def as_openapi(self, tag: str) -> Json:
        operation: Json = {
            "operationId": self.id,
            "summary": self.title,
            "description": f"{self.about}\n\n{self._scopes_said()}",
            "tags": [tag],
            "security": [{"apiKey": list(self.scopes)}],
        }
        if self.parameters:
            operation["parameters"] = [one.as_openapi() for one in self.parameters]
        if self.body is not None:
            content = {"schema": self.body, "examples": _examples(self.examples)}
            operation["requestBody"] = {"required": self.body_required, "content": {"application/json": content}}
        operation["responses"] = {
            **{str(one.status): one.as_openapi() for one in self.answers},
            **problem_answers(self.refusals()),
        }
        return operation

    def refusals(self) -> set[tuple[int, str]]:
        """Status and code of every error that it may answer."""
        codes = {"not_authenticated", "invalid_api_key", "api_key_revoked", "api_key_expired", "address_not_allowed"}
        codes |= {"method_not_allowed", "not_acceptable", "rate_limited"}
        places = {one.where for one in self.parameters}
        if self.scopes:
            codes.add("missing_scope")
        if self.body is not None:
            codes |= {"malformed_json", "body_too_large", "unsupported_media_type"}
            codes |= {"invalid_request", "invalid_text", "too_deep"}
        if "path" in places:
            codes.add("not_found")
        if "query" in places:
            codes.add("invalid_request")
        return {(PROBLEMS[code].status, code) for code in codes} | {
            (PROBLEMS[one].status, one) if isinstance(one, str) else one for one in self.problems
        }

    def _scopes_said(self) -> str:
        if not self.scopes:
            return "Any key may ask."
        return f"Scope: {' or '.join(f'`{one}`' for one in self.scopes)}."


@dataclass(frozen=True, slots=True)
class Group:
    """A chapter of the description; `operations` by method and path below /api/v1."""

    title: str
    about: str
    operations: Mapping[str, Operation]


LISTED: Final = (
    Parameter(
        "limit", "query", {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": ROWS}, "Rows of a page."
    ),
    Parameter("cursor", "query", said(), "`next_cursor` of the page before."),
    Parameter(
        "updated_since",
        "query",
        {"type": "string", "format": "date-time"},
        "Only what changed then or later. To keep a copy in step, ask from a minute before the newest `updated_at` that"
        " you have: a change that was being written while you read may come with an earlier time.",
    ),
)
"""What lists take (pagination.py)."""


def _examples(examples: Mapping[str, Example]) -> Json:
    return {name: {"summary": one.title, "value": one.value} for name, one in examples.items()}
