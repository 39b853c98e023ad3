import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from pushplatform.webpush.outcome import (
    ERRORS,
    JITTER,
    MAX_ATTEMPTS,
    MAX_RETRY_AFTER,
    REASONS,
    RETRY_SCHEDULE,
    RULES,
    Answer,
    Outcome,
    Verdict,
    classify,
    parse_retry_after,
    retry_delay,
)
from pushplatform.webpush.request import PushService

NOW = 1_700_000_000.0
FCM, MOZILLA, APPLE, WINDOWS = PushService.FCM, PushService.MOZILLA, PushService.APPLE, PushService.WINDOWS
OTHER_KEY = (
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the "
    "subscriptions."
)


def _verdict(
    status: int, service: PushService = FCM, body: str = "", error: str | None = None, **headers: str
) -> Verdict:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Answer(status, named, body.encode(), error, 0.1), service=service, now=NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_accepted(status: int) -> None:
    assert _verdict(status) == Verdict(Outcome.ACCEPTED, None, None)


@pytest.mark.parametrize("service", list(PushService))
@pytest.mark.parametrize("status", [404, 410])
def test_404_and_410_and_nothing_else_say_that_a_subscription_is_gone(status: int, service: PushService) -> None:
    assert _verdict(status, service) == Verdict(Outcome.GONE, "device_gone", None)
    assert [rule.statuses for rule in RULES if rule.outcome is Outcome.GONE] == [range(404, 405), range(410, 411)]


@pytest.mark.parametrize(
    ("status", "service", "body"),
    [
        (403, FCM, OTHER_KEY),
        (400, APPLE, json.dumps({"reason": "VapidPkHashMismatch"})),
        (403, APPLE, json.dumps({"reason": "VapidPkHashMismatch"})),
        (403, FCM, "MismatchSenderId"),
        (401, MOZILLA, "keys do NOT CORRESPOND"),
    ],
)
def test_the_vendors_words_for_another_key_are_a_key_mismatch(status: int, service: PushService, body: str) -> None:
    assert _verdict(status, service, body) == Verdict(Outcome.FAILED, "key_mismatch", None)


@pytest.mark.parametrize(
    ("status", "service", "body"),
    [
        (401, MOZILLA, '{"errno":109}'),
        (401, FCM, ""),
        (403, APPLE, '{"reason":"BadJwtToken"}'),
        (403, FCM, "aud claim in the token MUST include the origin"),
        (400, FCM, "<TITLE>UnauthorizedRegistration</TITLE>"),
    ],
)
def test_a_refused_token_is_our_fault_and_retires_nobody(status: int, service: PushService, body: str) -> None:
    assert _verdict(status, service, body) == Verdict(Outcome.FAILED, "key_refused", None)


@pytest.mark.parametrize("status", [400, 402, 405, 409, 413, 415, 422, 431])
def test_a_request_that_is_wrong_is_rejected_and_not_sent_again(status: int) -> None:
    assert _verdict(status) == Verdict(Outcome.FAILED, "rejected", None)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504, 599, 600, 999])
def test_a_busy_or_troubled_service_is_tried_again(status: int) -> None:
    assert _verdict(status) == Verdict(Outcome.RETRY, "gave_up", None)


def test_406_is_a_throttle_at_windows_and_a_wrong_request_elsewhere() -> None:
    assert _verdict(406, WINDOWS).outcome is Outcome.RETRY
    assert _verdict(406, FCM) == Verdict(Outcome.FAILED, "rejected", None)


def test_a_service_that_says_when_to_come_back_is_obeyed() -> None:
    assert _verdict(429, retry_after="120").retry_after == 120
    assert _verdict(503, MOZILLA, retry_after="Tue, 14 Nov 2023 22:14:20 GMT").retry_after == 60
    assert _verdict(400, retry_after="120").retry_after is None


@pytest.mark.parametrize("error", sorted(set(ERRORS) - {"address_refused", "timeout_after_write"}))
def test_trouble_in_the_network_is_tried_again(error: str) -> None:
    assert _verdict(0, error=error) == Verdict(Outcome.RETRY, "gave_up", None)


def test_a_request_that_was_written_and_never_answered_is_tried_again_as_unknown() -> None:
    assert _verdict(0, error="timeout_after_write") == Verdict(Outcome.RETRY, "no_answer", None)


def test_a_private_address_is_never_tried_again() -> None:
    assert _verdict(0, error="address_refused") == Verdict(Outcome.FAILED, "address_refused", None)


def test_every_answer_has_a_verdict_and_every_reason_a_number() -> None:
    for status in range(1000):
        for service in PushService:
            verdict = _verdict(status, service, error=None if status else "reset")
            assert verdict.outcome in (Outcome.ACCEPTED, Outcome.FAILED, Outcome.GONE, Outcome.RETRY)
            assert (verdict.reason is None) == (verdict.outcome is Outcome.ACCEPTED)
            assert verdict.reason is None or verdict.reason in REASONS


def test_stored_numbers_of_reasons_are_those_of_the_first_release() -> None:
    assert {code: reason.number for code, reason in REASONS.items()} == {
        "unknown_contact": 1,
        "unknown_device": 2,
        "no_active_device": 3,
        "no_matching_device": 4,
        "device_gone": 5,
        "consent_missing": 6,
        "consent_withdrawn": 7,
        "personal_data_withdrawn": 8,
        "duplicate_recipient": 9,
        "invalid_params": 10,
        "payload_too_large": 11,
        "render_failed": 12,
        "expired": 13,
        "link_changed": 14,
        "frequency_capped": 15,
        "quiet_hours": 16,
        "no_usable_key": 17,
        "address_refused": 100,
        "key_refused": 101,
        "key_mismatch": 102,
        "rejected": 103,
        "gave_up": 104,
        "no_answer": 105,
    }
    assert all(0 < reason.number < 2**15 and reason.sentence.endswith(".") for reason in REASONS.values())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0),
        (" 30 ", 30),
        ("86400", 86_400),
        ("1209600", MAX_RETRY_AFTER),
        ("9" * 5000, MAX_RETRY_AFTER),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120),
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120),
        ("Tue Nov 14 22:15:20 2023", 120),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        (format_datetime(datetime(2033, 1, 1, tzinfo=UTC), usegmt=True), MAX_RETRY_AFTER),
        ("Tue, 99 Nov 2023 22:15:20 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_in_the_three_forms_of_a_date(
    value: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_delays_grow_from_seconds_to_hours_and_stay_within_the_jitter() -> None:
    longest = [retry_delay(attempt, None, 1.0) for attempt in range(1, MAX_ATTEMPTS)]

    assert longest == list(RETRY_SCHEDULE)
    assert longest == sorted(longest)
    assert longest[0] <= 10
    assert longest[-1] >= 3600
    for attempt in range(1, MAX_ATTEMPTS):
        assert retry_delay(attempt, None, 0.0) == longest[attempt - 1] * (1 - JITTER)
    assert retry_delay(99, None, 1.0) == longest[-1]


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("attempt", [1, 4, 50])
@pytest.mark.parametrize("asked", [0.0, 10.0, 3600.0])
def test_what_the_service_asks_for_is_never_undercut(asked: float, attempt: int, jitter: float) -> None:
    assert retry_delay(attempt, asked, jitter) >= max(asked, 1.0)
    assert retry_delay(attempt, asked, jitter) <= max(asked, 1.0) * (1 + JITTER)
