import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from pushplatform.webpush.keys import (
    InvalidKey,
    KeyPair,
    SubscriptionKeys,
    b64url,
    b64url_decode,
    parse_public_key,
)

PAIR = KeyPair.from_private(bytes(31) + b"\x07")
PEM = PAIR.ec_private_key().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
DER = PAIR.ec_private_key().private_bytes(
    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "d": b64url(PAIR.private_key),
    "x": b64url(PAIR.public_key[1:33]),
    "y": b64url(PAIR.public_key[33:]),
}


@given(st.binary(max_size=100))
def test_base64url_is_read_with_and_without_padding_and_in_the_standard_alphabet(data: bytes) -> None:
    text = b64url(data)

    assert "=" not in text
    assert b64url_decode(text) == data
    assert b64url_decode(text + "=" * (-len(text) % 4)) == data
    assert b64url_decode(text.replace("-", "+").replace("_", "/")) == data


@pytest.mark.parametrize("text", ["a", "ab cd", "ab\ncd", "äbcd", "ab.d", "abc===", "=abc", "ab=c"])
def test_what_is_not_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64url"):
        b64url_decode(text)


def test_a_browsers_keys_are_parsed() -> None:
    keys = SubscriptionKeys.parse(b64url(PAIR.public_key) + "=", b64url(b"a" * 16))

    assert keys == SubscriptionKeys(PAIR.public_key, b"a" * 16)


@pytest.mark.parametrize(
    ("p256dh", "auth", "field", "detail"),
    [
        ("???", "YQ", "p256dh", "is not base64url text"),
        (b64url(PAIR.public_key[:64]), "YQ", "p256dh", "must be 65 octets"),
        (b64url(b"\x02" + PAIR.public_key[1:33]), "YQ", "p256dh", "must be 65 octets"),
        (b64url(b"\x04" + bytes(64)), "YQ", "p256dh", "is not a point of the curve"),
        (b64url(PAIR.public_key), "!", "auth", "is not base64url text"),
        (b64url(PAIR.public_key), b64url(b"a" * 15), "auth", "must be 16 octets, not 15"),
    ],
)
def test_a_bad_browser_key_is_refused_by_its_field(p256dh: str, auth: str, field: str, detail: str) -> None:
    with pytest.raises(InvalidKey, match=detail) as raised:
        SubscriptionKeys.parse(p256dh, auth)

    assert raised.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        PEM.decode(),
        b64url(DER),
        "\n".join(PEM.decode().splitlines()[1:-1]),
        b64url(PAIR.private_key),
        f"  {b64url(PAIR.private_key)}=\n",
        json.dumps(JWK),
        json.dumps({name: value for name, value in JWK.items() if name not in "xy"}),
    ],
    ids=["pem", "der", "der-in-lines", "raw", "raw-padded", "jwk", "jwk-without-point"],
)
def test_a_private_key_is_read_in_every_form_people_have_it_in(text: str) -> None:
    assert KeyPair.from_text(text) == PAIR


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock).decode()


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "neither PEM"),
        ("hello, key", "not base64url"),
        (b64url(b"x" * 31), "neither PEM"),
        (b64url(bytes(32)), "out of range"),
        (b64url(b"\xff" * 32), "out of range"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "neither PEM"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "not a key of the curve P-256"),
        (_pem(rsa.generate_private_key(65537, 2048)), "not a key of the curve P-256"),
        (_pem(PAIR.ec_private_key(), b"secret"), "passphrase"),
        ("{not json", "not valid JSON"),
        (json.dumps({**JWK, "crv": "P-384"}), "must be a JWK"),
        (json.dumps({**JWK, "d": b64url(bytes(31) + b"\x08")}), "do not belong to its d"),
        (json.dumps({**JWK, "x": "AA"}), "do not belong to its d"),
    ],
)
def test_a_private_key_that_cannot_be_used_is_refused_with_what_is_wrong(text: str, detail: str) -> None:
    with pytest.raises(InvalidKey, match=detail) as raised:
        KeyPair.from_text(text)

    assert raised.value.field == "private_key"


def test_generated_pairs_differ_and_hold_together() -> None:
    one, other = KeyPair.generate(), KeyPair.generate()

    assert one.private_key != other.private_key
    assert KeyPair.from_private(one.private_key) == one
    assert len(one.public_key) == 65
    parse_public_key(one.public_key)


def test_secrets_do_not_show_when_keys_are_printed() -> None:
    keys = SubscriptionKeys(PAIR.public_key, b"sixteen secrets!")

    assert "private_key" not in repr(PAIR)
    assert "secrets" not in repr(keys)
