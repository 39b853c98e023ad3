"""Contacts over real HTTP: made, changed, listed, a thousand at once."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pushplatform.sites.models import Site
from subscribers.contacts import erasure_mark
from subscribers.models import Attribute, AttributeLock, Contact, Device, ErasedContact
from subscribers.upserting import Given, upsert_many
from tests.api.over_http import NASTY, Crm, of, problem
from tests.campaigns.shop import linked_device, new_contact, new_device, new_site
from tests.parts.stack import Stack

WHOLE: dict[str, Any] = {
    "attributes": {"first_name": "Anna", "since": "2026-01-31", "ltv": 12.5, "vip": True, "likes": ["tea"]},
    "tags": ["b", "a", "a"],
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "owner": "sales-7",
}


def test_a_contact_is_made_read_and_made_again_without_a_difference(crm: Crm) -> None:
    made = crm.put(of("CRM-1"), WHOLE)
    assert made.status_code == 201
    body = made.json()
    assert {name: body[name] for name in WHOLE} == WHOLE | {"tags": ["a", "b"]}
    assert body["external_id"] == "CRM-1"
    assert body["created_at"].endswith("Z")
    again = crm.put(of("CRM-1"), WHOLE)
    assert (again.status_code, again.json()) == (200, body)  # updated_at too: nothing changed
    assert crm.get(of("CRM-1")).json() == body


def test_put_replaces_what_it_names_and_patch_merges(crm: Crm) -> None:
    crm.put(of("A"), WHOLE)
    put = crm.put(of("A"), {"attributes": {"plan": "pro"}}).json()
    assert (put["attributes"], put["tags"], put["owner"]) == ({"plan": "pro"}, ["a", "b"], "sales-7")
    patched = crm.patch(of("A"), {"attributes": {"plan": None, "vip": False}, "owner": None, "tags": None}).json()
    assert (patched["attributes"], patched["owner"], patched["tags"]) == ({"vip": False}, None, [])
    assert patched["language"] == "pl"
    assert patched["updated_at"] > put["updated_at"]
    assert crm.put(of("A"), {"attributes": {}, "language": ""}).json()["attributes"] == {}
    assert crm.get(of("A")).json()["language"] is None


def test_true_is_not_one(crm: Crm) -> None:
    crm.put(of("A"), {"attributes": {"n": 1}})
    problem(crm.patch(of("A"), {"attributes": {"n": True}}), 422, "invalid_request", "/attributes/n")


@pytest.mark.parametrize(
    "external_id",
    ["a/b", "a/consents", "batch", "100%", "%2F", "a b+c", "żółć", "?x#y", "x" * 255, "merge", ".hidden", "a%2Fb/c"],
)
def test_any_crm_id_fits_into_a_path_percent_encoded(crm: Crm, shop: Site, external_id: str) -> None:
    assert crm.put(of(external_id), {"tags": ["here"]}).status_code == 201
    assert Contact.objects.get(site=shop).external_id == external_id
    assert crm.get(of(external_id)).json()["external_id"] == external_id
    assert crm.patch(of(external_id), {"owner": "x"}).status_code == 200
    assert crm.get(of(external_id, "/devices")).json() == {"data": [], "next_cursor": None}
    assert crm.get(of(external_id, "/consents")).json()["external_id"] == external_id


@pytest.mark.parametrize(
    "path",
    ["contacts/%00", "contacts/%FF", "contacts/%FF%2F", "contacts/a%0Ab", f"contacts/{'x' * 256}", "contacts/e%CC%81"],
)
def test_a_crm_id_that_cannot_be_kept_is_refused(crm: Crm, path: str) -> None:
    problem(crm.put(path, {}), 422, "invalid_request", "/external_id")
    problem(crm.get(path), 422, "invalid_request", "/external_id")


def test_an_error_calls_a_member_by_its_own_name(crm: Crm) -> None:
    bad = {"tags": [1], "time_zone": "Mars/Base"}
    said = [error["detail"] for error in crm.put(of("A"), bad).json()["errors"]]
    assert said == [
        "It must be a text of 1 to 64 characters without control characters.",
        "time_zone must be a time zone such as Europe/Warsaw.",
    ]
    assert crm.put(of("A"), []).json()["detail"] == "The body must be a JSON object."
    assert crm.put("contacts/%00", {}).json()["detail"] == "external_id must have no control characters."


def test_what_is_not_there_is_not_found(crm: Crm, web: Stack) -> None:
    Crm(web.web_url, new_site()).put(of("OTHER"), {})
    for path in (
        of("OTHER"),
        of("NOBODY"),
        of("NOBODY", "/devices"),
        of("NOBODY", "/consents"),
        of("OTHER", "/export"),
    ):
        problem(crm.get(path), 404, "not_found")
    problem(crm.patch(of("OTHER"), {}), 404, "not_found")


@pytest.mark.parametrize(("body", "status", "code"), NASTY)
def test_a_body_that_cannot_be_used_changes_nothing(crm: Crm, shop: Site, body: bytes, status: int, code: str) -> None:
    for method, path in (("PUT", of("A")), ("POST", "contacts/batch"), ("POST", "events")):
        answer = crm.call(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert not Contact.objects.filter(site=shop).exists()
    assert not Attribute.objects.filter(site=shop).exists()


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"first_name": "Anna"}, ["/first_name"]),
        ({"attributes": []}, ["/attributes"]),
        ({"attributes": {"a b": 1}}, ["/attributes/a b"]),
        ({"attributes": {"a/b~": 1}}, ["/attributes/a~1b~0"]),
        ({"attributes": {"deep": {"a": 1}}}, ["/attributes/deep"]),
        ({"attributes": {"n": 10**300}}, ["/attributes/n"]),
        ({"attributes": {"n": -(10**390), "x": 1e16}}, ["/attributes/n", "/attributes/x"]),
        ({"attributes": {"likes": ["tea", 1]}}, ["/attributes/likes"]),
        ({"tags": "vip"}, ["/tags"]),
        ({"tags": ["ok", 1, "x" * 65, ""]}, ["/tags/1", "/tags/2", "/tags/3"]),
        ({"tags": [f"t{n}" for n in range(101)]}, ["/tags"]),
        ({"language": "no language"}, ["/language"]),
        ({"language": 1, "time_zone": "Mars/Base"}, ["/language"]),
        ({"time_zone": "Mars/Base", "owner": "x" * 256}, ["/owner"]),
        ({"owner": "a\nb"}, ["/owner"]),
        ({"recreate": "yes"}, ["/recreate"]),
    ],
)
def test_every_wrong_member_is_named(crm: Crm, shop: Site, body: Any, pointers: list[str]) -> None:
    problem(crm.put(of("A"), body), 422, "invalid_request", *pointers)
    assert not Contact.objects.filter(site=shop).exists()


def test_a_value_of_another_type_is_refused_by_name(crm: Crm) -> None:
    crm.put(of("A"), {"attributes": {"since": "2026-01-31"}})
    found = problem(
        crm.put(of("B"), {"attributes": {"since": "yesterday"}}), 422, "invalid_request", "/attributes/since"
    )
    assert "known as date" in found["errors"][0]["detail"]


def test_a_locked_catalogue_takes_no_new_names(crm: Crm, shop: Site) -> None:
    crm.put(of("A"), {"attributes": {"plan": "pro"}})
    AttributeLock.objects.create(site=shop)
    answer = problem(crm.put(of("A"), {"attributes": {"paln": "pro"}}), 422, "invalid_request", "/attributes/paln")
    assert answer["errors"][0]["code"] == "unknown_attribute"
    assert crm.put(of("A"), {"attributes": {"plan": "team"}}).status_code == 200


def test_only_plain_json_is_taken(crm: Crm, shop: Site) -> None:
    for given in (
        {"Content_Type": "text/plain"},
        {"Content_Encoding": "gzip"},
        {"Content_Type": "multipart/form-data"},
    ):
        problem(crm.call("PUT", of("A"), b"{}", **given), 415, "unsupported_media_type")
    problem(crm.call("POST", of("A"), b"{}"), 405, "method_not_allowed")
    assert not Contact.objects.filter(site=shop).exists()


def test_scopes_are_asked_for(web: Stack, shop: Site) -> None:
    reader, writer = Crm(web.web_url, shop, "contacts:read"), Crm(web.web_url, shop, "contacts:write")
    assert writer.put(of("A"), {}).status_code == 201
    for answer, scope in (
        (reader.put(of("A"), {}), "contacts:write"),
        (reader.patch(of("A"), {}), "contacts:write"),
        (reader.post("contacts/batch", {"contacts": [{"external_id": "A"}]}), "contacts:write"),
        (reader.post(of("A", "/merge"), {"into": "B"}), "contacts:write"),
        (reader.delete(of("A")), "contacts:erase"),
        (writer.delete(of("A")), "contacts:erase"),
        (writer.get(of("A")), "contacts:read"),
        (writer.get("contacts"), "contacts:read"),
        (writer.get(of("A", "/devices")), "contacts:read"),
        (writer.get(of("A", "/export")), "contacts:read"),
        (writer.get(of("A", "/consents")), "contacts:read"),
        (writer.post(of("A", "/consents"), {}), "consents:write"),
        (writer.post("events", {}), "events:write"),
    ):
        assert scope in problem(answer, 403, "missing_scope")["detail"]


# --- lists


def test_a_list_is_walked_by_its_cursor_while_contacts_come_and_change(crm: Crm, shop: Site) -> None:
    now = timezone.now() - timedelta(hours=1)
    made = [new_contact(shop, external_id=f"C{n}") for n in range(7)]
    Contact.objects.filter(site=shop).update(updated_at=now)  # ties are told apart by id
    first = crm.get("contacts?limit=3").json()
    Contact.objects.filter(pk=made[0].pk).update(updated_at=timezone.now())
    second = crm.get(f"contacts?limit=3&cursor={first['next_cursor']}").json()
    third = crm.get(f"contacts?limit=3&cursor={second['next_cursor']}").json()
    seen = [[one["external_id"] for one in page["data"]] for page in (first, second, third)]
    assert seen == [["C0", "C1", "C2"], ["C3", "C4", "C5"], ["C6", "C0"]]
    assert third["next_cursor"] is None


def test_a_list_begins_where_the_last_one_ended_and_can_be_narrowed(crm: Crm, shop: Site) -> None:
    crm.put(of("old"), {"tags": ["vip"], "owner": "kate"})
    time.sleep(0.01)
    since = crm.put(of("new"), {"tags": ["vip"]}).json()["updated_at"]
    ids = lambda query: [one["external_id"] for one in crm.get(f"contacts?{query}").json()["data"]]  # noqa: E731
    assert ids(f"updated_since={since}") == ["new"]
    assert ids("updated_since=2020-01-01T00:00:00%2B02:00") == ["old", "new"]
    assert ids("tag=vip") == ["old", "new"]
    assert ids("owner=kate") == ["old"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=501", "/limit"),
        ("limit=0", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=ten", "/limit"),
        ("limit=%D9%A3", "/limit"),
        ("cursor=nonsense", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("cursor=LTEuMQ", "/cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE", "/cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5LjE", "/cursor"),
        ("updated_since=yesterday", "/updated_since"),
        ("page=2", "/page"),
        ("limit=1&limit=2", "/limit"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(crm: Crm, query: str, pointer: str) -> None:
    problem(crm.get(f"contacts?{query}"), 422, "invalid_request", pointer)


def test_devices_tell_everything_but_how_they_are_reached(crm: Crm, shop: Site, web: Stack) -> None:
    contact = new_contact(shop, external_id="A")
    linked = [linked_device(contact, "offers", browser="firefox", language="pl") for _ in range(3)]
    Device.objects.filter(pk=linked[2].pk).update(status=Device.Status.GONE)
    new_device(shop)
    page = crm.get(of("A", "/devices?limit=2")).json()
    rest = crm.get(of("A", f"/devices?limit=2&cursor={page['next_cursor']}")).json()
    assert [one["status"] for one in page["data"] + rest["data"]] == ["active", "active", "gone"]
    assert page["data"][0]["allowed"] == ["personal_data", "offers"]
    assert rest["data"][0]["allowed"] == []
    assert rest["next_cursor"] is None
    assert page["data"][0]["device_id"].startswith("dev_")
    assert "endpoint" not in str(page)
    problem(crm.get(of("A", "/devices?updated_since=2026-01-01T00:00:00Z")), 422, "invalid_request", "/updated_since")


# --- many at once


def test_items_of_a_batch_are_independent_and_answered_in_their_order(crm: Crm, shop: Site) -> None:
    crm.put(of("there"), {"tags": ["x"]})
    crm.put(of("same"), {})
    ErasedContact.objects.create(site=shop, external_id_hmac=erasure_mark(shop.pk, "gone"), at=timezone.now())
    answer = crm.post(
        "contacts/batch",
        {
            "contacts": [
                {"external_id": "new", "attributes": {"n": 1}},
                {"external_id": "wrong", "attributes": {"n": "one"}, "tags": [1]},
                {"external_id": "there", "tags": ["y"]},
                {"external_id": "same"},
                {"external_id": "gone"},
                {"external_id": "new", "attributes": {"m": 2}},
                {"name": "no id"},
                "no object",
                {"external_id": 42},
            ]
        },
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [
        "created", "failed", "updated", "unchanged", "failed", "updated", "failed", "failed", "failed",
    ]  # fmt: skip
    assert [error["pointer"] for error in results[1]["errors"]] == ["/contacts/1/attributes/n", "/contacts/1/tags/0"]
    assert results[4]["code"] == "contact_erased"
    assert {error["pointer"] for error in results[6]["errors"]} == {"/contacts/6/external_id", "/contacts/6/name"}
    assert results[7]["errors"][0]["pointer"] == "/contacts/7"
    assert results[8]["errors"][0]["pointer"] == "/contacts/8/external_id"
    assert answer.json()["counts"] == {"created": 1, "failed": 5, "updated": 2, "unchanged": 1}
    assert sorted(Contact.objects.filter(site=shop).values_list("external_id", flat=True)) == ["new", "same", "there"]
    assert crm.get(of("new")).json()["attributes"] == {"m": 2}
    back = crm.post("contacts/batch", {"contacts": [{"external_id": "gone", "recreate": True}]}).json()
    assert back["results"] == [{"external_id": "gone", "status": "created"}]


def test_a_batch_can_merge_attributes(crm: Crm) -> None:
    crm.put(of("A"), {"attributes": {"a": 1}})
    crm.post("contacts/batch", {"merge": True, "contacts": [{"external_id": "A", "attributes": {"b": 2}}]})
    assert crm.get(of("A")).json()["attributes"] == {"a": 1, "b": 2}


def test_a_batch_of_a_thousand_is_taken_and_one_more_is_not(crm: Crm, shop: Site) -> None:
    thousand = [{"external_id": f"C{n}", "attributes": {"n": n}, "tags": ["t"]} for n in range(1000)]
    problem(
        crm.post("contacts/batch", {"contacts": [*thousand, {"external_id": "X"}]}), 422, "too_many_items", "/contacts"
    )
    assert crm.post("contacts/batch", {"contacts": thousand}).json()["counts"] == {"created": 1000}
    assert Contact.objects.filter(site=shop, attributes__n=999, tags=["t"]).count() == 1


@pytest.mark.parametrize("body", [{}, {"contacts": []}, {"contacts": {}}, {"contacts": None}])
def test_a_batch_without_contacts_is_refused(crm: Crm, body: Any) -> None:
    problem(crm.post("contacts/batch", body), 422, "invalid_request", "/contacts")


def test_a_thousand_contacts_take_as_many_queries_as_two(shop: Site, web: Stack) -> None:
    def queries(given: list[Given]) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert not [one for one in upsert_many(shop, given, timezone.now()) if one.failed]
        return len(caught)

    queries([Given("first")])  # the key of public ids is read once in a process
    few = queries([Given(f"F{n}", attributes={"f": n}) for n in range(2)])
    assert queries([Given(f"M{n}", attributes={"m": n}) for n in range(500)]) == few
