"""POST and GET /messages as a CRM sees them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import counting
from campaigns.models import Batch, Message, Recipient
from pushplatform.api.idempotency import Answer, once
from pushplatform.api.models import Idempotency
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from subscribers.models import Device
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import accepted, new_client, new_contact, new_person, new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


@pytest.fixture
def anna(site: Site) -> Device:
    return new_person(site, "ANNA", "order_updates")[0]


def body(*external_ids: str, **members: Any) -> dict[str, Any]:
    recipients = [{"external_id": external_id} for external_id in external_ids or ("ANNA",)]
    content = {"title": "Hello {{ params.name }}", "body": "It is on its way.", "url": "https://shop.example/o/1"}
    return {"recipients": recipients, "purpose": "order_updates", "content": content, **members}


def nothing_written() -> bool:
    return not (Message.objects.exists() or Batch.objects.exists() or Idempotency.objects.exists())


def test_the_answer_says_what_becomes_of_each(crm: Caller, site: Site, anna: Device) -> None:
    new_contact(site, external_id="BEN")
    device = public_ids.encode("dev", anna.pk)
    asked = body("ANNA", "BEN", correlation_id="deal-42")
    asked["recipients"].append({"device_id": device})
    answer = crm.post("messages", asked)
    assert answer.status_code == 202
    got = answer.json()
    assert public_ids.decode("msg", got.pop("id")) == Message.objects.get().pk
    assert got == {
        "status": "queued",
        "recipients_queued": 1,
        "recipients_skipped": 2,
        "devices_queued": 1,
        "correlation_id": "deal-42",
        "results": [
            {"external_id": "ANNA", "status": "queued", "devices": 1},
            {"external_id": "BEN", "status": "skipped", "reason": "no_active_device"},
            {"device_id": device, "status": "skipped", "reason": "duplicate_recipient"},
        ],
    }


def test_a_contract_body_with_every_member_and_its_nulls_is_taken(crm: Caller, anna: Device) -> None:
    recipients = [{"external_id": "ANNA", "params": {"first_name": "Anna"}, "devices": "latest"}]
    content = {
        "title": "Hello {{ params.first_name }}", "body": "…", "url": "https://shop.example/o/1",
        "icon": None, "image": None, "badge": None,
        "actions": [{"action": "track", "title": "Track it", "url": "https://shop.example/track"}],
        "require_interaction": False,
        "translations": {"pl": {"title": "Cześć {{ params.first_name }}", "body": "…"}},
    }  # fmt: skip
    asked = {
        "recipients": recipients, "purpose": "order_updates", "content": content, "devices": "all", "ttl": 3600,
        "expires_at": None, "urgency": "high", "collapse_key": "order-1", "send_at": None, "correlation_id": "deal-42",
    }  # fmt: skip
    assert crm.post("messages", asked).json()["devices_queued"] == 1
    message = Message.objects.get()
    assert message.options["urgency"] == "high"
    assert message.expires_at - message.send_at == timedelta(hours=1)


def test_202_also_when_all_are_skipped(crm: Caller) -> None:
    answer = crm.post("messages", body("NOBODY"))
    assert (answer.status_code, answer.json()["status"]) == (202, "finished")


def test_a_scheduled_message_says_so(crm: Caller, anna: Device) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    sent = crm.post("messages", body(send_at=at)).json()
    assert sent["status"] == "scheduled"
    assert crm.get(f"messages/{sent['id']}").json()["status"] == "scheduled"


def test_an_external_id_is_normalised_so_both_spellings_are_one_person(crm: Caller, site: Site) -> None:
    new_person(site, "Jos\u00e9", "order_updates")
    results = crm.post("messages", body("Jose\u0301", "Jos\u00e9")).json()["results"]
    assert [one.get("reason") for one in results] == [None, "duplicate_recipient"]


WRONG: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"recipients": None}, "invalid_request", ["/recipients"]),
    ({"recipients": []}, "invalid_request", ["/recipients"]),
    ({"recipients": "ANNA"}, "invalid_request", ["/recipients"]),
    ({"recipients": [{}]}, "invalid_request", ["/recipients/0"]),
    ({"recipients": [{"external_id": "A", "device_id": "dev_x"}]}, "invalid_request", ["/recipients/0"]),
    ({"recipients": ["ANNA"]}, "invalid_request", ["/recipients/0"]),
    ({"recipients": [{"external_id": 42}]}, "invalid_request", ["/recipients/0/external_id"]),
    ({"recipients": [{"external_id": "x" * 256}]}, "invalid_request", ["/recipients/0/external_id"]),
    ({"recipients": [{"external_id": ""}]}, "invalid_request", ["/recipients/0/external_id"]),
    ({"recipients": [{"external_id": "a\nb"}]}, "invalid_request", ["/recipients/0/external_id"]),
    ({"recipients": [{"external_id": "A", "params": []}]}, "invalid_request", ["/recipients/0/params"]),
    ({"recipients": [{"external_id": "A", "parms": {}}]}, "invalid_request", ["/recipients/0/parms"]),
    ({"recipients": [{"external_id": "A", "devices": "some"}]}, "invalid_request", ["/recipients/0/devices"]),
    ({"recipients": [{"external_id": "A"}] * 1001}, "too_many_recipients", ["/recipients"]),
    ({"devices": {"ids": []}}, "invalid_request", ["/devices"]),
    ({"devices": {"form": ["fridge"]}}, "invalid_request", ["/devices"]),
    ({"devices": {"browser": ["chromium"]}}, "invalid_request", ["/devices"]),
    ({"purpose": None}, "invalid_request", ["/purpose"]),
    ({"purpose": 7}, "invalid_request", ["/purpose"]),
    ({"purpose": "unheard_of"}, "unknown_purpose", ["/purpose"]),
    ({"content": None}, "invalid_request", ["/content"]),
    ({"content": {"body": "no title"}}, "invalid_request", ["/content/title"]),
    ({"content": {"title": "{{ params.name"}}, "invalid_request", ["/content/title"]),
    ({"content": {"title": "{% for x in params.y %}"}}, "invalid_request", ["/content/title"]),
    ({"content": {"title": "Hello", "colour": "red"}}, "invalid_request", ["/content/colour"]),
    ({"content": {"title": "Hello", "url": "javascript:alert(1)"}}, "invalid_request", ["/content/url"]),
    ({"content": {"title": "Hello", "body": "x" * 3990}}, "payload_too_large", ["/content"]),
    ({"content": {"title": "Hello", "body": "x" * 9000}}, "payload_too_large", ["/content/body"]),
    ({"ttl": -1}, "invalid_request", ["/ttl"]),
    ({"ttl": 2_419_201}, "invalid_request", ["/ttl"]),
    ({"ttl": 10**40}, "invalid_request", ["/ttl"]),
    ({"ttl": 1.5}, "invalid_request", ["/ttl"]),
    ({"ttl": True}, "invalid_request", ["/ttl"]),
    ({"ttl": "3600"}, "invalid_request", ["/ttl"]),
    ({"ttl": 60, "expires_at": "2099-01-01T00:00:00Z"}, "invalid_request", ["/expires_at"]),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_request", ["/expires_at"]),
    ({"expires_at": "tomorrow"}, "invalid_request", ["/expires_at"]),
    ({"expires_at": "2099-02-30T00:00:00Z"}, "invalid_request", ["/expires_at"]),
    ({"send_at": "2099-01-01T00:00:00"}, "invalid_request", ["/send_at"]),
    ({"send_at": "2020-01-01T00:00:00Z"}, "invalid_request", ["/send_at"]),
    ({"urgency": "urgent"}, "invalid_request", ["/urgency"]),
    ({"collapse_key": "x" * 256}, "invalid_request", ["/collapse_key"]),
    ({"collapse_key": "a\r\nTTL: 0"}, "invalid_request", ["/collapse_key"]),
    ({"correlation_id": {"deal": 42}}, "invalid_request", ["/correlation_id"]),
    ({"recipient": []}, "invalid_request", ["/recipient"]),
    ({"audience": {"segments": ["seg_x"]}}, "invalid_request", ["/audience", "/audience/segments/0"]),
    ({"campaign": "cmp_x"}, "invalid_request", ["/campaign"]),
]  # fmt: skip


@pytest.mark.parametrize(("members", "code", "pointers"), WRONG, ids=lambda value: str(value)[:40])
def test_bad_input_is_422_names_its_place_and_changes_nothing(
    crm: Caller, anna: Device, members: dict[str, Any], code: str, pointers: list[str]
) -> None:
    answer = crm.post("messages", body(**members))
    assert_problem(answer, 422, code, *pointers)
    assert nothing_written()


def test_all_errors_are_named_at_once_each_with_its_own_code(crm: Caller) -> None:
    answer = crm.post("messages", body(ttl="x", urgency=5, unheard=1, content={"titel": "Hello"}))
    problem = assert_problem(
        answer, 422, "invalid_request", "/content/titel", "/content/title", "/ttl", "/urgency", "/unheard"
    )
    codes = [error["code"] for error in problem["errors"]]
    assert codes == ["unknown_field", "required", "invalid_type", "invalid_value", "unknown_field"]


def test_malformed_json_is_400_and_nothing_happens(crm: Caller) -> None:
    assert_problem(crm.post("messages", b'{"recipients": ['), 400, "malformed_json")
    assert_problem(crm.post("messages", b'{"ttl": NaN}'), 400, "malformed_json")
    assert_problem(crm.post("messages", b""), 422, "invalid_request", "/recipients", "/purpose", "/content")
    assert nothing_written()


def test_a_body_beyond_a_mebibyte_is_413(crm: Caller) -> None:
    asked = body()
    asked["recipients"][0]["params"] = {"text": "x" * 1_048_576}
    assert_problem(crm.post("messages", asked), 413, "body_too_large")


def test_a_thousand_recipients_are_taken(crm: Caller, anna: Device) -> None:
    answer = crm.post("messages", body("ANNA", *(f"CRM-{n}" for n in range(999))))
    assert (answer.status_code, answer.json()["recipients_skipped"]) == (202, 999)
    assert Recipient.objects.count() == 1000


def test_what_another_site_has_is_not_there(crm: Caller, site: Site) -> None:
    other = new_site("Other")
    (theirs,) = new_person(other, "OLGA", "order_updates")
    device = public_ids.encode("dev", theirs.pk)
    asked = body("OLGA")
    asked["recipients"].append({"device_id": device})
    asked["devices"] = {"ids": [device]}
    results = crm.post("messages", asked).json()["results"]
    assert [one["reason"] for one in results] == ["unknown_contact", "unknown_device"]
    sent = Caller(new_client(other)).post("messages", body("OLGA")).json()["id"]
    assert_problem(crm.get(f"messages/{sent}"), 404, "not_found")
    assert_problem(crm.post(f"messages/{sent}/cancel", {}), 404, "not_found")
    everything = Caller(new_client(site, "messages:read_all"))
    assert_problem(everything.get(f"messages/{sent}"), 404, "not_found")


def test_a_client_sees_its_own_messages_and_read_all_sees_all(crm: Caller, site: Site) -> None:
    sent = crm.post("messages", body("NOBODY")).json()["id"]
    assert crm.get(f"messages/{sent}").status_code == 200
    assert_problem(Caller(new_client(site)).get(f"messages/{sent}"), 404, "not_found")
    assert Caller(new_client(site, "messages:read_all")).get(f"messages/{sent}").status_code == 200


@pytest.mark.parametrize("id", ["msg_x", "dev_aaaaaaaaaaaaaaaaaaaaaaaaaa", "1", "msg_" + "a" * 26, "%00", "é"])
def test_an_id_that_is_none_is_404(crm: Caller, id: str) -> None:
    assert_problem(crm.get(f"messages/{id}"), 404, "not_found")


def test_a_messages_status_and_figures(crm: Caller, anna: Device) -> None:
    sent = crm.post("messages", body("ANNA", "NOBODY", correlation_id="deal-42")).json()["id"]
    got = crm.get(f"messages/{sent}").json()
    assert got["status"] == "queued"
    assert got["correlation_id"] == "deal-42"
    assert got["purpose"] == "order_updates"
    assert got["created_at"].endswith("Z")
    assert (got["statistics"]["targeted"], got["statistics"]["remaining"]) == (1, 1)
    message = Message.objects.get()
    accepted(message, anna)
    with connection.cursor() as cursor:
        counter = counting.Counter(message.pk, None, message.site_id, 0)
        counting.add(cursor, counter, timezone.now(), {"accepted": 1}, {})
    got = crm.get(f"messages/{sent}").json()
    assert got["status"] == "sending"
    assert (got["statistics"]["accepted"], got["statistics"]["remaining"]) == (1, 0)
    assert got["people"] == {"targeted": 1, "reached": 1, "shown": 0, "clicked": 0}
    assert got["failures"] == {}


def test_cancelling_stops_what_was_not_sent_and_says_how_many_had_gone(crm: Caller, anna: Device) -> None:
    sent = crm.post("messages", body()).json()["id"]
    answer = crm.post(f"messages/{sent}/cancel", {})
    assert answer.json() == {"id": sent, "status": "cancelled", "already_sent": 0}
    assert crm.get(f"messages/{sent}").json()["statistics"]["cancelled"] == 1
    assert_problem(crm.post(f"messages/{sent}/cancel", {}), 409, "not_cancellable")


def test_a_warning_does_not_refuse(crm: Caller, anna: Device) -> None:
    answer = crm.post("messages", body(content={"title": "Hello {{ name }}"}))
    assert answer.status_code == 202
    assert [one["pointer"] for one in answer.json()["warnings"]] == ["/content/title"]


# --- Idempotency-Key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "idempotency_key_required"), ("x" * 256, "invalid_idempotency_key"), ("é", "invalid_idempotency_key")],
)
def test_a_key_is_needed_and_has_at_most_255_characters(crm: Caller, key: str, code: str) -> None:
    assert_problem(crm.post("messages", body(), Idempotency_Key=key), 400, code)
    assert nothing_written()


def test_the_same_key_and_body_give_the_stored_answer(crm: Caller, anna: Device) -> None:
    first = crm.post("messages", body(), Idempotency_Key="k")
    asked = dict(reversed(body().items()))  # the order of members means nothing
    second = crm.post("messages", json.dumps(asked, indent=4).encode(), Idempotency_Key="k")
    assert second.status_code == 202
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert Message.objects.count() == 1


def test_a_replay_is_not_judged_by_the_clock_again(crm: Caller, site: Site) -> None:
    asked, said = body(send_at="2020-01-01T00:00:00Z"), {"id": "msg_of_2019"}
    once(site.pk, "k", "POST /messages", asked, timezone.now(), lambda: Answer(202, said))
    assert crm.post("messages", asked, Idempotency_Key="k").json() == said


def test_the_same_key_with_another_body_is_refused(crm: Caller, anna: Device) -> None:
    crm.post("messages", body(), Idempotency_Key="k")
    assert_problem(crm.post("messages", body(ttl=5), Idempotency_Key="k"), 422, "idempotency_key_reused")
    assert Message.objects.count() == 1


def test_a_refused_request_may_be_mended_and_sent_again_under_its_key(crm: Caller, anna: Device) -> None:
    assert_problem(crm.post("messages", body(ttl=-5), Idempotency_Key="k"), 422, "invalid_request", "/ttl")
    assert crm.post("messages", body(ttl=5), Idempotency_Key="k").status_code == 202


def test_keys_belong_to_a_site_and_are_forgotten_after_thirty_days(crm: Caller, anna: Device) -> None:
    crm.post("messages", body(), Idempotency_Key="k")
    other = Caller(new_client(new_site("Other")))
    assert "Idempotent-Replayed" not in other.post("messages", body(), Idempotency_Key="k").headers
    Idempotency.objects.update(created_at=timezone.now() - timedelta(days=30, seconds=1))
    assert "Idempotent-Replayed" not in crm.post("messages", body(ttl=5), Idempotency_Key="k").headers
    assert Message.objects.count() == 3
