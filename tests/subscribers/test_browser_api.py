"""The browser API at its edge: config, origins, limits, and what is refused by name and changes nothing."""

import json

import pytest

from pushplatform.sites import public_ids
from pushplatform.sites.models import VapidKey
from pushplatform.webpush.keys import b64url
from subscribers import purposes
from subscribers.models import ConsentRecord, Device
from subscribers.views.limit import Limit
from tests.subscribers.browsers import ORIGIN, Browser, problem_of

LOCAL = "http://localhost:9000/push/1"


@pytest.fixture
def browser(site) -> Browser:
    return Browser(site)


def config(browser, query="", **headers):
    return browser.call("GET", f"sites/{browser.site_id}/config{query}", **headers)


# --- config ---------------------------------------------------------------------------------------------------------


def test_the_config_has_the_current_key_and_the_newest_wordings(browser, site, purpose, now):
    purposes.add_wording(purpose("order_updates"), {"en": "Tell me where my orders are."}, now)
    body = config(browser).json()
    assert body["vapid_public_key"] == b64url(site.vapid_keys.get().public_key)
    assert [(one["key"], one["kind"], one["wording"]["version"]) for one in body["purposes"]] == [
        ("personal_data", "service", 1),
        ("measurement", "service", 1),
        ("offers", "marketing", 1),
        ("order_updates", "service", 2),
    ]
    assert body["purposes"][3]["wording"]["text"] == "Tell me where my orders are."
    assert body["purposes"][3]["title"] == "Orders"


@pytest.mark.parametrize(
    ("query", "accept", "language"),
    [
        ("?language=pl", "en", "pl"),
        ("?language=pl-PL", "", "pl"),
        ("?language=xx", "pl", "en"),
        ("", "de, pl-PL;q=0.8, en;q=0.5", "pl"),
        ("", "", "en"),
        ("", "\0;;q=", "en"),
    ],
)
def test_wordings_come_in_the_language_asked_for_or_the_browsers(browser, query, accept, language):
    offers = config(browser, query, **{"Accept-Language": accept}).json()["purposes"][2]
    assert offers["wording"]["language"] == language


def test_measurement_is_not_asked_for_where_the_site_does_not_need_it(browser, site):
    site.measurement = site.Measurement.EVERYONE
    site.save()
    assert "measurement" not in [one["key"] for one in config(browser).json()["purposes"]]


def test_the_card_gets_the_sites_own_words_only_where_it_has_some(browser, site):
    site.prompt = {"title": "News?", "body": "Now and then.", "yes": "", "unknown": "x"}
    site.save()
    assert config(browser).json()["prompt"] == {"title": "News?", "text": "Now and then."}


def test_an_unchanged_config_is_answered_with_304(browser, site):
    first = config(browser)
    assert "max-age" in first["Cache-Control"]
    assert "Origin" in first["Vary"]
    again = config(browser, **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again["Access-Control-Allow-Origin"]) == (304, ORIGIN)
    site.prompt = {"title": "Other words"}
    site.save()
    assert config(browser, **{"If-None-Match": first["ETag"]}).status_code == 200


def test_without_a_current_key_nobody_can_subscribe(browser, site):
    VapidKey.objects.filter(site=site).update(state="draining")
    assert problem_of(config(browser))[:2] == (503, "no_current_key")


# --- origins, methods, limits ---------------------------------------------------------------------------------------


def test_only_the_sites_own_origins_may_read_and_write(browser, site):
    for response in (config(browser), browser.post_registration(browser.body())):
        assert response["Access-Control-Allow-Origin"] == ORIGIN
        assert "Access-Control-Allow-Credentials" not in response
        assert not response.cookies
    body = browser.body()
    path = f"sites/{browser.site_id}/devices"
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"):
        response = browser.call("POST", path, body, Origin=origin)
        assert problem_of(response)[:2] == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in response
    assert Device.objects.filter(site=site).count() == 1


def test_a_preflight_is_answered_for_the_sites_origins(browser):
    browser.register()
    for path, methods in (
        (f"sites/{browser.site_id}/devices", "POST"),
        (f"devices/{browser.device_id}/identity", "POST, DELETE"),
    ):
        response = browser.call("OPTIONS", path, **{"Access-Control-Request-Method": "POST"})
        assert (response.status_code, response["Access-Control-Allow-Methods"]) == (204, methods)
        assert response["Access-Control-Allow-Headers"] == "Content-Type"
        assert browser.call("OPTIONS", path, Origin="https://evil.example").status_code == 403


def test_an_error_can_be_read_by_the_page(browser):
    response = browser.post_registration([])
    assert problem_of(response)[0] == 422
    assert response["Access-Control-Allow-Origin"] == ORIGIN


