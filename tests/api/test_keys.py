"""Keys of the API: several for each client, ended, bounded in time and place; and where a call comes from."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from pushplatform.sites import api_keys
from pushplatform.sites.models import ApiKey, Site
from tests.admin.house import House
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


@pytest.fixture
def ours() -> House:
    return House("ours")


def status(crm: Caller, **headers: str) -> int:
    return int(crm.get("", **headers).status_code)


def test_keys_of_a_client_work_side_by_side_until_one_is_ended(crm: Caller) -> None:
    newer = Caller(crm.client)
    assert [status(crm), status(newer)] == [200, 200]
    assert api_keys.revoke_key(crm.key, timezone.now())
    assert_problem(crm.get(""), 401, "api_key_revoked")
    assert status(newer) == 200
    assert not api_keys.revoke_key(crm.key, timezone.now())


def test_a_change_counts_from_the_next_call_and_never_revives_a_key(crm: Caller) -> None:
    bounds: dict[str, Any] = {"expires_at": None, "allowed_addresses": ["203.0.113.0/24"], "per_minute": None}
    assert api_keys.change_key(crm.key, **bounds)
    assert_problem(crm.get(""), 403, "address_not_allowed")
    assert api_keys.change_key(crm.key, **{**bounds, "allowed_addresses": [], "expires_at": timezone.now()})
    assert_problem(crm.get(""), 401, "api_key_expired")
    later = timezone.now() + timedelta(days=1)
    assert api_keys.change_key(crm.key, **{**bounds, "allowed_addresses": [], "expires_at": later})
    assert status(crm) == 200
    api_keys.revoke_key(crm.key, timezone.now())
    assert not api_keys.change_key(crm.key, **bounds)
    assert_problem(crm.get(""), 401, "api_key_revoked")


# --- in the admin


def test_a_key_is_changed_in_the_admin(ours: House) -> None:
    browser = ours.browser("administrator")
    path = reverse("admin:sites_apiclient_change_key", args=[ours.client.pk, ours.api_key.pk])
    day = timezone.localdate() + timedelta(days=9)
    posted = {"expires_on": day.isoformat(), "allowed_addresses": "203.0.113.7\n2001:db8::/32", "per_minute": "1200"}
    assert browser.post(path, posted).status_code == 302
    key = ApiKey.objects.get(pk=ours.api_key.pk)
    assert key.allowed_addresses == ["203.0.113.7", "2001:db8::/32"]
    assert key.per_minute == 1200
    assert timezone.localdate(key.expires_at) == day
    form = browser.get(path).content.decode()
    assert day.isoformat() in form
    assert "203.0.113.7" in form
    assert bytes(key.secret_hash) == bytes(ours.api_key.secret_hash)
    shown = browser.get(reverse("admin:sites_apiclient_change", args=[ours.client.pk])).content.decode()
    assert "1,200" in shown
    assert browser.post(path, {}).status_code == 302
    key.refresh_from_db()
    assert (key.expires_at, key.allowed_addresses, key.per_minute) == (None, [], None)


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ({"allowed_addresses": "the office"}, "is neither an address nor a range"),
        ({"per_minute": "0"}, "greater than or equal to 1"),
        ({"per_minute": "9" * 12}, "less than or equal to"),
        ({"expires_on": "2020-01-01"}, "This day is over"),
    ],
)
def test_a_wrong_bound_is_refused_and_nothing_changes(ours: House, posted: dict[str, str], expected: str) -> None:
    path = reverse("admin:sites_apiclient_change_key", args=[ours.client.pk, ours.api_key.pk])
    answer = ours.browser("administrator").post(path, posted)
    assert answer.status_code == 200
    assert expected in answer.content.decode()
    assert ApiKey.objects.filter(pk=ours.api_key.pk, per_minute=None, expires_at=None, allowed_addresses=[]).exists()


def test_a_key_of_another_client_is_not_found(ours: House) -> None:
    other = new_client(ours.site)
    for name in ("change_key", "revoke"):
        path = reverse(f"admin:sites_apiclient_{name}", args=[other.pk, ours.api_key.pk])
        assert ours.browser("administrator").post(path, {}).status_code == 404
    assert ApiKey.objects.get(pk=ours.api_key.pk).revoked_at is None


# --- where a call comes from


@pytest.mark.parametrize(
    ("trusted", "forwarded", "passes"),
    [
        ([], "203.0.113.7", False),  # anybody may write this header
        (["127.0.0.1"], "203.0.113.7", True),
        (["127.0.0.1"], "198.51.100.1, 203.0.113.7", True),
        (["127.0.0.1"], "203.0.113.7, 198.51.100.1", False),  # the caller made up what stands in front
        (["127.0.0.0/8", "198.51.100.0/24"], "203.0.113.7, 198.51.100.1", True),
        (["127.0.0.1"], "::ffff:203.0.113.7", True),
        (["127.0.0.1"], "nonsense", False),
        (["127.0.0.1"], "203.0.113.7, unknown", False),
        (["127.0.0.1"], "", False),
    ],
)
def test_behind_proxies_the_callers_address_counts_and_only_theirs_is_believed(
    crm: Caller, settings: Any, trusted: list[str], forwarded: str, passes: bool
) -> None:

    settings.TRUSTED_PROXIES = tuple(ip_network(one) for one in trusted)
    api_keys.change_key(crm.key, expires_at=None, allowed_addresses=["203.0.113.0/24"], per_minute=None)
    assert status(crm, **{"X-Forwarded-For": forwarded}) == (200 if passes else 403)


def test_a_proxy_in_front_of_a_key_without_ranges_changes_nothing(crm: Caller) -> None:
    assert status(crm, **{"X-Forwarded-For": "nonsense"}) == 200
