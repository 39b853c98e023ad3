"""The OpenAPI document of the CRM API: drf-spectacular walks the routes, the tables beside say what each does."""

from typing import Any, Final

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings

from campaigns.description import messages, root, segments
from pushplatform.api.description.operations import HEADERS, Group, Operation
from pushplatform.api.description.problem_answers import PROBLEM, problem_examples
from subscribers.description import consents, contacts, events, people

PREFIX: Final = "/api/v1"
GROUPS: Final[tuple[Group, ...]] = (
    root.GROUP, messages.GROUP, people.GROUP, consents.GROUP, events.GROUP, segments.GROUP,
)  # fmt: skip
OPERATIONS: Final[dict[str, tuple[Group, Operation]]] = {
    route: (group, operation) for group in GROUPS for route, operation in group.operations.items()
}
"""By method and path below PREFIX."""

_ABOUT: Final = """Send web push notifications to the people of your CRM by your own ids, and learn for each device what
became of it.

Ids are strings with a prefix (`msg_…`, `dev_…`). Times are RFC 3339: any offset in, UTC with milliseconds out. Errors
are RFC 9457 `application/problem+json` with a stable `code`; every `type` leads to a page about it. Ignore members,
codes and words of an answer that you do not know: new ones are additions. Members of a request that we do not know are
refused by name. Null is the same as absent, but empties a member of a contact.

A key belongs to one Site and is sent as `Authorization: Bearer <key>`; ids of another Site answer 404. A call costs a
unit of the key's limit, and another for every ten recipients or other items in it. Any call may also answer 500
`internal_error` or 503 `unavailable` when something is wrong on our side: retry those, 429 and lost connections, with
the same Idempotency-Key, and no other error but 409 `idempotency_in_progress`."""


class DescribedSchema(AutoSchema):
    """What drf-spectacular asks of each route; one that no table describes is not in the document."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        described = OPERATIONS.get(f"{method.upper()} {path.removeprefix(PREFIX)}")
        return described and described[1].as_openapi(described[0].title)


def document_of(patterns: list[URLPattern | URLResolver], version: str) -> dict[str, Any]:
    """The document of these routes, which stand below PREFIX."""
    with patched_settings(_spectacular(version)):
        generator = SchemaGenerator(patterns=[path(f"{PREFIX[1:]}/", include(patterns))])
        document: dict[str, Any] = generator.get_schema(request=None, public=True)
    return document


def _spectacular(version: str) -> dict[str, Any]:
    schemas = {"Problem": PROBLEM, **messages.SCHEMAS, **contacts.SCHEMAS, **segments.SCHEMAS}
    return {
        "OAS_VERSION": "3.1.0",
        "TITLE": "Push Platform: CRM API",
        "DESCRIPTION": _ABOUT,
        "VERSION": version,
        "LICENSE": {"name": "Apache-2.0"},
        "SERVERS": [{"url": settings.BASE_URL}],
        "TAGS": [{"name": group.title, "description": group.about} for group in GROUPS],
        "SORT_OPERATIONS": False,
        "APPEND_COMPONENTS": {
            "schemas": schemas,
            "headers": dict(HEADERS),
            "examples": problem_examples(),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, made in the admin under “API clients”. It is shown once.",
                }
            },
        },
    }
