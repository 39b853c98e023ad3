"""RFC 8291: first its own vector, then an independent implementation as oracle in both directions."""

import http_ece
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from pywebpush import WebPusher

from pushplatform.webpush.encryption import (
    MAX_PLAINTEXT,
    DecryptionFailed,
    PayloadTooLarge,
    decrypt,
    encrypt,
)
from pushplatform.webpush.keys import InvalidKey, KeyPair, b64url, b64url_decode, new_private_key, public_octets

# RFC 8291 §5 and appendix A
PLAINTEXT = b"When I grow up, I want to be a watermelon"
SENDER = b64url_decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
RECEIVER = b64url_decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
RECEIVER_PUBLIC = b64url_decode(
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
SALT = b64url_decode("DGv6ra1nlYgDCS1FRnbzlw")
AUTH = b64url_decode("BTBZMqHH6r4Tts7J_aSIgg")
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

BROWSER = KeyPair.from_private(RECEIVER)
octets16 = st.binary(min_size=16, max_size=16)
plaintexts = st.integers(1, MAX_PLAINTEXT).flatmap(lambda size: st.binary(min_size=size, max_size=size))


def test_the_vector_of_rfc_8291_comes_out_octet_for_octet() -> None:
    sender = KeyPair.from_private(SENDER).ec_private_key()

    body = encrypt(PLAINTEXT, RECEIVER_PUBLIC, AUTH, salt=SALT, private_key=sender)

    assert b64url(body) == BODY


def test_the_vector_of_rfc_8291_is_read_back() -> None:
    assert decrypt(b64url_decode(BODY), private_key=BROWSER, auth=AUTH) == PLAINTEXT
    assert decrypt(b64url_decode(BODY), private_key=BROWSER.ec_private_key(), auth=AUTH) == PLAINTEXT


@settings(max_examples=60, deadline=None)
@given(plaintext=st.one_of(st.just(b""), plaintexts), salt=octets16, auth=octets16)
def test_what_we_encrypt_http_ece_decrypts(plaintext: bytes, salt: bytes, auth: bytes) -> None:
    body = encrypt(plaintext, BROWSER.public_key, auth, salt=salt, private_key=new_private_key())

    assert len(body) == len(plaintext) + 103
    assert http_ece.decrypt(body, private_key=BROWSER.ec_private_key(), auth_secret=auth) == plaintext


@settings(max_examples=60, deadline=None)
@given(plaintext=plaintexts, salt=octets16, auth=octets16)
def test_what_http_ece_encrypts_we_decrypt(plaintext: bytes, salt: bytes, auth: bytes) -> None:
    # Not the empty text: http_ece makes no record of it, which RFC 8188 §2 asks for.
    body = http_ece.encrypt(
        plaintext, salt=salt, private_key=new_private_key(), dh=BROWSER.public_key, auth_secret=auth
    )

    assert decrypt(body, private_key=BROWSER, auth=auth) == plaintext


def test_what_pywebpush_encrypts_we_decrypt() -> None:
    keys = {"p256dh": b64url(BROWSER.public_key), "auth": b64url(AUTH)}

    body = WebPusher({"endpoint": "https://push.example", "keys": keys}).encode(PLAINTEXT)["body"]

    assert decrypt(body, private_key=BROWSER, auth=AUTH) == PLAINTEXT


def test_the_largest_plaintext_makes_a_body_of_4096_octets() -> None:
    body = encrypt(b"x" * 3993, BROWSER.public_key, AUTH, salt=SALT, private_key=new_private_key())

    assert len(body) == 4096
    assert decrypt(body, private_key=BROWSER, auth=AUTH) == b"x" * 3993


def test_one_octet_more_is_too_large() -> None:
    with pytest.raises(PayloadTooLarge, match="3994 octets; at most 3993") as raised:
        encrypt(b"x" * 3994, BROWSER.public_key, AUTH, salt=SALT, private_key=new_private_key())

    assert raised.value.size == 3994


def _body_of_record(record: bytes) -> bytes:
    """A body whose one record holds just these octets, delimiter and padding included."""
    sender = new_private_key()
    point = public_octets(sender.public_key())
    key, nonce = http_ece.derive_key(
        "encrypt", "aes128gcm", SALT, None, sender, BROWSER.public_key, AUTH, point, "P-256"
    )
    return SALT + (4096).to_bytes(4, "big") + b"\x41" + point + AESGCM(key).encrypt(nonce, record, None)


def test_padding_is_taken_off() -> None:
    body = _body_of_record(b"short\x02" + bytes(100))

    assert decrypt(body, private_key=BROWSER, auth=AUTH) == b"short"


def test_a_record_without_its_delimiter_is_refused() -> None:
    with pytest.raises(DecryptionFailed, match="delimiter 2"):
        decrypt(_body_of_record(b"short\x01"), private_key=BROWSER, auth=AUTH)


def test_trailing_zeros_of_the_text_stay() -> None:
    body = encrypt(b"end\0\0", BROWSER.public_key, AUTH, salt=SALT, private_key=new_private_key())

    assert decrypt(body, private_key=BROWSER, auth=AUTH) == b"end\0\0"


@pytest.mark.parametrize(("salt", "auth"), [(SALT[:15], AUTH), (SALT, AUTH + b"x"), (b"", AUTH)])
def test_a_salt_or_secret_of_another_length_is_refused(salt: bytes, auth: bytes) -> None:
    with pytest.raises(ValueError, match="16 octets"):
        encrypt(PLAINTEXT, BROWSER.public_key, auth, salt=salt, private_key=new_private_key())


def test_a_browser_key_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the text is OpenSSL's
        encrypt(PLAINTEXT, b"\x04" + b"\x01" * 64, AUTH, salt=SALT, private_key=new_private_key())


@pytest.mark.parametrize("position", [0, 30, 90, -1])
def test_a_body_changed_on_the_way_does_not_decrypt(position: int) -> None:
    body = bytearray(b64url_decode(BODY))
    body[position] ^= 1

    with pytest.raises(DecryptionFailed):
        decrypt(bytes(body), private_key=BROWSER, auth=AUTH)


def test_a_body_for_another_browser_or_secret_does_not_decrypt() -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(b64url_decode(BODY), private_key=KeyPair.generate(), auth=AUTH)
    with pytest.raises(DecryptionFailed):
        decrypt(b64url_decode(BODY), private_key=BROWSER, auth=bytes(16))


def test_more_than_one_record_is_refused_as_browsers_do() -> None:
    body = http_ece.encrypt(
        b"x" * 200, salt=SALT, private_key=new_private_key(), dh=BROWSER.public_key, auth_secret=AUTH, rs=100
    )

    with pytest.raises(DecryptionFailed, match="more than one record"):
        decrypt(body, private_key=BROWSER, auth=AUTH)


@pytest.mark.parametrize("body", [b"", b"x" * 102, b"x" * 20 + b"\x10" + b"x" * 200])
def test_what_is_no_body_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(body, private_key=BROWSER, auth=AUTH)


def test_invalid_key_is_a_value_error_that_names_its_field() -> None:
    error = InvalidKey("p256dh", "is short")

    assert (error.field, str(error)) == ("p256dh", "p256dh: is short")
