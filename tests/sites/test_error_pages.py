"""Nothing that is written when something breaks says where a subscription is or what its keys are."""

import secrets
import sys

import pytest
from django.views.debug import ExceptionReporter

from campaigns.loading import Target
from pushplatform.webpush.keys import SubscriptionKeys
from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.request import build_request, parse_endpoint

# Not in a local variable of the tests, which the page would show under a name that says nothing.
PATH, KEY = secrets.token_hex(20), secrets.token_hex(16)


def reported(rf, cause):
    """The error page and the text mailed to operators for an exception in `cause`."""
    try:
        cause()
    except ZeroDivisionError:
        reporter = ExceptionReporter(rf.post("/api/v1/push/devices"), *sys.exc_info())
    return reporter.get_traceback_html() + reporter.get_traceback_text()


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_shows_neither_endpoint_nor_keys_of_a_subscription(rf, settings, debug):
    settings.DEBUG = debug

    def cause():
        url = f"https://fcm.googleapis.com/fcm/send/{PATH}"
        subscription = {"endpoint": url, "keys": {"p256dh": KEY, "auth": KEY}}
        body = f'{{"endpoint": "{url}", "keys": {{"auth": "{KEY}"}}}}'
        octets = url.encode()
        auth = KEY
        endpoint = parse_endpoint(url)
        request = build_request(endpoint, b"", authorization=KEY, ttl=1, urgency="low", topic=None)
        return 1 / 0, subscription, body, octets, auth, request

    page = reported(rf, cause)
    assert "https://fcm.googleapis.com/" in page
    assert PATH not in page
    assert KEY not in page


def test_what_is_sent_and_answered_does_not_show_itself_when_printed():
    word = secrets.token_hex(16)
    url = f"https://web.push.apple.com/{word}"
    values = [
        parse_endpoint(url),
        build_request(parse_endpoint(url), word.encode(), authorization=word, ttl=1, urgency="low", topic=None),
        Answer(403, {"location": url}, url.encode(), None, 0.1),
        SubscriptionKeys(bytes(65), word.encode()),
        Target(1, 2, None, 2, 1, 1, 1, url, b"", b"", word.encode(), {}, {"name": word}, {"name": word}),
    ]
    assert word not in repr(values)
    assert word not in f"{values}"
