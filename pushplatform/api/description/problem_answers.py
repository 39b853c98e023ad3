"""How errors are described: one shape, one answer for each status, an example for each code."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from pushplatform.api.description.shapes import OPEN_WORDS, Shape, answer, integer, listed, ref, said
from pushplatform.api.problem_codes import PROBLEMS
from pushplatform.api.problems import CONTENT_TYPE, Problem, problem_body

EXAMPLE_ID: Final = "3f6c1d0a9be24f75a1c80e42"

PROBLEM: Final[Shape] = answer(
    "RFC 9457. Branch on `code`; `detail` is for people.",
    optional=("errors",),
    type=said("An address with more about this code.", format="uri"),
    title=said("The same for every error of this code."),
    status=integer("As of the answer.", 400, 599),
    detail=said("What is wrong this time and what to do."),
    code=said("Stable; new ones may be added."),
    request_id=said("As in the header X-Request-Id; tell it when you ask for help."),
    errors=listed(
        answer(
            pointer=said("Where in the body (RFC 6901), or `/<parameter>` of the address. Empty: the whole body."),
            code=said("Stable; new ones may be added."),
            detail=said("What is wrong there, and what to write instead."),
        ),
        "Everything that is wrong with the fields, at most 100.",
    ),
)

_FIELDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "invalid_request": ("/recipient", "unknown_field", "There is no field 'recipient' here; known are audience, …."),
    "invalid_text": ("/content/title", "invalid_text", "Null characters and lone surrogates cannot be stored."),
    "unknown_purpose": ("/purpose", "unknown_purpose", "There is no such purpose to send for."),
    "consent_proof_missing": (
        "/wording", "consent_proof_missing", "A grant needs wording: to what the person agreed."
    ),
    "duplicate_parameter": ("/limit", "duplicate_parameter", "limit stands twice in the address."),
    "invalid_cursor": ("/cursor", "invalid_cursor", "cursor must be the next_cursor of an earlier page of this list."),
}  # fmt: skip
"""What stands in `errors` of an example."""

_RETRIED: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}
_CHALLENGED: Final = {"WWW-Authenticate": {"description": "What kind of key is needed.", "schema": said()}}
_MOVED: Final = {"Location": {"description": "With `contact_merged`: who the person is now.", "schema": said()}}
_HEADERS: Final[Mapping[int, dict[str, Any]]] = {401: _CHALLENGED, 404: _MOVED, 429: _RETRIED}


def problem_answers(refusals: Iterable[tuple[int, str]]) -> dict[str, Any]:
    """The answers of a call that may be refused so, by status."""
    by_status = groupby(sorted(set(refusals)), lambda refusal: refusal[0])
    return {str(status): _answer(status, [code for _, code in same]) for status, same in by_status}


def _answer(status: int, codes: list[str]) -> dict[str, Any]:
    own: Shape = {"properties": {"code": {OPEN_WORDS: codes}, "status": {"const": status}}}
    content = {
        "schema": {"allOf": [ref("Problem"), own]},
        "examples": {code: _example(status, code) for code in codes},
    }
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}, **_HEADERS.get(status, {})}
    about = " ".join(f"`{code}`: {PROBLEMS[code].title}." for code in codes)
    return {"description": about, "headers": headers, "content": {CONTENT_TYPE: content}}


def _example(status: int, code: str) -> dict[str, Any]:
    if status == PROBLEMS[code].status:
        return {"$ref": f"#/components/examples/{code}"}
    return {"summary": PROBLEMS[code].title, "value": example_of(code, status)}


def problem_examples() -> dict[str, Any]:
    """An example of each code, for the components of the document."""
    return {code: {"summary": known.title, "value": example_of(code)} for code, known in PROBLEMS.items()}


def example_of(code: str, status: int | None = None) -> dict[str, Any]:
    """The body of an error with this code."""
    errors = [_FIELDS[code]] if code in _FIELDS else []
    return problem_body(Problem(code, status=status, errors=errors), EXAMPLE_ID)
