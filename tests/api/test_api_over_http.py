"""The web process itself, over real HTTP: what a test client in one thread cannot show."""

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import pytest
import requests
from django.db import transaction
from django.utils import timezone

from campaigns.models import Batch, Message, MessageTotal, Receipt
from campaigns.receipt_tokens import Tokens
from pushplatform.api.models import Idempotency
from pushplatform.api.parsing import MAX_BODY
from pushplatform.sites import public_ids
from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import Site
from subscribers.models import DeviceStats
from tests.campaigns.shop import grant, new_campaign, new_client, new_device, new_message, new_person, new_site
from tests.parts.stack import Stack


@pytest.fixture(scope="module")
def stack(begin_module_stack: Callable[..., Stack]) -> Stack:
    return begin_module_stack(web=True)


@pytest.fixture
def site(stack: Stack) -> Site:
    return new_site()


@pytest.fixture
def headers(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_key(new_client(site)).text}", "Content-Type": "application/json"}


def message_to(*external_ids: str) -> dict[str, Any]:
    recipients = [{"external_id": external_id} for external_id in external_ids]
    return {"recipients": recipients, "purpose": "order_updates", "content": {"title": "Hello"}}


def test_fifty_identical_calls_at_once_make_one_message(stack: Stack, site: Site, headers: dict[str, str]) -> None:
    new_person(site, "ANNA", "order_updates")
    body = json.dumps(message_to("ANNA"))

    def call(_: int) -> requests.Response:
        given = headers | {"Idempotency-Key": "the-same"}
        return requests.post(f"{stack.web_url}/api/v1/messages", data=body, headers=given, timeout=120)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(call, range(50)))
    first = [answer for answer in answers if answer.status_code == 202 and "Idempotent-Replayed" not in answer.headers]
    replays = [answer for answer in answers if answer.headers.get("Idempotent-Replayed") == "true"]
    meanwhile = [answer for answer in answers if answer.status_code == 409]
    assert (len(first), len(replays) + len(meanwhile)) == (1, 49)
    assert {answer.json()["id"] for answer in replays} <= {first[0].json()["id"]}
    assert {answer.json()["code"] for answer in meanwhile} <= {"idempotency_in_progress"}
    assert Message.objects.filter(site=site).count() == 1
    assert Batch.objects.filter(message__site=site).count() == 1
    assert Idempotency.objects.filter(site=site).count() == 1
    assert call(0).json() == first[0].json()


def test_parallel_calls_with_keys_of_their_own_all_come_through(
    stack: Stack, site: Site, headers: dict[str, str]
) -> None:
    for number in range(5):
        new_person(site, f"CRM-{number}", "order_updates", devices=2)
    body = json.dumps(message_to(*(f"CRM-{number}" for number in range(5))))

    def call(number: int) -> requests.Response:
        given = headers | {"Idempotency-Key": f"act-{number}"}
        return requests.post(f"{stack.web_url}/api/v1/messages", data=body, headers=given, timeout=120)

    with ThreadPoolExecutor(10) as threads:
        assert {answer.json()["devices_queued"] for answer in threads.map(call, range(40))} == {10}
    assert Message.objects.filter(site=site).count() == 40


def test_calls_at_once_never_use_more_than_their_key_has(stack: Stack, site: Site) -> None:
    secret = make_key(new_client(site), per_minute=20).text
    begun = monotonic()

    def call(_: int) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return requests.get(f"{stack.web_url}/api/v1/", headers=headers, timeout=120).status_code

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(call, range(60)))
    assert set(answers) == {200, 429}
    assert 20 <= answers.count(200) <= 21 + (monotonic() - begun) / 3  # it fills up meanwhile


def test_a_chunked_body_is_a_body_like_any_other(stack: Stack, headers: dict[str, str]) -> None:
    pieces = [piece.encode() for piece in json.dumps(message_to("NOBODY")).split(" ")]
    given = headers | {"Idempotency-Key": "chunked"}
    answer = requests.post(
        f"{stack.web_url}/api/v1/messages", data=(piece + b" " for piece in pieces), headers=given, timeout=120
    )
    assert answer.status_code == 202


