"""RFC 8292, with py_vapid as the independent reader of our tokens and the maker of some."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02, jwt

from pushplatform.webpush.keys import InvalidKey, KeyPair, b64url, b64url_decode
from pushplatform.webpush.vapid import InvalidSubject, VapidRefused, VapidSigner, check_subject, verify

NOW = 1_700_000_000
HOUR = 3600
ORIGIN = "https://push.example"
PAIR = KeyPair.from_private(bytes(31) + b"\x07")


def _signer() -> VapidSigner:
    return VapidSigner(PAIR.private_key, "mailto:push@shop.example")


def _claims(authorization: str) -> dict[str, object]:
    token = authorization.split("t=")[1].split(",")[0]
    decoded: dict[str, object] = json.loads(b64url_decode(token.split(".")[1]))
    return decoded


def _made(claims: dict[str, object], key: ec.EllipticCurvePrivateKey | None = None) -> str:
    return f"vapid t={jwt.sign(claims, key or PAIR.ec_private_key())}, k={b64url(PAIR.public_key)}"


def test_the_token_names_audience_contact_and_an_expiry_in_twelve_hours() -> None:
    value = _signer().authorization(ORIGIN, NOW)

    assert _claims(value) == {"aud": ORIGIN, "exp": NOW + 12 * HOUR, "sub": "mailto:push@shop.example"}


def test_py_vapid_finds_our_token_in_order() -> None:
    assert Vapid02.verify(_signer().authorization(ORIGIN, NOW).replace(", ", ","))


def test_the_example_of_rfc_8292_is_in_order() -> None:
    value = (
        "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3"
        "NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtm"
        "ysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2Em"
        "ClBPs"
    )

    claims = verify(value, origin="https://push.example.net", now=1453523768 - HOUR)

    assert (claims.subject, claims.expires) == ("mailto:push@example.com", 1453523768)


def test_a_token_serves_its_origin_for_hours_and_no_other_origin() -> None:
    signer = _signer()
    first = signer.authorization(ORIGIN, NOW)

    assert signer.authorization(ORIGIN, NOW + 6 * HOUR - 1) == first
    assert signer.authorization("https://other.example", NOW) != first


def test_a_new_token_is_signed_after_six_hours_long_before_the_old_one_expires() -> None:
    signer = _signer()
    signer.authorization(ORIGIN, NOW)

    later = signer.authorization(ORIGIN, NOW + 6 * HOUR)

    assert _claims(later)["exp"] == NOW + 18 * HOUR


def test_a_clock_set_back_by_minutes_keeps_the_token_and_by_a_day_makes_a_new_one() -> None:
    signer = _signer()
    first = signer.authorization(ORIGIN, NOW)

    assert signer.authorization(ORIGIN, NOW - 600) == first
    assert _claims(signer.authorization(ORIGIN, NOW - 24 * HOUR))["exp"] == NOW - 12 * HOUR


def test_tokens_of_many_push_services_do_not_pile_up() -> None:
    signer = _signer()
    first = signer.authorization("https://0.example", NOW)
    for number in range(1, 1025):
        signer.authorization(f"https://{number}.example", NOW)

    assert signer.authorization("https://0.example", NOW) != first
    assert signer.authorization("https://1024.example", NOW) == signer.authorization("https://1024.example", NOW)


@pytest.mark.parametrize(
    "subject",
    [
        "mailto:a@example.com",
        "mailto:web.push+news@mail.shop.co.uk",
        "https://example.com",
        "https://shop.example/contact",
    ],
)
def test_a_contact_that_push_services_can_use_is_taken(subject: str) -> None:
    assert check_subject(subject) == subject
    assert VapidSigner(PAIR.private_key, subject).authorization(ORIGIN, NOW)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "a@example.com",
        "mailto:",
        "mailto: <a@example.com>",
        "mailto:<a@example.com>",
        "mailto:a b@example.com",
        "mailto:a@localhost",
        "mailto:a@example",
        "mailto:mailto:a@example.com",
        "mailto:a@example.com,b@example.com",
        "mailto:a@example.com\n",
        "mailto:a@127.0.0.1",
        "http://example.com",
        "https://localhost",
        "https://",
        "https://[::1",
        "https://exa mple.com",
        "tel:123",
        "mailto:" + "a" * 300 + "@example.com",
    ],
)
def test_a_contact_that_apple_refuses_is_refused_here(subject: str) -> None:
    with pytest.raises(InvalidSubject):
        VapidSigner(PAIR.private_key, subject)


def test_a_private_key_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidKey, match="32 octets"):
        VapidSigner(b"short", "mailto:a@example.com")


def test_a_token_in_order_gives_signer_and_claims() -> None:
    claims = verify(_signer().authorization(ORIGIN, NOW), origin=ORIGIN, now=NOW + 1, public_key=PAIR.public_key)

    assert claims.public_key == PAIR.public_key
    assert (claims.audience, claims.expires) == (ORIGIN, NOW + 12 * HOUR)
    assert claims.subject == "mailto:push@shop.example"


def test_an_audience_may_be_a_list_and_the_subject_may_be_missing() -> None:
    value = _made({"aud": ["https://other.example", ORIGIN], "exp": NOW + HOUR})

    assert verify(value, origin=ORIGIN, now=NOW).subject is None


UNSIGNED = b64url(b'{"alg":"none"}')
GOOD: dict[str, object] = {"aud": ORIGIN, "exp": NOW + HOUR}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        ("", "missing"),
        ("Basic abc", "missing"),
        ("vapid", "malformed"),
        (f"vapid k={b64url(PAIR.public_key)}", "malformed"),
        ("vapid t=a.b.c", "malformed"),
        ("vapid t=a.b.c, k=AAAA", "malformed"),
        (f"vapid t=abc, k={b64url(PAIR.public_key)}", "malformed"),
        (f"vapid t=ä.b.c, k={b64url(PAIR.public_key)}", "malformed"),
        (f"vapid t={b64url(b'[]')}.e30.AA, k={b64url(PAIR.public_key)}", "malformed"),
        (f"vapid t={UNSIGNED}.e30.AA, k={b64url(PAIR.public_key)}", "malformed"),
        (_made(GOOD).replace("t=", "t=x"), "malformed"),
        (_made(GOOD, KeyPair.generate().ec_private_key()), "signature"),
        (_made({"aud": ORIGIN}), "malformed"),
        (_made({**GOOD, "exp": "soon"}), "malformed"),
        (_made({**GOOD, "exp": True}), "malformed"),
        (_made({**GOOD, "exp": NOW - 1}), "expired"),
        (_made({**GOOD, "exp": NOW + 24 * HOUR + 1}), "too_long"),
        (_made({**GOOD, "aud": "https://elsewhere.example"}), "audience"),
        (_made({"exp": NOW + HOUR}), "audience"),
    ],
)
def test_a_token_that_a_push_service_refuses_is_refused_at_the_right_check(value: str | None, code: str) -> None:
    with pytest.raises(VapidRefused) as raised:
        verify(value, origin=ORIGIN, now=NOW)

    assert raised.value.code == code


def test_a_token_of_another_key_than_subscribed_with_is_a_mismatch() -> None:
    with pytest.raises(VapidRefused) as raised:
        verify(_made(GOOD), origin=ORIGIN, now=NOW, public_key=KeyPair.generate().public_key)

    assert raised.value.code == "key_mismatch"
