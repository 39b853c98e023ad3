"""The description says what there is, all of it, and everybody may read it."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests
from django.urls import URLPattern
from drf_spectacular.validation import validate_schema

from campaigns import urls
from campaigns.description.everything import OPERATIONS
from pushplatform.api.problem_codes import PROBLEMS
from tests.parts.stack import Stack

# Codes of the browser API, of addresses that are no route, of our own faults, and of single fields.
ELSEWHERE = frozenset(
    "origin_not_allowed wrong_device_secret no_current_key unknown_key key_retired wrong_signature identity_expired"
    " identity_in_future identity_before_logout not_identified personal_data_needed personal_data_withdrawn"
    " tag_not_allowed bad_request internal_error unavailable forbidden".split()
)
OF_FIELDS = frozenset(
    "required unknown_field invalid_type invalid_value merge_with_itself invalid_external_id invalid_key"
    " unknown_attribute too_many_attributes invalid_tag too_many_tags invalid_language unknown_time_zone"
    " invalid_wording too_many_wordings not_supported out_of_range invalid_cursor duplicate_parameter"
    " unknown_contact".split()
)
# Below /contacts/batch the other methods mean the contact whose CRM id is `batch`.
SAME_AS_CONTACT = {f"{method} /contacts/batch" for method in ("GET", "PUT", "PATCH", "DELETE")}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(web: Stack) -> Json:
    """As it is served, without a key."""
    answer = requests.get(f"{web.web_url}/api/v1/openapi.json", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    served: Json = answer.json()
    return served


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_document_is_sound_openapi_3_1(document: Json, web: Stack) -> None:
    validate_schema(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": web.web_url}]


def test_every_route_and_method_is_described_and_nothing_else(document: Json) -> None:
    routes = set()
    for pattern in urls.api:
        assert isinstance(pattern, URLPattern)
        path = "/" + str(pattern.pattern).replace("<str:", "{").replace(">", "}")
        methods = pattern.callback.view_class().allowed_methods  # type: ignore[attr-defined]
        routes |= {f"{method} {path}" for method in methods if method not in ("HEAD", "OPTIONS")}
    assert routes - SAME_AS_CONTACT == OPERATIONS.keys()
    assert {name.replace("/api/v1", "", 1) for name, _ in operations(document)} == OPERATIONS.keys()


def test_every_error_code_is_described(document: Json) -> None:
    said = {
        code
        for _, operation in operations(document)
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in answer["content"]["application/problem+json"]["examples"]
    }
    assert said.isdisjoint(ELSEWHERE)
    assert PROBLEMS.keys() - said - ELSEWHERE <= OF_FIELDS
    assert document["components"]["examples"].keys() == PROBLEMS.keys()


def test_every_call_shows_examples_that_fit_its_shapes(document: Json) -> None:
    for name, operation in operations(document):
        contents = [*operation.get("requestBody", {}).get("content", {}).values()]
        for status, answer in operation["responses"].items():
            contents += answer.get("content", {}).values()
            assert "content" in answer or status == "204", name
        for content in contents:
            assert content["examples"], name
            for example in content["examples"].values():
                shown = resolved(document, example)
                check(document, content["schema"], shown["value"])


def test_every_member_of_a_request_says_what_it_means(document: Json) -> None:
    shapes = document["components"]["schemas"]

    def unsaid(shape: Json, at: str) -> Iterator[str]:
        while "$ref" in shape:
            shape = shapes[shape["$ref"].rpartition("/")[2]]
        for inner in (*shape.get("anyOf", ()), *([shape["items"]] if "items" in shape else ())):
            yield from unsaid(inner, at)
        for name, member in shape.get("properties", {}).items():
            said = [member, *member.get("anyOf", ())]
            if not any(one.get("description") or "$ref" in one for one in said):
                yield f"{at}/{name}"
            yield from unsaid(member, f"{at}/{name}")

    for name, operation in operations(document):
        # Definitions of segments have a page of their own, and hold themselves.
        if (body := operation.get("requestBody")) and "/segments" not in name:
            assert list(unsaid(body["content"]["application/json"]["schema"], name)) == []
        assert all(one.get("description") for one in operation.get("parameters", ())), name


def test_every_error_type_leads_to_a_page_about_it(document: Json, web: Stack) -> None:
    for code, example in document["components"]["examples"].items():
        address = urlsplit(example["value"]["type"])
        assert f"{address.scheme}://{address.netloc}" == web.web_url
        page = requests.get(example["value"]["type"], headers={"Accept": "text/html"}, timeout=30)
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assert f"<code>{code}</code>" in page.text
        assert PROBLEMS[code].title.replace("'", "&#x27;") in page.text
    assert requests.get(f"{web.web_url}/problems/no_such_code", timeout=30).status_code == 404


def test_an_error_type_is_plain_text_for_readers_of_logs(web: Stack) -> None:
    page = requests.get(f"{web.web_url}/problems/rate_limited", timeout=30)  # Accept: */*, as curl sends it
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert page.text.startswith("rate_limited (HTTP 429)")


def test_the_page_shows_every_call_and_loads_nothing_from_elsewhere(document: Json, web: Stack) -> None:
    page = requests.get(f"{web.web_url}/api/v1/docs/", timeout=30)
    assert page.status_code == 200
    found = _Page()
    found.feed(page.text)
    assert {operation["operationId"] for _, operation in operations(document)} <= found.ids
    assert "list of objects<" in page.text
    loaded = {urlsplit(address).netloc for address in found.loaded}
    assert loaded == {""}
    for address in found.loaded:
        assert requests.get(f"{web.web_url}{address}", timeout=30).status_code == 200
    targets = {link.removeprefix("#") for link in found.links if link.startswith("#")}
    assert targets <= found.ids
    assert {link for link in found.links if link.startswith("/problems/")} >= {f"/problems/{code}" for code in PROBLEMS}


def test_the_document_is_not_sent_again_to_whom_has_it(web: Stack) -> None:
    address = f"{web.web_url}/api/v1/openapi.json"
    etag = requests.get(address, timeout=30).headers["ETag"]
    assert requests.get(address, headers={"If-None-Match": etag}, timeout=30).status_code == 304


def resolved(document: Json, value: Json) -> Json:
    while "$ref" in value:
        at: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        value = at
    return value


def check(document: Json, shape: Json, value: Any) -> None:
    jsonschema.validate(value, {**shape, "components": document["components"]}, cls=jsonschema.Draft202012Validator)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given["id"]} if "id" in given else set()
        if tag == "a":
            self.links.add(given.get("href", ""))
        elif "src" in given or tag == "link":
            self.loaded.add(given.get("src") or given.get("href", ""))
