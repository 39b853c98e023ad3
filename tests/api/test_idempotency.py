"""A retry is safe: whatever breaks between a request and its answer, the same call once more makes one message."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import requests
from django.db import connection
from django.utils import timezone

from campaigns.models import Batch, Message
from campaigns.tasks import forget_old_answers
from pushplatform.api import idempotency
from pushplatform.api.models import Idempotency
from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import Site
from tests.campaigns.shop import new_client, new_person, new_site
from tests.localpush.conftest import eventually
from tests.parts.stack import Stack


@pytest.fixture(scope="module")
def stack(begin_module_stack: Callable[..., Stack]) -> Stack:
    return begin_module_stack(web=True)


@pytest.fixture
def site(stack: Stack) -> Site:
    site = new_site()
    new_person(site, "ANNA", "order_updates")
    return site


class Call:
    """One call that is made again and again, under one key."""

    def __init__(self, stack: Stack, site: Site):
        self.stack, self.site = stack, site
        self.headers = {
            "Authorization": f"Bearer {make_key(new_client(site)).text}",
            "Idempotency-Key": "the-same",
            "Content-Type": "application/json",
        }
        recipients = [{"external_id": "ANNA"}]
        self.body = {"recipients": recipients, "purpose": "order_updates", "content": {"title": "Hello"}}

    def make(self, **members: Any) -> requests.Response:
        url = f"{self.stack.web_url}/api/v1/messages"
        return requests.post(url, headers=self.headers, data=json.dumps(self.body | members), timeout=120)

    def make_and_vanish(self) -> socket.socket:
        """Sends the request and never reads an answer."""
        body = json.dumps(self.body).encode()
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        head = ["POST /api/v1/messages HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines, "", ""]
        line = socket.create_connection(("127.0.0.1", self.stack.web_port), 60)
        line.sendall("\r\n".join(head).encode() + body)
        return line

    def written(self) -> tuple[int, int, int]:
        """Messages, batches and stored answers of the Site."""
        messages = Message.objects.filter(site=self.site).count()
        batches = Batch.objects.filter(message__site=self.site).count()
        return messages, batches, Idempotency.objects.filter(site=self.site).count()


@pytest.fixture
def call(stack: Stack, site: Site) -> Call:
    return Call(stack, site)


def test_an_answer_that_nobody_read_is_replayed(call: Call) -> None:
    line = call.make_and_vanish()
    eventually(lambda: call.written() == (1, 1, 1))
    line.close()
    again = call.make()
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["results"] == [{"external_id": "ANNA", "status": "queued", "devices": 1}]
    assert call.written() == (1, 1, 1)


def test_a_process_killed_after_the_commit_leaves_the_answer_to_be_replayed(stack: Stack, call: Call) -> None:
    line = call.make_and_vanish()
    eventually(lambda: call.written() == (1, 1, 1))
    stack.kill("web")
    line.close()
    stack.restart("web")
    again = call.make()
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert call.written() == (1, 1, 1)
    assert call.make(ttl=5).json()["code"] == "idempotency_key_reused"


def test_a_process_killed_before_the_commit_leaves_nothing_and_the_retry_does_it(
    stack: Stack, call: Call, module_database: str
) -> None:
    with psycopg.connect(module_database) as other:
        other.execute("lock table recipient in exclusive mode")
        line = call.make_and_vanish()
        eventually(_somebody_waits_for_recipients)
        meanwhile = call.make()
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_in_progress")
        assert int(meanwhile.headers["Retry-After"]) >= 1
        stack.kill("web")
        line.close()
        eventually(lambda: not _somebody_waits_for_recipients() or _end_the_orphan())
        other.rollback()
    assert call.written() == (0, 0, 0)
    stack.restart("web")
    first = call.make()
    assert first.status_code == 202
    assert "Idempotent-Replayed" not in first.headers
    assert call.written() == (1, 1, 1)


_WAITING = """from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like 'copy recipient%'"""


def _somebody_waits_for_recipients() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"select count(*) {_WAITING}")
        return bool(cursor.fetchone()[0])


def _end_the_orphan() -> bool:
    """PostgreSQL sees that its client has gone only when it next speaks to it; here it would speak after our lock."""
    with connection.cursor() as cursor:
        cursor.execute(f"select pg_terminate_backend(pid) {_WAITING}")
    return False


@pytest.mark.django_db
def test_answers_are_forgotten_after_thirty_days_and_not_before() -> None:
    site, now = new_site(), timezone.now()
    ages = {"young": idempotency.KEPT - timedelta(minutes=1), "old": idempotency.KEPT + timedelta(minutes=1)}
    for key, age in ages.items():
        made = Idempotency.objects.create(site=site, key=key, body_hash=b"", status=202, answer={})
        Idempotency.objects.filter(pk=made.pk).update(created_at=now - age)
    forget_old_answers()
    assert list(Idempotency.objects.filter(site=site).values_list("key", flat=True)) == ["young"]