def test_unknown_sites_and_methods_are_said_so(browser):
    for site_id in ("site_" + "a" * 26, "7", public_ids.encode("dev", browser.site.id)):
        assert problem_of(browser.call("GET", f"sites/{site_id}/config"))[:2] == (404, "not_found")
    response = browser.call("PUT", f"sites/{browser.site_id}/config", {})
    assert (problem_of(response)[0], response["Allow"]) == (405, "GET, OPTIONS")


def test_a_flood_from_one_address_is_told_to_wait(browser, settings, monkeypatch):
    monkeypatch.setattr("subscribers.views.browser_api.limit", Limit())
    settings.BROWSER_API_PER_MINUTE = 3
    assert [config(browser).status_code for _ in range(4)] == [200, 200, 200, 429]
    response = config(browser)
    assert problem_of(response)[1] == "rate_limited"
    assert 0 < int(response["Retry-After"]) <= 20


def test_a_bucket_fills_again_and_households_do_not_share_one():
    limit = Limit()
    assert [limit.wait("192.0.2.1", 60, now=0.0) for _ in range(60)] == [0] * 60
    assert limit.wait("192.0.2.1", 60, now=0.0) == pytest.approx(1)
    assert limit.wait("192.0.2.2", 60, now=0.0) == 0
    assert limit.wait("192.0.2.1", 60, now=1.5) == 0
    assert limit.wait("192.0.2.1", 60, now=1.5) == pytest.approx(0.5)
    assert [limit.wait(f"2001:db8::{n}", 2, now=0.0) > 0 for n in (1, 2, 3)] == [False, False, True]
    assert limit.wait("2001:db8:0:1::1", 2, now=0.0) == 0


# --- bad input ------------------------------------------------------------------------------------------------------


def changed(body, path, value):
    """A copy of `body` with one member changed, or taken out when `value` is `...`."""
    copy = json.loads(json.dumps(body))
    *way, last = path
    inner = copy
    for step in way:
        inner = inner[step]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copy


ENDPOINT, KEYS = ("subscription", "endpoint"), ("subscription", "keys")


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (ENDPOINT, "http://updates.push.services.mozilla.com/wpush/v2/x", "endpoint_not_https"),
        (ENDPOINT, "https://evil.example/push", "endpoint_host_not_allowed"),
        (ENDPOINT, "https://updates.push.services.mozilla.com.evil.example/x", "endpoint_host_not_allowed"),
        (ENDPOINT, "https://user@updates.push.services.mozilla.com/x", "endpoint_userinfo"),
        (ENDPOINT, "https://updates.push.services.mozilla.com:444/x", "endpoint_port_not_allowed"),
        (ENDPOINT, "https://updates.push.services.mozilla.com/" + "x" * 2048, "endpoint_too_long"),
        (ENDPOINT, LOCAL, "endpoint_loopback_not_allowed"),
        (ENDPOINT, 7, "invalid_type"),
        (ENDPOINT, "", "out_of_range"),
        (ENDPOINT, ..., "required"),
        ((*KEYS, "p256dh"), b64url(b"\x04" + b"\x01" * 64), "invalid_key"),
        ((*KEYS, "p256dh"), b64url(b"\x02" + b"\x01" * 32), "invalid_key"),
        ((*KEYS, "p256dh"), "not base64url!", "invalid_key"),
        ((*KEYS, "p256dh"), None, "required"),
        ((*KEYS, "auth"), b64url(b"a" * 15), "invalid_key"),
        ((*KEYS, "auth"), b64url(b"a" * 17), "invalid_key"),
        (KEYS, "keys", "invalid_type"),
        (KEYS, ..., "required"),
        (("subscription",), ..., "required"),
        (("subscription",), "x", "invalid_type"),
        (("application_server_key",), "x", "invalid_key"),
        (("application_server_key",), ..., "required"),
        (("application_server_key",), b64url(b"\x04" * 65), "unknown_key"),
        (("consents",), {}, "invalid_value"),
        (("consents", 0), "offers", "invalid_type"),
        (("consents", 0, "purpose"), "nonsense", "unknown_purpose"),
        (("consents", 0, "purpose"), ..., "required"),
        (("consents", 0, "wording_id"), "wrd_nonsense", "unknown_wording"),
        (("consents", 0, "wording_id"), ..., "required"),
        (("consents", 0, "decision"), "maybe", "invalid_value"),
        (("consents", 0, "decision"), ..., "required"),
        (("consents", 0, "everywhere"), "yes", "invalid_type"),
        (("consents", 0, "when"), "now", "unknown_field"),
        (("consents", 1, "purpose"), "offers", "duplicate_purpose"),
        (("page_url",), "https://evil.example/", "invalid_page"),
        (("page_url",), "https://[bad", "invalid_page"),
        (("language",), 5, "invalid_type"),
        (("time_zone",), ["Europe/Warsaw"], "invalid_type"),
        (("identity",), "CRM-42", "invalid_type"),
        (("device_secret",), 7, "invalid_type"),
        (("endpoint",), "https://updates.push.services.mozilla.com/x", "unknown_field"),
    ],
)
def test_a_wrong_member_is_refused_by_name_and_changes_nothing(browser, site, settings, path, value, code):
    settings.PUSH_ALLOW_LOOPBACK = False
    body = changed(browser.body({"offers": "granted", "measurement": "granted"}), path, value)
    status, _, errors = problem_of(browser.post_registration(body))
    pointer = "".join(f"/{step}" for step in path)
    assert status == 422
    assert (pointer, code) in errors
    assert not Device.objects.filter(site=site).exists()
    assert not ConsentRecord.objects.filter(site_id=site.id).exists()


