import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushplatform.webpush.request import (
    EndpointRefused,
    PushService,
    build_request,
    is_loopback_name,
    parse_endpoint,
    topic,
)

FCM = "https://fcm.googleapis.com/fcm/send/abc:def"


@pytest.mark.parametrize(
    ("url", "origin", "service"),
    [
        (FCM, "https://fcm.googleapis.com", PushService.FCM),
        ("https://fcm.googleapis.com/wp/abc", "https://fcm.googleapis.com", PushService.FCM),
        ("https://jmt17.google.com/fcm/send/abc", "https://jmt17.google.com", PushService.FCM),
        (
            "https://updates.push.services.mozilla.com/wpush/v2/abc",
            "https://updates.push.services.mozilla.com",
            PushService.MOZILLA,
        ),
        ("https://autopush.stage.mozaws.net/wpush/v2/abc", "https://autopush.stage.mozaws.net", PushService.MOZILLA),
        ("https://web.push.apple.com/QAbc", "https://web.push.apple.com", PushService.APPLE),
        (
            "https://wns2-par02p.notify.windows.com/w/?token=BQY%2fabc%3d",
            "https://wns2-par02p.notify.windows.com",
            PushService.WINDOWS,
        ),
        ("https://graph.facebook.com/rl_push_send?x=1", "https://graph.facebook.com", PushService.OTHER),
        ("https://push.kaiostech.com:8443/wpush/v2/abc", "https://push.kaiostech.com:8443", PushService.OTHER),
        ("https://FCM.googleapis.com:443/fcm/send/abc", "https://fcm.googleapis.com", PushService.FCM),
        ("HTTPS://fcm.googleapis.com/fcm/send/abc", "https://fcm.googleapis.com", PushService.FCM),
    ],
)
def test_the_known_push_services_are_allowed_and_named(url: str, origin: str, service: PushService) -> None:
    endpoint = parse_endpoint(url)

    assert (endpoint.url, endpoint.origin, endpoint.service) == (url, origin, service)
    assert endpoint.host == re.sub(r"^https://|:\d+$", "", origin)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "malformed"),
        ("nonsense", "malformed"),
        ("//fcm.googleapis.com/x", "malformed"),
        ("https:///x", "malformed"),
        ("https://fcm.googleapis.com/a b", "malformed"),
        ("https://fcm.googleapis.com/a\n", "malformed"),
        ("https://fcm.googleapis.com\\@evil.example/", "malformed"),
        ("https://fcm.googleapis.com/ä", "malformed"),
        ("https://fcm%2egoogleapis.com/x", "malformed"),
        ("https://fcm.googleapis.com./x", "malformed"),
        ("https://fcm..googleapis.com/x", "malformed"),
        ("https://fcm.googleapis.com:/x", "malformed"),
        ("https://fcm.googleapis.com:443:443/x", "malformed"),
        ("https://[::1/x", "malformed"),
        ("https://fcm.googleapis.com/" + "x" * 2022, "too_long"),
        ("http://fcm.googleapis.com/x", "not_https"),
        ("ftp://fcm.googleapis.com/x", "not_https"),
        ("file://fcm.googleapis.com/x", "not_https"),
        ("https://user@fcm.googleapis.com/x", "userinfo"),
        ("https://fcm.googleapis.com@evil.example/x", "userinfo"),
        ("https://user:secret@fcm.googleapis.com/x", "userinfo"),
        ("https://fcm.googleapis.com/x#part", "fragment"),
        ("https://fcm.googleapis.com#@evil.example/", "fragment"),
        ("https://fcm.googleapis.com:8443/x", "port_not_allowed"),
        ("https://push.kaiostech.com/x", "port_not_allowed"),
        ("https://fcm.googleapis.com:99999/x", "port_not_allowed"),
        ("https://graph.facebook.com/me", "path_not_allowed"),
        ("https://graph.facebook.com/rl_push_sender", "path_not_allowed"),
        ("https://graph.facebook.com/rl_push_send/../me", "path_not_allowed"),
        ("https://evil.example/x", "host_not_allowed"),
        ("https://evilfcm.googleapis.com/x", "host_not_allowed"),
        ("https://sub.fcm.googleapis.com/x", "host_not_allowed"),
        ("https://fcm.googleapis.com.evil.example/x", "host_not_allowed"),
        ("https://evilnotify.windows.com/x", "host_not_allowed"),
        ("https://evil.example?fcm.googleapis.com/x", "host_not_allowed"),
        ("https://10.0.0.1/x", "host_not_allowed"),
        ("https://169.254.169.254/x", "host_not_allowed"),
        ("https://2130706433/x", "host_not_allowed"),
        ("https://127.1/x", "host_not_allowed"),
        ("https://[fd00::1]/x", "host_not_allowed"),
        ("https://permanently-removed.invalid/fcm/send/x", "permanently_removed"),
        ("https://localhost/x", "loopback_not_allowed"),
        ("https://a.localhost/x", "loopback_not_allowed"),
        ("https://127.0.0.1/x", "loopback_not_allowed"),
        ("https://[::1]/x", "loopback_not_allowed"),
        ("http://localhost:8000/x", "loopback_not_allowed"),
    ],
)
def test_any_other_endpoint_is_refused_and_never_repeated(url: str, code: str) -> None:
    with pytest.raises(EndpointRefused) as raised:
        parse_endpoint(url)

    assert raised.value.code == code
    assert raised.value.detail == str(raised.value)
    assert not url or url not in str(raised.value)


def test_2048_characters_are_not_too_long() -> None:
    url = FCM + "x" * (2048 - len(FCM))

    assert parse_endpoint(url).url == url


