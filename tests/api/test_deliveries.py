"""GET /messages and GET /messages/{id}/deliveries as a CRM sees them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns import control, deliveries
from campaigns.models import Message, MessageTotal, Retry
from campaigns.receipt_tokens import Tokens
from campaigns.receipts import Report, record_reports
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site
from pushplatform.webpush.outcome import REASONS, Outcome
from subscribers.models import Device
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import accepted, new_campaign, new_client, new_message, new_person, new_site

pytestmark = pytest.mark.django_db
NAMES = ("ANNA", "BEN", "CARL", "DORA", "EMIL")


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


@pytest.fixture
def devices(site: Site) -> list[Device]:
    """One of each of NAMES, in the order of ids; all agreed to be measured."""
    return [new_person(site, name, "order_updates", "measurement")[0] for name in NAMES]


def send(crm: Caller, *names: str, **members: Any) -> Message:
    recipients = [{"external_id": name} for name in names or NAMES]
    asked = {"recipients": recipients, "purpose": "order_updates", "content": {"title": "Hello"}, **members}
    return Message.objects.get(pk=public_ids.decode("msg", crm.post("messages", asked).json()["id"]))


def id_of(message: Message) -> str:
    return public_ids.encode("msg", message.pk)


def listed(crm: Caller, message: Message, query: str = "") -> list[dict[str, Any]]:
    return list(crm.get(f"messages/{id_of(message)}/deliveries{query}").json()["data"])


def report(message: Message, device: Device, *kinds: str, at: datetime) -> None:
    token = Tokens(bytes(message.site.receipt_secret), message.site_id).receipt(message.pk, device.pk)
    record_reports([Report(token, kind, at=at) for kind in kinds], at)


def at(message: Message, seconds: int) -> datetime:
    return message.created_at.replace(microsecond=0) + timedelta(seconds=seconds)


def shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_each_device_has_its_line_with_the_time_of_every_step(crm: Caller, devices: list[Device]) -> None:
    message = send(crm, "ANNA", "BEN")
    first, second = devices[:2]
    accepted(message, first, at(message, 1))
    report(message, first, "received", "shown", at=at(message, 2))
    report(message, first, "clicked", at=at(message, 3))
    assert listed(crm, message) == [
        {
            "device_id": public_ids.encode("dev", first.pk),
            "external_id": "ANNA",
            "status": "clicked",
            "outcome": "accepted",
            "reason": None,
            "attempts": 1,
            "push_service": "local",
            "outcome_at": shown(at(message, 1)),
            "accepted_at": shown(at(message, 1)),
            "received_at": shown(at(message, 2)),
            "shown_at": shown(at(message, 2)),
            "clicked_at": shown(at(message, 3)),
            "closed_at": None,
            "implied": [],
            "action": None,
            "receipts": "device",
            "expired_unseen": False,
        },
        {
            "device_id": public_ids.encode("dev", second.pk),
            "external_id": "BEN",
            "status": "queued",
            "outcome": None,
            "reason": None,
            "attempts": 0,
            "push_service": "local",
            **dict.fromkeys(
                ("outcome_at", "accepted_at", "received_at", "shown_at", "clicked_at", "closed_at", "action"), None
            ),
            "implied": [],
            "receipts": None,
            "expired_unseen": False,
        },
    ]


def test_missing_steps_are_filled_and_marked(crm: Caller, devices: list[Device]) -> None:
    message = send(crm, "ANNA")
    report(message, devices[0], "clicked", at=at(message, 5))  # before its outcome was recorded
    (line,) = listed(crm, message)
    assert (line["status"], line["outcome"]) == ("clicked", None)
    assert line["implied"] == ["accepted", "received", "shown"]
    assert {line[f"{step}_at"] for step in ("accepted", "received", "shown", "clicked")} == {shown(at(message, 5))}
    accepted(message, devices[0], at(message, 1))
    report(message, devices[0], "shown", at=at(message, 4))
    (line,) = listed(crm, message)
    assert (line["status"], line["implied"]) == ("clicked", ["received"])
    assert (line["accepted_at"], line["shown_at"]) == (shown(at(message, 1)), shown(at(message, 4)))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_order_of_reports_each_counts_once_and_nothing_steps_back(
    crm: Caller, devices: list[Device], seed: int
) -> None:
    chance = random.Random(seed)
    message = send(crm, "ANNA")
    kinds = chance.sample(("received", "shown", "closed", "clicked"), chance.randrange(1, 5))
    told = [(kind, 10 + number) for number, kind in enumerate(kinds)] * 2
    chance.shuffle(told)
    rank = ("queued", "accepted", "received", "shown", "closed", "clicked")
    outcome_at = chance.randrange(len(told) + 1)
    seen = ["queued"]
    for number, (kind, seconds) in enumerate(told):
        if number == outcome_at:
            accepted(message, devices[0], at(message, 1))
        report(message, devices[0], kind, at=at(message, seconds))
        seen.append(listed(crm, message)[0]["status"])
    assert [rank.index(status) for status in seen] == sorted(rank.index(status) for status in seen)
    assert seen[-1] == max(kinds, key=rank.index)
    (total,) = MessageTotal.objects.filter(message_id=message.pk).values("received", "shown", "closed", "clicked")
    implied = {"received"} | ({"shown"} if set(kinds) - {"received"} else set())
    assert {kind for kind, number in total.items() if number == 1} == {*kinds, *implied}
    assert set(total.values()) <= {0, 1}


def test_ends_and_their_reasons(crm: Caller, devices: list[Device]) -> None:
    message = send(crm)
    ends = (
        (Outcome.FAILED, "gave_up"), (Outcome.GONE, "device_gone"), (Outcome.SKIPPED, "link_changed"),
        (Outcome.EXPIRED, "expired"),
    )  # fmt: skip
    for device, (outcome, reason) in zip(devices, ends, strict=False):
        accepted(message, device, status=int(outcome), reason=REASONS[reason].number, attempts=3)
    lines = listed(crm, message)
    assert [(line["status"], line["reason"]) for line in lines[:4]] == [(o.name.lower(), r) for o, r in ends]
    assert {line["attempts"] for line in lines[:4]} == {3}
    assert {line["accepted_at"] for line in lines} == {None}
    report(message, devices[0], "shown", at=at(message, 9))  # a lost answer, and a browser that got it
    assert [listed(crm, message)[0][name] for name in ("status", "outcome")] == ["shown", "failed"]


def test_what_waits_for_another_attempt_is_queued_and_says_how_many_there_were(
    crm: Caller, devices: list[Device]
) -> None:
    message = send(crm, "ANNA")
    Retry.objects.create(
        message_id=message.pk, device_id=devices[0].pk, contact_id=0, lane=1, service=6, vapid_key_id=1, attempt=2,
        not_before=timezone.now(), expires_at=message.expires_at,
    )  # fmt: skip
    (line,) = listed(crm, message)
    assert (line["status"], line["attempts"]) == ("queued", 2)


def test_a_cancelled_messages_devices_are_cancelled_unless_they_had_gone(crm: Caller, devices: list[Device]) -> None:
    message = send(crm, "ANNA", "BEN")
    accepted(message, devices[0])
    control.cancel(message.pk, timezone.now())
    Message.objects.filter(pk=message.pk).update(finished_at=timezone.now())
    assert [line["status"] for line in listed(crm, message)] == ["accepted", "cancelled"]


def test_expired_unseen_is_derived_when_the_time_is_over(crm: Caller, devices: list[Device]) -> None:
    message = send(crm, "ANNA", "BEN", "CARL")
    accepted(message, devices[0])
    accepted(message, devices[1])
    accepted(message, devices[2], measured=False)
    report(message, devices[1], "received", at=at(message, 1))
    assert [line["expired_unseen"] for line in listed(crm, message)] == [False, False, False]
    Message.objects.filter(pk=message.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    lines = listed(crm, message)
    assert [line["expired_unseen"] for line in lines] == [True, False, None]
    assert [line["receipts"] for line in lines] == ["device", "device", "aggregate"]
    assert [line["external_id"] for line in listed(crm, message, "?status=expired_unseen")] == ["ANNA"]
    MessageTotal.objects.filter(message_id=message.pk).update(accepted=3, received=1)
    assert crm.get(f"messages/{id_of(message)}").json()["statistics"]["expired_unseen"] == 2


@pytest.mark.parametrize(
    ("stretch", "most", "batches", "size"),
    [(2_000, 20_000, 16, 1000), (2_000, 20_000, 1, 2), (2, 20_000, 2, 1), (2, 2, 1, 1), (1, 1, 1, 2)],
)
def test_pages_and_filters_leave_nobody_out(
    crm: Caller, devices: list[Device], monkeypatch: pytest.MonkeyPatch, settings: Any,
    stretch: int, most: int, batches: int, size: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(deliveries, "STRETCH", stretch)
    monkeypatch.setattr(deliveries, "MOST_READ", most)
    monkeypatch.setattr(deliveries, "BATCHES", batches)
    settings.PUSH_BATCH_SIZE = size
    for device in devices[1:4]:  # batches of two services overlap
        Device.objects.filter(pk=device.pk).update(service=1)
    message = send(crm)
    for device in (devices[1], devices[3], devices[4]):
        accepted(message, device)
    for limit in (1, 2, 3, 5, 500):
        assert names_of_pages(crm, message, f"limit={limit}") == list(NAMES)
        assert names_of_pages(crm, message, f"limit={limit}&status=accepted") == ["BEN", "DORA", "EMIL"]
        assert names_of_pages(crm, message, f"limit={limit}&status=queued") == ["ANNA", "CARL"]
        assert names_of_pages(crm, message, f"limit={limit}&external_id=DORA") == ["DORA"]
    assert names_of_pages(crm, message, "external_id=DORA&status=queued") == []
    assert names_of_pages(crm, message, "external_id=NOBODY") == []


def names_of_pages(crm: Caller, message: Message, query: str) -> Sequence[str]:
    found, cursor = [], ""
    for _ in range(20):
        page = crm.get(f"messages/{id_of(message)}/deliveries?{query}{cursor}").json()
        found += [line["external_id"] for line in page["data"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("there is no end")


def test_two_devices_of_a_person_are_two_lines(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "order_updates", devices=2)
    assert [line["external_id"] for line in listed(crm, send(crm, "ANNA"), "?external_id=ANNA")] == ["ANNA", "ANNA"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=delivered", "/status"), ("limit=0", "/limit"), ("limit=501", "/limit"), ("limit=x", "/limit"),
        ("cursor=x", "/cursor"), ("cursor=msg_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/cursor"), ("colour=red", "/colour"),
        ("status=queued&status=gone", "/status"), ("updated_since=2026-01-01T00:00:00Z", "/updated_since"),
        ("external_id=%00", "/external_id"), ("external_id=" + "x" * 256, "/external_id"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(crm: Caller, query: str, pointer: str) -> None:
    message = send(crm, "NOBODY")
    assert_problem(crm.get(f"messages/{id_of(message)}/deliveries?{query}"), 422, "invalid_request", pointer)


def test_only_those_who_may_read_the_message_see_its_deliveries(crm: Caller, site: Site) -> None:
    message = send(crm, "NOBODY")
    path = f"messages/{id_of(message)}/deliveries"
    assert crm.get(path).json() == {"data": [], "next_cursor": None}
    assert_problem(Caller(new_client(site)).get(path), 404, "not_found")
    assert_problem(Caller(new_client(site, "messages:send")).get(path), 403, "missing_scope")
    assert Caller(new_client(site, "messages:read_all")).get(path).status_code == 200
    assert_problem(Caller(new_client(new_site("Other"), "messages:read_all")).get(path), 404, "not_found")


# --- GET /messages


def ids(crm: Caller, query: str = "") -> list[str]:
    return [one["id"] for one in crm.get(f"messages?{query}").json()["data"]]


def test_messages_are_listed_by_their_last_change_and_narrowed(crm: Caller, site: Site) -> None:
    new_person(site, "ANNA", "order_updates")
    first, second = send(crm, "ANNA", correlation_id="deal-1"), send(crm, "ANNA", correlation_id="deal-2")
    assert ids(crm) == [id_of(first), id_of(second)]
    before = timezone.now()
    control.cancel(first.pk, timezone.now())
    assert ids(crm) == [id_of(second), id_of(first)]
    assert ids(crm, f"updated_since={before.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}") == [id_of(first)]
    assert ids(crm, "correlation_id=deal-2") == [id_of(second)]
    assert ids(crm, "correlation_id=deal-3") == []
    page = crm.get("messages?limit=1").json()
    assert [one["id"] for one in page["data"]] == [id_of(second)]
    assert ids(crm, f"limit=1&cursor={page['next_cursor']}") == [id_of(first)]
    shown_ = page["data"][0]
    assert (shown_["status"], shown_["statistics"]["targeted"], shown_["purpose"]) == ("queued", 1, "order_updates")


def test_a_list_shows_the_own_messages_and_with_read_all_every_one(crm: Caller, site: Site) -> None:
    campaign = new_campaign(site)
    own, launched, foreign = send(crm, "NOBODY"), new_message(site, campaign), new_message(new_site("Other"))
    everything = Caller(new_client(site, "messages:read_all"))
    assert ids(crm) == [id_of(own)]
    assert set(ids(everything)) == {id_of(own), id_of(launched)}
    assert id_of(foreign) not in ids(everything)
    assert ids(everything, f"campaign={public_ids.encode('cmp', campaign.pk)}") == [id_of(launched)]
    assert ids(everything, "campaign=cmp_x") == []
    assert_problem(Caller(new_client(site, "messages:send")).get("messages"), 403, "missing_scope")


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "updated_since=yesterday", "colour=red", "campaign="])
def test_a_wrong_parameter_of_the_list_is_named(crm: Caller, query: str) -> None:
    pointer = "/" + query.partition("=")[0]
    assert_problem(crm.get(f"messages?{query}"), 422, "invalid_request", pointer)
