"""Whatever is sent to the addresses of messages: a problem that names it, never a 500, nothing half-written."""

import copy
import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from campaigns.models import Batch, Message, Recipient
from pushplatform.api.models import Idempotency
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Segment
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_campaign, new_client, new_person, new_site

pytestmark = pytest.mark.django_db
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 1e308, 5e-324, 2**31, 2**63, -(2**63) - 1, 10**399, "", " ", "x", "0", "é",
    "\u202e", "\U0001f600" * 300, "x" * 5000, "{{", "{% for %}", "{{ params | nonsense }}", "a\r\nTTL: 0", "%00", "../",
    "dev_" + "a" * 26, "msg_x", "seg_" + "z" * 26, "cmp_" + "a" * 26, "2099-01-01T00:00:00Z", "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", [], {}, [[]], [{}], [None], ["all"], {"": ""},
    {"ids": ["dev_x"] * 101}, {"form": [[]]}, {"a": {"b": {"c": [1, 2]}}}, "__proto__", {"__class__": 1},
)  # fmt: skip
BOMB = gzip.compress(b"0" * 10_000_000, 1)


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


def body() -> dict[str, Any]:
    return {
        "recipients": [{"external_id": "ANNA", "params": {"name": "Anna"}, "devices": "latest"}],
        "purpose": "order_updates",
        "content": {
            "title": "Hello {{ params.name }}", "body": "…", "url": "https://shop.example/o/1", "icon": None,
            "actions": [{"action": "track", "title": "Track it", "url": "https://shop.example/track"}],
            "require_interaction": False, "translations": {"pl": {"title": "Cześć"}},
        },
        "devices": "all", "ttl": 3600, "urgency": "high", "collapse_key": "order-1", "correlation_id": "deal-42",
        "send_at": None, "expires_at": None,
    }  # fmt: skip


def nothing_written() -> bool:
    return not any(model.objects.exists() for model in (Message, Batch, Recipient, Idempotency))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member, however deep."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, name))


def changed(asked: dict[str, Any], path: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    asked = copy.deepcopy(asked)
    place: Any = asked
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = odd
    return asked


@pytest.mark.parametrize("seed", range(2))
def test_odd_values_anywhere_are_taken_or_refused_by_pointer(crm: Caller, site: Site, seed: int) -> None:
    new_person(site, "ANNA", "order_updates")
    chance = random.Random(seed)
    segment = Segment.objects.create(site=site, name="Everyone", definition={"all": []})
    of_segments = body() | {"audience": {"segments": [public_ids.encode("seg", segment.pk)], "exclude": []}}
    del of_segments["recipients"]
    of_campaign = body() | {"campaign": public_ids.encode("cmp", new_campaign(site).pk)}
    del of_campaign["content"], of_campaign["purpose"]
    for asked in (body(), of_segments, of_campaign):
        for path in places(asked):
            odd = chance.choice(ODD)
            address = chance.choice(("messages", "messages/validate"))
            before = Message.objects.count()
            answer = crm.post(address, changed(asked, path, odd))
            assert answer.status_code in (200, 202, 422), f"{path} {odd!r:.80} {answer.content[:300]!r}"
            if answer.status_code == 422:
                errors = answer.json()["errors"]
                assert errors, f"{path} {odd!r:.80}"
                assert all(error["pointer"].startswith("/") and error["detail"] for error in errors)
                assert Message.objects.count() == before


@pytest.mark.parametrize("address", ["messages", "messages/validate"])
@pytest.mark.parametrize(
    ("raw", "status", "code", "pointers"),
    [
        (b"", 422, "invalid_request", ["/recipients", "/purpose", "/content"]),
        (b"null", 422, "invalid_request", [""]),
        (b"[]", 422, "invalid_request", [""]),
        (b'"text"', 422, "invalid_request", [""]),
        (b"[" * 100_000 + b"]" * 100_000, 422, "too_deep", []),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 422, "too_deep", []),
        (b'{"ttl": NaN}', 400, "malformed_json", []),
        (b'{"ttl": 1e999}', 400, "malformed_json", []),
        (b'{"ttl": ' + b"9" * 5000 + b"}", 400, "malformed_json", []),
        (b'{"ttl": 1, "ttl": 2}', 400, "malformed_json", []),
        (rb'{"recipients": [{"external_id": "\u0000"}]}', 422, "invalid_text", ["/recipients/0/external_id"]),
        (rb'{"recipients": [{"params": {"a": "\ud800"}}]}', 422, "invalid_text", ["/recipients/0/params/a"]),
        (rb'{"recipients": [{"params": {"\udfff": 1}}]}', 422, "invalid_text", ["/recipients/0/params"]),
        (rb'{"collapse_key": "a\r\nTTL: 0", "recipients": [], "purpose": "x", "content": {"title": "x"}}',
         422, "invalid_request", ["/recipients", "/collapse_key"]),
        (b'{"recipients": ["ANNA"], "purpose": "x", "content": {"title": "x"}}',
         422, "invalid_request", ["/recipients/0"]),
        (b'{"recipient": [], "zeal": 1, "to": "ANNA", "content": {"title": "x"}, "aim": 0, "purpose": "x"}',
         422, "invalid_request", ["/recipients", "/recipient", "/zeal", "/to", "/aim"]),
        (b'{"recipients": [' + b"{}," * 1000 + b"{}]}", 422, "too_many_recipients", ["/recipients"]),
        (b'"' + b"x" * 1_048_575 + b'"', 413, "body_too_large", []),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_a_broken_body_is_refused_and_nothing_is_written(
    crm: Caller, address: str, raw: bytes, status: int, code: str, pointers: list[str]
) -> None:
    assert_problem(crm.post(address, raw), status, code, *pointers)
    assert nothing_written()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_compressed_body_is_refused_unopened(crm: Caller, encoding: str) -> None:
    assert_problem(crm.post("messages", BOMB, Content_Encoding=encoding), 415, "unsupported_media_type")
    assert nothing_written()


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "x", ""])
def test_a_body_of_another_type_is_refused(crm: Caller, content_type: str) -> None:
    answer = crm.post("messages", json.dumps(body()).encode(), Content_Type=content_type)
    assert_problem(answer, 415, "unsupported_media_type")
    assert nothing_written()