@pytest.mark.parametrize(
    ("url", "origin", "host"),
    [
        ("http://localhost:8123/push/1", "http://localhost:8123", "localhost"),
        ("http://localhost/push/1", "http://localhost", "localhost"),
        ("https://localhost/push/1", "https://localhost", "localhost"),
        ("https://push.localhost:9/1", "https://push.localhost:9", "push.localhost"),
        ("http://127.0.0.1:8123/1", "http://127.0.0.1:8123", "127.0.0.1"),
        ("http://127.9.9.9/1", "http://127.9.9.9", "127.9.9.9"),
        ("http://[::1]:8123/1", "http://[::1]:8123", "::1"),
    ],
)
def test_this_machine_is_allowed_where_a_setting_says_so(url: str, origin: str, host: str) -> None:
    endpoint = parse_endpoint(url, allow_loopback=True)

    assert (endpoint.origin, endpoint.host, endpoint.service) == (origin, host, PushService.LOCAL)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/1", "http://evil.example/", "ftp://localhost/1", "http://localhost.evil/1"]
)
def test_allowing_this_machine_allows_no_other(url: str) -> None:
    with pytest.raises(EndpointRefused):
        parse_endpoint(url, allow_loopback=True)


def test_an_operator_can_allow_further_hosts() -> None:
    extra = frozenset({"push.example.org", "ntfy.example:8080", "*.up.example"})

    for url in ("https://push.example.org/1", "https://ntfy.example:8080/1", "https://a.up.example/1"):
        assert parse_endpoint(url, extra_hosts=extra).service is PushService.OTHER
    for url in (
        "https://x.push.example.org/1",
        "https://ntfy.example/1",
        "https://aup.example/1",
        "http://push.example.org/",
    ):
        with pytest.raises(EndpointRefused):
            parse_endpoint(url, extra_hosts=extra)


@given(st.text(max_size=60))
def test_no_text_breaks_the_check_and_other_parsers_see_the_same_host(text: str) -> None:
    for url in (text, f"https://{text}", f"https://fcm.googleapis.com{text}"):
        try:
            endpoint = parse_endpoint(url)
        except EndpointRefused:
            continue
        seen = urlsplit(url)
        assert (seen.scheme, seen.hostname, seen.username) == ("https", endpoint.host, None)
        assert endpoint.service is not PushService.LOCAL


def test_an_endpoint_does_not_show_its_url_when_printed() -> None:
    request = build_request(parse_endpoint(FCM), b"b", authorization="vapid t", ttl=1, urgency="low", topic=None)

    assert "abc:def" not in repr(request)
    assert "vapid" not in repr(request)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.255.0.1", "::1"])
def test_names_of_this_machine_are_known(host: str) -> None:
    assert is_loopback_name(host)


@pytest.mark.parametrize("host", ["localhost.example", "notlocalhost", "128.0.0.1", "127.0.0.1.example", "::2", ""])
def test_other_names_are_not_of_this_machine(host: str) -> None:
    assert not is_loopback_name(host)


def test_a_request_carries_ttl_urgency_and_encoding_and_no_topic_unless_given() -> None:
    request = build_request(
        parse_endpoint(FCM), b"body", authorization="vapid t=1, k=2", ttl=3600, urgency="high", topic=None
    )

    assert request.body == b"body"
    assert set(request.headers) == {
        "Authorization: vapid t=1, k=2",
        "TTL: 3600",
        "Urgency: high",
        "Content-Encoding: aes128gcm",
        "Content-Type: application/octet-stream",
    }


def _headers(url: str = FCM, *, ttl: int = 60, urgency: str = "normal", topic: str | None = None) -> dict[str, str]:
    request = build_request(parse_endpoint(url), b"", authorization="a", ttl=ttl, urgency=urgency, topic=topic)
    return dict(line.split(": ", 1) for line in request.headers)


@pytest.mark.parametrize(("ttl", "sent"), [(-5, "0"), (0, "0"), (2_419_200, "2419200"), (9_999_999, "2419200")])
def test_the_ttl_is_brought_into_what_services_take(ttl: int, sent: str) -> None:
    assert _headers(ttl=ttl)["TTL"] == sent


@pytest.mark.parametrize("urgency", ["", "urgent", "HIGH", "low,high", "low\r\nX: 1"])
def test_an_urgency_outside_rfc_8030_is_refused(urgency: str) -> None:
    with pytest.raises(ValueError, match="urgency must be one of very-low, low, normal, high"):
        _headers(urgency=urgency)


@pytest.mark.parametrize("wrong", ["", "a b", "x\r\nX: 1", "ä", "a=", "x" * 33, "spike"])
def test_a_topic_that_a_service_would_refuse_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        _headers(topic=wrong)


def test_windows_is_told_not_to_cache_what_lives_no_longer_than_now() -> None:
    wns = "https://db5p.notify.windows.com/w/?token=x"

    assert _headers(wns, ttl=0)["X-WNS-Cache-Policy"] == "no-cache"
    assert "X-WNS-Cache-Policy" not in _headers(wns, ttl=60)
    assert "X-WNS-Cache-Policy" not in _headers(FCM, ttl=0)


@given(st.integers(1, 2**62), st.text(max_size=300))
def test_a_collapse_key_becomes_a_topic_that_every_service_takes(site_id: int, key: str) -> None:
    made = topic(site_id, key)

    assert len(made) == 32
    assert _headers(topic=made)["Topic"] == made


def test_the_same_collapse_key_of_another_site_is_another_topic() -> None:
    assert topic(1, "cart") == topic(1, "cart")
    assert len({topic(1, "cart"), topic(2, "cart"), topic(1, "news"), topic(11, "cart")}) == 4
