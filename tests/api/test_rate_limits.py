"""How much a key may ask for, and what every answer says of it."""

from datetime import timedelta
from itertools import count
from time import monotonic
from typing import Any

import pytest
import redis
from django.utils import timezone

from pushplatform.api import rate_limits
from pushplatform.api.authentication import Caller as Known
from pushplatform.api.models import RateBucket
from pushplatform.sites.models import ApiKey
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_site

pytestmark = pytest.mark.django_db
_numbers = count(1)


@pytest.fixture
def crm() -> Caller:
    return Caller(new_client(new_site()))


@pytest.fixture(params=["PostgreSQL", "Redis"])
def bucket(request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the buckets are kept. A Redis that is slow on a busy machine is waited for."""
    monkeypatch.setattr(rate_limits, "REDIS_SECONDS", 60.0)
    settings.RATE_LIMIT_URL = request.getfixturevalue("redis_url") if request.param == "Redis" else ""
    return request.param


def limit(crm: Caller, per_minute: int) -> None:
    ApiKey.objects.filter(pk=crm.key.pk).update(per_minute=per_minute)


def known(per_minute: int) -> Known:
    """A caller with a bucket that nobody has used."""
    number = next(_numbers)
    client = new_client(new_site())
    return Known(client, client.site, frozenset(), 10**9 + number, f"test-{timezone.now():%f}-{number}", per_minute)


def left(answer: Any) -> int:
    return int(answer.headers["RateLimit-Remaining"])


def message_to(count: int) -> dict[str, Any]:
    recipients = [{"external_id": f"CRM-{n}"} for n in range(count)]
    return {"recipients": recipients, "purpose": "order_updates", "content": {"title": "Hello"}}


def test_every_answer_says_what_is_left_and_too_much_is_429(bucket: str, crm: Caller) -> None:
    limit(crm, 3)
    said = [crm.get(path) for path in ("", "messages/msg_x", "messages?limit=x")]
    assert [answer.status_code for answer in said] == [200, 404, 422]
    assert [left(answer) for answer in said] == [2, 1, 0]
    assert {answer.headers["RateLimit-Limit"] for answer in said} == {"3"}
    assert 1 <= int(said[2].headers["RateLimit-Reset"]) <= 60
    refused = crm.get("")
    problem = assert_problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert "costs 1 of the key's 3 units a minute; 0 are left" in problem["detail"]
    assert left(refused) == 0


def test_a_call_without_the_scope_counts_and_says_so_too(crm: Caller) -> None:
    reader = Caller(new_client(crm.client.site, "messages:read"))
    limit(reader, 5)
    answer = reader.post("messages", message_to(30))
    assert_problem(answer, 403, "missing_scope")
    assert left(answer) == 4


def test_a_body_that_cannot_be_read_counts_as_a_call(crm: Caller) -> None:
    limit(crm, 5)
    assert left(crm.post("messages", b"{")) == 4
    assert left(crm.post("messages", b"x", Content_Type="text/plain")) == 3


def test_an_answer_in_a_form_that_we_do_not_have_counts_as_a_call(crm: Caller) -> None:
    limit(crm, 5)
    answer = crm.post("messages", message_to(30), Accept="text/xml")
    assert_problem(answer, 406, "not_acceptable")
    assert left(answer) == 4
    assert_problem(crm.get("", Accept="text/xml", Authorization=""), 401, "not_authenticated")


def test_recipients_weigh(crm: Caller) -> None:
    limit(crm, 14)
    begun = monotonic()
    for path, recipients, wanted in (("messages", 9, 13), ("messages", 100, 13 - 11), ("messages/validate", 10, 0)):
        found = left(crm.post(path, message_to(recipients)))
        assert wanted <= found <= wanted + 14 / 60 * (monotonic() - begun)  # it fills up meanwhile
    refused = assert_problem(crm.post("messages", message_to(20)), 429, "rate_limited")
    assert "costs 3 of the key's 14 units a minute" in refused["detail"]


def test_a_call_larger_than_the_limit_needs_a_full_bucket(bucket: str, crm: Caller) -> None:
    limit(crm, 5)
    assert crm.post("messages", message_to(100)).status_code == 202
    assert_problem(crm.post("messages", message_to(100)), 429, "rate_limited")


def test_each_key_has_its_own_bucket_and_without_a_limit_that_of_the_settings(crm: Caller, settings: Any) -> None:
    settings.API_UNITS_PER_MINUTE = 7
    other = Caller(crm.client)
    limit(crm, 1)
    assert [left(crm.get("")), left(other.get(""))] == [0, 6]
    assert crm.get("").status_code == 429
    assert other.get("").status_code == 200


def test_nobody_without_a_key_has_a_limit(crm: Caller) -> None:
    answer = crm.get("", Authorization="")
    assert answer.status_code == 401
    assert "RateLimit-Limit" not in answer.headers


def test_a_bucket_fills_up_evenly_and_not_beyond_its_limit(crm: Caller) -> None:
    caller = known(60)
    assert rate_limits.take(caller, 60).left == 0
    for seconds, filled in ((10, 10), (1000, 60)):
        begun = timezone.now()
        RateBucket.objects.update(left_over=0, at=begun - timedelta(seconds=seconds))
        found = rate_limits.take(caller, 1).left + 1
        assert filled <= found <= min(filled + (timezone.now() - begun).total_seconds(), 60)
    RateBucket.objects.update(left_over=30, at=timezone.now() + timedelta(hours=1))  # the clock was set back
    assert rate_limits.take(caller, 1).left == 29


def test_a_redis_that_is_away_is_no_error_and_left_alone_for_a_while(
    crm: Caller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMIT_URL = "redis://127.0.0.1:1/0"
    rate_limits._redis.cache_clear()
    monkeypatch.setattr(rate_limits, "REDIS_PAUSE", 600.0)  # on a busy machine three calls may take longer than usual
    asked = []
    monkeypatch.setattr(redis.Connection, "connect", lambda self: asked.append(self) or _refuse())
    limit(crm, 5)
    assert [left(crm.get("")) for _ in range(3)] == [4, 3, 2]
    assert len(asked) == 1


def _refuse() -> None:
    raise redis.ConnectionError("refused")