@pytest.mark.parametrize(
    "id", ["msg_x", "dev_" + "a" * 26, "%00", "%F0%9F%98%80", "..%2F..", "a" * 5000, "validate%00"]
)
@pytest.mark.parametrize("rest", ["", "/deliveries"])
def test_an_id_that_is_none_is_404(crm: Caller, id: str, rest: str) -> None:
    assert_problem(crm.get(f"messages/{id}{rest}"), 404, "not_found")


@pytest.mark.parametrize("path", ["messages/", "contacts/a/b", "message"])
def test_an_address_that_no_call_has_says_how_addresses_are_written(crm: Caller, path: str) -> None:
    problem = assert_problem(crm.get(path), 404, "not_found")
    assert problem["detail"].startswith("No call has this address. It ends without a slash; an id in it is percent-")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_a_method_that_is_not_taken_is_405(crm: Caller, method: str) -> None:
    answer = getattr(crm._http, method)("/api/v1/messages", headers={"Authorization": f"Bearer {crm.secret}"})
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}
    assert answer.json()["detail"] == f"{method.upper()} is not taken here, only GET, POST, HEAD."


def test_a_cancel_takes_no_fields_and_needs_no_body(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    sent = crm.post("messages", body()).json()["id"]
    assert_problem(crm.post(f"messages/{sent}/cancel", {"why": "x"}), 422, "invalid_request", "/why")
    assert_problem(crm.post(f"messages/{sent}/cancel", []), 422, "invalid_request", "")
    assert_problem(crm.post(f"messages/{sent}/cancel", b"{"), 400, "malformed_json")
    assert Message.objects.get().status == Message.Status.SENDING
    assert crm.post(f"messages/{sent}/cancel", b"").status_code == 200


def test_a_collapse_key_can_inject_nothing_because_the_topic_is_a_hash_of_it(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    assert crm.post("messages", body() | {"collapse_key": "x:\u2028 TTL=0; Urgency=high"}).status_code == 202
    topic = Message.objects.get().topic
    assert topic is not None
    assert len(topic) == 32
    assert topic.replace("-", "").replace("_", "").isalnum()
