"""What a sender gets for a push request (RFC 8030, 8291, 8292)."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from http_ece import encrypt as ece_encrypt

from .conftest import LocalPushProcess, Sender, notification


def test_an_accepted_push_gets_201_with_a_location_and_the_granted_ttl(
    browser: dict[str, Any], sender: Sender, localpush: LocalPushProcess
) -> None:
    answer = sender.post(browser["subscription"], notification("m1"), {"TTL": "90"})
    assert answer.status_code == 201
    assert answer.headers["TTL"] == "90"
    assert answer.headers["Location"].startswith(localpush.base + "/m/")
    assert answer.content == b""


def test_a_ttl_beyond_thirty_days_is_shortened_and_the_answer_says_so(browser: dict[str, Any], sender: Sender) -> None:
    answer = sender.post(browser["subscription"], notification("m1"), {"TTL": "99999999999999999999"})
    assert answer.status_code == 201
    assert answer.headers["TTL"] == str(30 * 86_400)


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ({"TTL": None}, 400, "TTL"),
        ({"TTL": "-1"}, 400, "TTL"),
        ({"TTL": "soon"}, 400, "TTL"),
        ({"Content-Encoding": None}, 400, "Content-Encoding"),
        ({"Content-Encoding": "aesgcm"}, 400, "Content-Encoding"),
        ({"Content-Encoding": "aes128gcm, gzip"}, 400, "Content-Encoding"),
        ({"Crypto-Key": "dh=BAAA"}, 400, "Crypto-Key"),
        ({"Urgency": "very-high"}, 400, "Urgency"),
        ({"Urgency": "low, high"}, 400, "Urgency"),
        ({"Topic": "x" * 33}, 400, "Topic"),
        ({"Topic": "no spaces"}, 400, "Topic"),
        ({"Authorization": None}, 401, "vapid"),
        ({"Authorization": "Bearer abc"}, 401, "vapid"),
        ({"Authorization": "vapid t=abc"}, 403, "t and k"),
    ],
)
def test_a_header_that_breaks_the_rules_is_refused_by_name(
    browser: dict[str, Any], sender: Sender, headers: dict[str, str | None], status: int, word: str
) -> None:
    answer = sender.post(browser["subscription"], notification("m1"), headers)
    assert answer.status_code == status
    assert answer.json()["code"] == status
    assert word in answer.json()["message"]


def test_every_urgency_and_a_topic_of_32_characters_are_taken(browser: dict[str, Any], sender: Sender) -> None:
    for urgency in ("very-low", "low", "normal", "high"):
        headers: dict[str, str | None] = {"Urgency": urgency, "Topic": "-_" * 16}
        assert sender.post(browser["subscription"], notification(urgency), headers).status_code == 201


def test_a_body_of_4096_octets_passes_and_one_of_4097_is_too_large(browser: dict[str, Any], sender: Sender) -> None:
    assert sender.post(browser["subscription"], b"x" * 4096).status_code == 201
    answer = sender.post(browser["subscription"], b"x" * 4097)
    assert answer.status_code == 413
    assert "4096" in answer.json()["message"]


def test_a_body_too_short_to_be_encrypted_is_refused(browser: dict[str, Any], sender: Sender) -> None:
    assert sender.post(browser["subscription"], b"hello").status_code == 400


def test_a_push_without_a_body_needs_no_encoding(
    browser: dict[str, Any], sender: Sender, localpush: LocalPushProcess
) -> None:
    assert sender.post(browser["subscription"], b"", {"Content-Encoding": None}).status_code == 201
    assert localpush.in_state("shown", label=browser["label"])["size"] == 0


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"aud": "https://elsewhere.example"}, "aud"),
        ({"exp": 1_600_000_000}, "expired"),
        ({"exp": int(time.time()) + 48 * 3600}, "24 hours"),
    ],
)
def test_a_token_with_wrong_claims_is_forbidden(
    browser: dict[str, Any], sender: Sender, claims: dict[str, Any], word: str
) -> None:
    answer = sender.post(browser["subscription"], notification("m1"), **claims)
    assert answer.status_code == 403
    assert word in answer.json()["message"]


def test_a_token_changed_after_signing_is_forbidden(browser: dict[str, Any], sender: Sender) -> None:
    token, _, key = sender.authorization(browser["subscription"]["endpoint"]).partition(",k=")
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB") + ",k=" + key
    answer = sender.post(browser["subscription"], notification("m1"), {"Authorization": forged})
    assert answer.status_code == 403
    assert "signature" in answer.json()["message"]


def test_the_key_of_another_sender_is_forbidden_in_the_words_that_senders_look_for(browser: dict[str, Any]) -> None:
    answer = Sender().post(browser["subscription"], notification("m1"))
    assert answer.status_code == 403
    assert "do not correspond to the credentials used to create the subscriptions" in answer.json()["message"]


def test_a_token_checked_once_does_not_open_the_subscription_of_another_key(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    assert sender.post(browser["subscription"], notification("m1")).status_code == 201
    other = localpush.browser(Sender().public_key)
    assert sender.post(other["subscription"], notification("m1")).status_code == 403


def test_the_service_may_be_called_localhost_too(browser: dict[str, Any], sender: Sender) -> None:
    local = {
        **browser["subscription"],
        "endpoint": browser["subscription"]["endpoint"].replace("127.0.0.1", "localhost"),
    }
    assert sender.post(local, notification("m1")).status_code == 201


def test_a_subscription_made_without_a_key_takes_any_sender(localpush: LocalPushProcess, sender: Sender) -> None:
    open_to_all = localpush.browser(None)["subscription"]
    assert sender.post(open_to_all, notification("m1"), {"Authorization": None}).status_code == 201
    assert sender.post(open_to_all, notification("m2"), {"Authorization": "vapid t=x, k=y"}).status_code == 403


def test_an_unknown_token_answers_404(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    unknown = {**browser["subscription"], "endpoint": localpush.base + "/push/nobody"}
    answer = sender.post(unknown, notification("m1"))
    assert answer.status_code == 404
    assert answer.json()["errno"] == 102


def test_an_ended_subscription_answers_410_and_only_that_one(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    other = localpush.browser(sender.public_key)
    ended = localpush.call("PATCH", f"/browsers/{browser['id']}", {"subscribed": False}).json()
    assert ended["subscription"] is None
    assert sender.post(browser["subscription"], notification("m1")).status_code == 410
    assert sender.post(other["subscription"], notification("m1")).status_code == 201


def test_a_body_of_http_ece_is_decrypted(localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]) -> None:
    keys = {name: urlsafe_b64decode(value + "==") for name, value in browser["subscription"]["keys"].items()}
    body = ece_encrypt(
        b'{"title": "From http_ece"}',
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=keys["p256dh"],
        auth_secret=keys["auth"],
        version="aes128gcm",
    )
    assert sender.post(browser["subscription"], body).status_code == 201
    assert localpush.in_state("shown", label=browser["label"])["title"] == "From http_ece"


def test_a_body_made_for_other_keys_is_accepted_and_then_found_undecryptable(
    localpush: LocalPushProcess, sender: Sender, browser: dict[str, Any]
) -> None:
    before = localpush.statistics()["decrypt_errors"]
    other = localpush.browser(sender.public_key)["subscription"]
    mixed = {**browser["subscription"], "keys": other["keys"]}
    assert sender.post(mixed, notification("m1")).status_code == 201
    entry = localpush.in_state("undecryptable", label=browser["label"])
    assert entry["payload"] is None
    assert "was not made for this key" in entry["note"]
    assert localpush.statistics()["decrypt_errors"] == before + 1


def test_only_post_pushes_and_only_delete_cancels(localpush: LocalPushProcess, browser: dict[str, Any]) -> None:
    assert requests.get(browser["subscription"]["endpoint"], timeout=30).status_code == 404
    assert localpush.call("GET", "/m/anything").headers["Allow"] == "DELETE"
