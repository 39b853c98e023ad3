"""The log of the API's calls, as operators see it: what it holds, and what it never does."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import DatabaseError, connection
from django.urls import reverse
from django.utils import timezone

from campaigns.tasks import forget_old_answers
from pushplatform.api import request_log
from pushplatform.api.models import Idempotency, RequestLine
from pushplatform.api.request_log import RequestLog
from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import Site
from tests.admin.house import House
from tests.campaigns.shop import new_client, new_site
from tests.localpush.conftest import eventually
from tests.parts.stack import Stack


@pytest.fixture(scope="module")
def stack(begin_module_stack: Callable[..., Stack]) -> Stack:
    return begin_module_stack(web=True)


@pytest.fixture
def site(stack: Stack) -> Site:
    return new_site()


def line(**values: Any) -> RequestLine:
    given = {"at": timezone.now(), "request_id": "r", "method": "GET", "route": "/api/v1/", "status": 200, "ms": 1}
    return RequestLine(**{**given, **values})


def test_each_call_leaves_a_line_without_a_word_of_anybody(stack: Stack, site: Site) -> None:
    key, secret = make_key(new_client(site))
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": "MARKER-key", "X-Request-Id": "request-1"}
    body = {
        "recipients": [{"external_id": f"MARKER-{n}", "params": {"name": "MARKER"}} for n in range(12)],
        "purpose": "order_updates",
        "content": {"title": "MARKER"},
    }
    api = f"{stack.web_url}/api/v1"
    requests.post(f"{api}/messages", headers=headers, json=body, timeout=30)
    requests.get(f"{api}/messages/msg_MARKER?correlation_id=MARKER", headers=headers, timeout=30)
    requests.get(f"{api}/MARKER", headers=headers, timeout=30)
    requests.get(f"{api}/messages", headers={"Authorization": "Bearer MARKER"}, timeout=30)

    def written() -> list[Any]:
        lines = RequestLine.objects.order_by("at", "id")
        found = list(lines.values_list("method", "route", "status", "items", "key_prefix", "site_id", "client_id"))
        return found if len(found) >= 4 else []

    known = (key.prefix, site.pk, key.client_id)
    assert eventually(written) == [
        ("POST", "/api/v1/messages", 202, 12, *known),
        ("GET", "/api/v1/messages/{id}", 404, 0, *known),
        ("GET", "", 404, 0, "", None, None),
        ("GET", "/api/v1/messages", 401, 0, "", None, None),
    ]
    first = RequestLine.objects.earliest("at", "id")
    assert first.request_id == "request-1"
    assert 0 < first.ms < 30_000
    with connection.cursor() as cursor:
        cursor.execute("select string_agg(r::text, ' ') from request_line r")
        assert "MARKER" not in cursor.fetchone()[0]


def test_a_database_that_is_away_delays_lines_and_a_full_log_drops_them(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    written: list[RequestLine] = []
    away = [DatabaseError(), DatabaseError()]

    def write(lines: Sequence[RequestLine]) -> None:
        if away:
            raise away.pop()
        written.extend(lines)

    log = RequestLog(write)
    lines = [line(ms=number) for number in range(request_log.MOST_WAITING + 7)]
    for one in lines[:3]:
        log.note(one)
    log._flush()
    assert not written
    for one in lines[3:]:
        log.note(one)
    log._flush()
    assert "7 lines of the request log were dropped" in caplog.text
    log._flush()
    assert written == lines[: request_log.MOST_WAITING]


def test_what_waits_is_written_at_the_end() -> None:
    written: list[RequestLine] = []
    log = RequestLog(written.extend)
    log.start()
    lines = [line(ms=number) for number in range(2500)]
    for one in lines:
        log.note(one)
    log.stop(10)
    assert written == lines


@pytest.mark.django_db
def test_old_lines_and_old_answers_are_forgotten_each_night(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REQUEST_LOG_DAYS = 7
    monkeypatch.setattr(request_log, "DELETED_AT_ONCE", 2)
    site, now = new_site(), timezone.now()
    RequestLine.objects.bulk_create([line(at=now - timedelta(days=days), ms=days) for days in (1, 6, 8, 9, 10, 11, 12)])
    for days in (29, 31):
        made = Idempotency.objects.create(site=site, key=f"{days}", body_hash=b"", status=202, answer={})
        Idempotency.objects.filter(pk=made.pk).update(created_at=now - timedelta(days=days))
    forget_old_answers()
    ours = RequestLine.objects.filter(request_id="r")
    assert sorted(ours.values_list("ms", flat=True)) == [1, 6]
    assert list(Idempotency.objects.filter(site=site).values_list("key", flat=True)) == ["29"]


@pytest.mark.django_db
def test_the_page_lists_a_sites_calls_and_narrows_them() -> None:
    ours, theirs = House("ours"), House("theirs")
    RequestLine.objects.create(
        at=timezone.now() - timedelta(days=3), request_id="ours-old", site_id=ours.site.pk, method="GET",
        route="/api/v1/messages/{id}", status=429, ms=3, key_prefix="other",
    )  # fmt: skip
    RequestLine.objects.create(at=timezone.now(), request_id="of-nobody", method="GET", status=401, ms=3)
    page = reverse("admin:api_requestline_changelist")
    browser = ours.browser("administrator")

    def shown(query: str = "") -> set[str]:
        text = browser.get(f"{page}{query}").content.decode()
        return {name for name in ("ours-request", "ours-old", "theirs-request", "of-nobody") if name in text}

    assert shown() == {"ours-request", "ours-old"}
    for query, wanted in (
        ("?answered=2", {"ours-request"}), ("?answered=4", {"ours-old"}), ("?answered=429", {"ours-old"}),
        ("?answered=5", set()), ("?within=24", {"ours-request"}), ("?within=168", {"ours-request", "ours-old"}),
        ("?of=%2Fapi%2Fv1%2Fmessages%2F%7Bid%7D", {"ours-old"}), (f"?by={ours.api_key.prefix}", {"ours-request"}),
        ("?q=ours-old", {"ours-old"}), ("?answered=nonsense&within=nonsense", set()),
    ):  # fmt: skip
        assert shown(query) == wanted, query
    assert theirs.browser("analyst").get(page).status_code == 403
    superuser = ours.browser("superuser")
    superuser.get(f"{page}?_site={ours.site.pk}")
    assert "of-nobody" in superuser.get(page).content.decode()


def test_a_route_is_a_pattern() -> None:
    route = request_log.route_of("api/v1/contacts/<str:external_id>/consents")
    assert route == "/api/v1/contacts/{external_id}/consents"
    assert request_log.route_of("api/v1/<id>") == "/api/v1/{id}"
