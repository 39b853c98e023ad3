"""Segments as a CRM keeps, previews and asks about them."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.previewing import Preview, Superseded, preview
from campaigns.views import segments as segment_views
from pushplatform.sites import public_ids
from pushplatform.sites.models import Scope, Site
from subscribers.models import Attribute, Device, Segment
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_person, new_site

pytestmark = pytest.mark.django_db
FIREFOX = {"field": "device.browser", "op": "eq", "value": "firefox"}
PRO = {"field": "contact.attributes.plan", "op": "eq", "value": "pro"}

DONE = {"field": "event", "op": "gte", "value": 1, "name": "bought"}
CLICKED = {"field": "engagement.clicked", "op": "within", "value": "90d"}


@pytest.fixture
def site() -> Site:
    site = new_site()
    Attribute.objects.create(site=site, key="plan", type="string")
    return site


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site, Scope.SEGMENTS_READ, Scope.SEGMENTS_WRITE, Scope.CONTACTS_READ))


@pytest.fixture
def anna(site: Site) -> list[Device]:
    """Two browsers, a Firefox seen last and a Chrome."""
    first, second = new_person(site, "ANNA", "order_updates", devices=2)
    Device.objects.filter(pk=first.pk).update(browser="firefox", last_seen_at="2026-05-01T00:00:00Z")
    Device.objects.filter(pk=second.pk).update(browser="chrome", last_seen_at="2026-01-01T00:00:00Z")
    contact = first.contact
    assert contact is not None
    contact.attributes = {"plan": "pro"}
    contact.save()
    return [first, second]


def made(crm: Caller, definition: Any = FIREFOX, name: str = "Fox", **members: Any) -> dict[str, Any]:
    answer = crm.post("segments", {"name": name, "definition": definition, **members})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_segment_is_made_read_replaced_and_deleted(crm: Caller, site: Site) -> None:
    segment = made(crm, description="Of one maker")
    assert segment.items() >= {"name": "Fox", "words": "browser is Firefox", "archived": False}.items()
    assert crm.get(f"segments/{segment['id']}").json() == segment
    assert crm.get("segments").json()["data"] == [segment]
    changed = crm.put(f"segments/{segment['id']}", {"name": "All", "definition": {"all": []}, "archived": True}).json()
    assert changed.items() >= {"name": "All", "description": "", "words": "everyone", "archived": True}.items()
    assert crm.delete(f"segments/{segment['id']}").status_code == 204
    assert_problem(crm.get(f"segments/{segment['id']}"), 404, "not_found")


def test_a_segment_in_use_is_not_deleted(crm: Caller, site: Site) -> None:
    segment = made(crm)
    made(crm, {"not": {"segment": segment["id"]}}, "Others")
    assert "Others" in assert_problem(crm.delete(f"segments/{segment['id']}"), 409, "segment_in_use")["detail"]


def test_a_key_without_the_scope_or_of_another_site_sees_nothing(crm: Caller, site: Site) -> None:
    segment = made(crm)
    crm.client.scopes = [Scope.SEGMENTS_READ]
    crm.client.save()
    assert_problem(crm.post("segments", {"name": "x", "definition": FIREFOX}), 403, "missing_scope")
    other = Caller(new_client(new_site(), Scope.SEGMENTS_READ))
    assert_problem(other.get(f"segments/{segment['id']}"), 404, "not_found")
    assert other.get("segments").json()["data"] == []


@pytest.mark.parametrize(
    ("definition", "pointers"),
    [
        ({}, ["/definition"]),
        ({"all": [FIREFOX, {"field": "device.shoe", "op": "eq", "value": 1}]}, ["/definition/all/1/field"]),
        ({"any": [{"field": "device.os", "op": "gt", "value": 1}]}, ["/definition/any/0/op"]),
        ({"field": "device.os", "op": "in", "value": ["linux", "dos"]}, ["/definition/value/1"]),
        (DONE | {"where": [{"property": "a", "op": "=~", "value": ".*"}]}, ["/definition/where/0/op"]),
        (CLICKED | {"campaign": "cmp_x"}, ["/definition/campaign"]),
    ],
)  # fmt: skip
def test_a_definition_is_refused_at_the_very_rule(
    crm: Caller, site: Site, definition: Any, pointers: list[str]
) -> None:
    for path, body in (("segments", {"name": "x"}), ("segments/preview", {})):
        answer = crm.post(path, {**body, "definition": definition})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert not Segment.objects.exists()


def test_names_tell_segments_apart(crm: Caller, site: Site) -> None:
    made(crm)
    assert_problem(crm.post("segments", {"name": "Fox ", "definition": FIREFOX}), 422, "invalid_request", "/name")


def test_a_preview_tells_the_waterfall_and_some_people(crm: Caller, site: Site, anna: list[Device]) -> None:
    new_person(site, "BEN")
    body = {"definition": {"all": []}, "purpose": "order_updates", "devices": "latest"}
    found = crm.post("segments/preview", body).json()
    assert found["waterfall"] == {
        "matched": 3, "with_consent": 2, "active": 2, "after_exclusions": 2, "after_device_choice": 1,
    }  # fmt: skip
    assert (found["count"], found["people"], found["exact"], found["words"]) == (1, 1, True, "1")
    assert {one["external_id"] for one in found["sample"]} == {"ANNA"}
    without = made(crm)["id"]
    found = crm.post("segments/preview", body | {"exclude": [without]}).json()
    assert found["waterfall"]["after_exclusions"] == 1
    desktop = crm.post("segments/preview", body | {"devices": {"browser": ["chrome"]}}).json()
    assert (desktop["waterfall"]["after_exclusions"], desktop["count"]) == (2, 1)


def test_a_newer_preview_of_the_same_token_ends_the_one_before(
    crm: Caller, site: Site, anna: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"definition": FIREFOX, "token": "Anna's tab"}
    tokens: list[str] = []

    def counted(audience: Any, *, token: str) -> Preview:
        if tokens.append(token) or len(tokens) > 1:
            raise Superseded
        return preview(audience, token=token)

    monkeypatch.setattr(segment_views, "preview", counted)
    assert crm.post("segments/preview", body).json()["count"] == 1
    assert_problem(crm.post("segments/preview", body), 409, "superseded")
    assert tokens[0] == tokens[1]
    assert str(crm.client.pk) in tokens[0]
    assert_problem(crm.post("segments/preview", body | {"token": "x" * 65}), 422, "invalid_request", "/token")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"definition": None}, "/definition"),
        ({"purpose": "measurement"}, "/purpose"),
        ({"exclude": ["seg_x"]}, "/exclude"),
        ({"exclude": "x"}, "/exclude"),
        ({"devices": "best"}, "/devices"),
        ({"devices": {"browser": ["netscape"]}}, "/devices"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_preview_names_what_is_wrong(crm: Caller, site: Site, change: dict[str, Any], pointer: str) -> None:
    answer = crm.post("segments/preview", {"definition": FIREFOX} | change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_people_are_shown_to_keys_that_may_read_contacts_alone(crm: Caller, site: Site, anna: list[Device]) -> None:
    crm.client.scopes = [Scope.SEGMENTS_READ]
    crm.client.save()
    found = crm.post("segments/preview", {"definition": PRO}).json()
    assert (found["count"], found["sample"]) == (2, [])
    answer = crm.post("segments/explain", {"definition": PRO, "external_id": "ANNA"})
    assert "contacts:read" in assert_problem(answer, 403, "missing_scope")["detail"]


def test_an_explanation_shows_each_rule_with_the_value_found(crm: Caller, site: Site, anna: list[Device]) -> None:
    body = {"definition": {"all": [PRO, {"not": FIREFOX}]}, "purpose": "order_updates", "external_id": "ANNA"}
    found = crm.post("segments/explain", body).json()
    assert (found["matches"], found["reached"]) == (True, True)
    fox, chrome = found["devices"]
    assert (fox["matches"], chrome["matches"]) == (False, True)
    pro, other = fox["rule"]["rules"]
    assert pro == {
        "pointer": "/all/0", "kind": "test", "words": "plan is pro", "verdict": True, "found": "pro",
    }  # fmt: skip
    assert (other["pointer"], other["verdict"]) == ("/all/1", False)
    assert other["rules"][0].items() >= {"pointer": "/all/1/not", "verdict": True, "found": "firefox"}.items()
    assert [(step["step"], step["verdict"]) for step in chrome["steps"]] == [
        ("matched", True), ("consent", True), ("active", True), ("exclusions", True), ("device_choice", True),
    ]  # fmt: skip


def test_an_explanation_says_that_another_device_was_chosen(crm: Caller, site: Site, anna: list[Device]) -> None:
    body = {
        "segment": made(crm, {"all": []})["id"],
        "devices": "latest",
        "device_id": public_ids.encode("dev", anna[1].pk),
    }
    found = crm.post("segments/explain", body).json()
    assert (found["matches"], found["reached"], len(found["devices"])) == (True, False, 1)
    assert found["devices"][0]["steps"][-1] == {"step": "device_choice", "verdict": False, "found": None}


@pytest.mark.parametrize(
    ("who", "pointer"),
    [
        ({}, "/external_id"),
        ({"external_id": "NOBODY"}, "/external_id"),
        ({"device_id": "dev_x"}, "/device_id"),
        ({"external_id": "ANNA", "device_id": "dev_x"}, "/external_id"),
    ],
)
def test_an_explanation_is_of_somebody_known(crm: Caller, site: Site, who: dict[str, str], pointer: str) -> None:
    answer = crm.post("segments/explain", {"definition": FIREFOX} | who)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