def test_a_body_that_says_it_is_huge_is_refused_before_it_is_sent(stack: Stack, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("localhost", stack.web_port, timeout=120)
    connection.request("POST", "/api/v1/messages", headers=headers | {"Content-Length": str(10**12)})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
    connection.close()


def test_whoever_sends_all_of_a_large_body_before_it_reads_gets_the_answer(
    stack: Stack, headers: dict[str, str]
) -> None:
    large = b" " * 12 * MAX_BODY  # more than the buffers between the two hold
    connection = http.client.HTTPConnection("localhost", stack.web_port, timeout=120)
    connection.request("POST", "/api/v1/messages", large, headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
    connection.close()
    chunked = requests.post(
        f"{stack.web_url}/api/v1/messages", data=(b" " * MAX_BODY for _ in range(12)), headers=headers, timeout=120
    )
    assert (chunked.status_code, chunked.json()["code"]) == (413, "body_too_large")


def test_receipts_of_many_browsers_at_once_are_each_counted_once(stack: Stack, site: Site) -> None:
    campaign = new_campaign(site)
    messages = [new_message(site, campaign) for _ in range(3)]
    devices = [new_device(site) for _ in range(40)]
    for device in devices:
        grant(device, "measurement")
    tokens = Tokens(bytes(site.receipt_secret), site.pk)
    reports = [
        {"token": tokens.receipt(message.pk, device.pk), "kind": kind, "at": timezone.now().isoformat()}
        for message in messages
        for device in devices
        for kind in ("received", "shown", "clicked")
    ]
    bodies = [reports[start : start + 7] for start in range(0, len(reports), 7)]

    def post(body: list[dict[str, str]]) -> int:
        return requests.post(
            f"{stack.web_url}/push/v1/receipts",
            data=json.dumps(body),
            timeout=120,
            headers={"Content-Type": "text/plain"},
        ).status_code

    with ThreadPoolExecutor(16) as threads:  # each twice, in different orders at the same time
        assert set(threads.map(post, [*bodies, *reversed(bodies)])) == {204}
    for message in messages:
        total = [(one.received, one.shown, one.clicked) for one in MessageTotal.objects.filter(message_id=message.pk)]
        assert [sum(column) for column in zip(*total, strict=True)] == [40, 40, 40]
        assert Receipt.objects.filter(message_id=message.pk).count() == 120
    clicked = DeviceStats.objects.filter(device_id__in=[device.pk for device in devices])
    assert set(clicked.values_list("received", "clicked")) == {(3, 3)}


def test_a_message_that_was_being_written_while_others_were_read_is_found_by_asking_a_minute_back(
    stack: Stack, site: Site
) -> None:
    client = new_client(site)
    headers = {"Authorization": f"Bearer {make_key(client).text}"}

    def read(**query: str) -> list[dict[str, Any]]:
        address = f"{stack.web_url}/api/v1/messages"
        data: list[dict[str, Any]] = requests.get(address, query, headers=headers, timeout=120).json()["data"]
        return data

    with transaction.atomic():
        late = new_message(site, client=client)
        given = headers | {"Content-Type": "application/json", "Idempotency-Key": "meanwhile"}
        body = json.dumps(message_to("NOBODY"))
        assert requests.post(f"{stack.web_url}/api/v1/messages", body, headers=given, timeout=120).status_code == 202
        (newest,) = read()
    late_id = public_ids.encode("msg", late.pk)
    assert late_id not in [one["id"] for one in read(updated_since=newest["updated_at"])]
    a_minute_back = datetime.fromisoformat(newest["updated_at"]) - timedelta(minutes=1)
    assert [one["id"] for one in read(updated_since=a_minute_back.isoformat())] == [late_id, newest["id"]]


def test_problems_lead_to_a_page_of_this_server(stack: Stack, headers: dict[str, str]) -> None:
    problem = requests.get(f"{stack.web_url}/api/v1/nothing", headers=headers, timeout=120).json()
    assert problem["type"].startswith(stack.web_url)
    assert requests.get(problem["type"], timeout=120).status_code == 200
