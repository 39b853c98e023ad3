"""What is secret stands on no page, in no history and in no answer of the admin."""

import base64
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from pushplatform.sites.models import ApiKey, Site
from tests.admin.addresses import general_urls, urls_about
from tests.admin.house import House


def spellings(secret: bytes) -> set[bytes]:
    """The ways in which bytes get onto a page."""
    plain = base64.b64encode(secret).rstrip(b"=")
    return {
        secret,
        secret.hex().encode(),
        plain,
        base64.urlsafe_b64encode(secret).rstrip(b"="),
        repr(secret)[2:-1].encode(),
    }


def leaks(content: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [what for what, secret in secrets.items() if any(one in content for one in spellings(secret))]


@pytest.mark.parametrize("role", ["superuser", "administrator"])
def test_no_page_shows_a_secret(ours: House, role: str) -> None:
    browser = ours.browser(role)
    ours.user("marketer").set_password("a password")
    ours.user("marketer").save()
    secrets = ours.secrets()
    assert len(secrets) > 10
    for _, path in [*urls_about(ours), *general_urls()]:
        answer = browser.get(path, follow=True)
        assert not leaks(answer.content, secrets), path


def test_the_search_for_leaks_would_find_one(ours: House) -> None:
    secrets = ours.secrets()
    for what, secret in secrets.items():
        page = b"<p>" + base64.urlsafe_b64encode(secret).rstrip(b"=") + b"</p>"
        assert what in leaks(page, secrets)


def test_a_forms_errors_repeat_no_secret(ours: House) -> None:
    browser, secrets = ours.browser("superuser"), ours.secrets()
    for name, path in urls_about(ours):
        if name.endswith(("_change", "_make_key", "_new_wording", "_edit")):
            assert not leaks(browser.post(path, {"name": "", "origins": "nonsense"}).content, secrets), path


def test_an_api_key_is_shown_once_and_works(ours: House) -> None:
    browser = ours.browser("administrator")
    path = reverse("admin:sites_apiclient_make_key", args=[ours.client.pk])
    shown = browser.post(path, {"expires_on": "", "allowed_addresses": "203.0.113.0/24"})
    text = re.search(r'<code id="secret">(pp_[a-z2-7]+_[0-9a-f]{64})</code>', shown.content.decode())
    assert text is not None
    key = ApiKey.objects.get(prefix=text[1].split("_")[1])
    assert key.client == ours.client
    assert key.allowed_addresses == ["203.0.113.0/24"]
    secret = {"new key": text[1].rpartition("_")[2].encode()}
    for _, other in urls_about(ours):
        assert not leaks(browser.get(other, follow=True).content, secret), other
    assert not leaks(repr(list(LogEntry.objects.values())).encode(), secret)


def test_a_new_identity_secret_is_shown_once_and_takes_the_place_of_the_old(ours: House) -> None:
    browser, before = ours.browser("administrator"), bytes(Site.objects.get(pk=ours.site.pk).identity_secret)
    path = reverse("admin:sites_site_identity_secret", args=[ours.site.pk])
    assert not leaks(browser.get(path).content, {"old": before})
    shown = browser.post(path)
    after = bytes(Site.objects.get(pk=ours.site.pk).identity_secret)
    assert after != before
    assert after in shown.content
    for _, other in urls_about(ours):
        assert after not in browser.get(other, follow=True).content, other
    assert after.decode() not in repr(list(LogEntry.objects.values()))


def test_a_revoked_key_is_marked_and_stays_revoked(ours: House) -> None:
    browser = ours.browser("administrator")
    path = reverse("admin:sites_apiclient_revoke", args=[ours.client.pk, ours.api_key.pk])
    browser.post(path)
    ours.api_key.refresh_from_db()
    first = ours.api_key.revoked_at
    assert first is not None
    browser.post(path)
    ours.api_key.refresh_from_db()
    assert ours.api_key.revoked_at == first
    assert b"revoked" in browser.get(reverse("admin:sites_apiclient_change", args=[ours.client.pk])).content
