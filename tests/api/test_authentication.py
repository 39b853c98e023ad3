from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import ApiKey, Site
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


def test_a_key_opens_its_own_site(crm: Caller, site: Site) -> None:
    answer = crm.get("")
    assert answer.status_code == 200
    assert answer.json()["scopes"] == ["messages:read", "messages:send"]
    assert {"messages", "validate", "deliveries"} <= set(answer.json()["features"])
    limits = answer.json()["limits"]
    assert (limits["recipients"], limits["list_rows"], limits["items_per_unit"]) == (1000, 500, 10)
    assert limits["units_per_minute"] == int(answer.headers["RateLimit-Limit"])


def test_the_secret_is_stored_as_a_hash_only(crm: Caller) -> None:
    _, prefix, secret = crm.secret.split("_")
    stored = ApiKey.objects.filter(prefix=prefix).values().get()
    assert len(stored["secret_hash"]) == 32
    assert secret not in repr(stored)
    assert bytes.fromhex(secret) not in bytes(stored["secret_hash"])


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "not_authenticated"),
        ("Basic dXNlcjpwYXNz", "not_authenticated"),
        ("Bearer", "invalid_api_key"),
        ("Bearer one two", "invalid_api_key"),
        ("Bearer nonsense", "invalid_api_key"),
        ("Bearer pp_aaaaaaaa_0000", "invalid_api_key"),
        ("Bearer pp_\u00e9_\u00e9", "invalid_api_key"),
    ],
)
def test_without_a_key_that_is_known_it_is_401_and_says_how_to_ask(crm: Caller, authorization: str, code: str) -> None:
    answer = crm.get("", Authorization=authorization)
    assert_problem(answer, 401, code)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="api"')


def test_the_right_prefix_with_another_secret_is_not_a_key(crm: Caller, site: Site) -> None:
    other = make_key(new_client(site)).text.split("_")[2]
    forged = "_".join([*crm.secret.split("_")[:2], other])
    assert_problem(crm.get("", Authorization=f"Bearer {forged}"), 401, "invalid_api_key")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"revoked_at": timezone.now()}, 401, "api_key_revoked"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, 401, "api_key_expired"),
        ({"allowed_addresses": ["10.0.0.0/8", "2001:db8::/32"]}, 403, "address_not_allowed"),
    ],
)
def test_a_key_that_may_not_be_used_now_or_from_here_says_why(
    crm: Caller, change: dict[str, Any], status: int, code: str
) -> None:
    ApiKey.objects.filter(pk=crm.key.pk).update(**change)
    assert_problem(crm.get(""), status, code)


def test_a_key_is_good_before_its_end_and_within_its_addresses(crm: Caller) -> None:
    ApiKey.objects.filter(pk=crm.key.pk).update(
        expires_at=timezone.now() + timedelta(hours=1), allowed_addresses=["127.0.0.0/8"]
    )
    assert crm.get("").status_code == 200


def test_the_day_of_the_last_use_is_kept(crm: Caller) -> None:
    assert crm.key.last_used_on is None
    crm.get("")
    crm.key.refresh_from_db()
    assert crm.key.last_used_on == timezone.now().date()


def test_a_missing_scope_is_named(site: Site) -> None:
    reader = Caller(new_client(site, "contacts:read"))
    assert "messages:send" in assert_problem(reader.post("messages", {}), 403, "missing_scope")["detail"]
    assert "messages:read" in assert_problem(reader.get("messages/msg_x"), 403, "missing_scope")["detail"]


def test_keys_of_one_client_can_be_changed_without_losing_its_messages(crm: Caller) -> None:
    body = {"recipients": [{"external_id": "NOBODY"}], "purpose": "offers", "content": {"title": "Hello"}}
    sent = crm.post("messages", body).json()["id"]
    second = Caller(crm.client)
    ApiKey.objects.filter(pk=crm.key.pk).update(revoked_at=timezone.now())
    assert second.get(f"messages/{sent}").status_code == 200