def test_every_wrong_member_is_named_at_once(browser):
    body = browser.body() | {"page_url": "x", "nonsense": 1}
    body["subscription"] = {"endpoint": "http://x", "keys": {"p256dh": "x", "auth": "AAAA"}}
    errors = problem_of(browser.post_registration(body))[2]
    assert [pointer for pointer, _ in errors] == [
        "/subscription/endpoint",
        "/subscription/keys/p256dh",
        "/page_url",
        "/nonsense",
    ]


def test_a_wording_of_another_purpose_or_site_is_refused(browser, site, other_site):
    body = browser.body({"offers": "granted", "measurement": "granted"})
    swapped = changed(body, ("consents", 0, "wording_id"), body["consents"][1]["wording_id"])
    foreign = changed(body, ("consents", 0), Browser(other_site).decisions({"offers": "granted"})[0])
    for wrong in (swapped, foreign):
        expected = (422, "unknown_wording", [("/consents/0/wording_id", "unknown_wording")])
        assert problem_of(browser.post_registration(wrong)) == expected


def test_an_archived_purpose_is_not_decided_about(browser, purpose):
    body = browser.body({"offers": "granted"})
    offers = purpose("offers")
    offers.archived = True
    offers.save()
    assert problem_of(browser.post_registration(body))[2] == [("/consents/0/purpose", "unknown_purpose")]


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"\xff", 400, "malformed_json"),
        (b'{"language": NaN}', 400, "malformed_json"),
        (b'{"language": "a", "language": "b"}', 400, "malformed_json"),
        (b'{"language": "\\u0000"}', 422, "invalid_text"),
        (b"[" * 50_000, 422, "too_deep"),
        (b"[]", 422, "invalid_request"),
        (b" " * 65_537, 413, "body_too_large"),
    ],
)
def test_a_body_that_is_no_sound_json_is_refused(browser, raw, status, code):
    assert problem_of(browser.post_registration(raw))[:2] == (status, code) or (
        code == "invalid_request" and problem_of(browser.post_registration(raw))[0] == status
    )


def test_facts_of_a_browser_that_we_do_not_know_are_no_reason_to_refuse_it(browser):
    subscription = browser.subscription | {"options": {"userVisibleOnly": True}}
    browser.register(language="en-x-" + "y" * 60, time_zone="Mars/Base", subscription=subscription, page_url=None)
    assert (browser.device.language, browser.device.time_zone, browser.device.country) == ("", "", "")


def test_endpoints_on_this_machine_are_taken_only_where_a_setting_says_so(browser, settings):
    settings.PUSH_ALLOW_LOOPBACK = True
    browser.register(subscription=browser.subscription | {"endpoint": LOCAL})
    assert browser.device.service == 6


def test_hosts_that_are_routed_elsewhere_are_push_services_too(browser, settings):
    settings.PUSH_HOSTS_ROUTED = {"push.example": "http://127.0.0.1:1"}
    browser.register(subscription=browser.subscription | {"endpoint": "https://push.example/1"})
    assert browser.device.service == 5


def test_decisions_must_be_there_and_sound(browser):
    browser.register()
    assert problem_of(browser.act("POST", "consents"))[2] == [("/consents", "required")]
    wrong = browser.decisions({"offers": "granted"}, when="now")
    assert problem_of(browser.act("POST", "consents", consents=wrong, extra=1))[2] == [
        ("/consents/0/when", "unknown_field"),
        ("/extra", "unknown_field"),
    ]
    anonymous = browser.decisions({"offers": "granted"}, everywhere=True)
    assert problem_of(browser.act("POST", "consents", consents=anonymous))[1] == "not_identified"
    assert browser.may_get() == set()
