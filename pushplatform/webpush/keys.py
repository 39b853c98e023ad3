"""P-256 keys of browsers and of Sites, and base64url text (RFC 4648 §5).

Everything that enters from outside is checked here once: lengths, the curve, the match of public and private half.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

CURVE = ec.SECP256R1()
PUBLIC_KEY_OCTETS = 65
PRIVATE_KEY_OCTETS = 32
AUTH_OCTETS = 16


class InvalidKey(ValueError):
    """A key that cannot be used; `field` names the input that carried it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


def b64url(data: bytes) -> str:
    """Base64url text of `data`, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Octets of base64url text, padded or not, or in the standard alphabet; raises ValueError for anything else."""
    stripped = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(stripped) % 4 == 1 or len(text) - len(stripped) > 2:
        raise ValueError("not base64url")
    try:
        return binascii.a2b_base64(stripped.encode("ascii") + b"=" * (-len(stripped) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64url") from error


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key, as `encrypt` wants one for each message (RFC 8291 §3.1)."""
    return ec.generate_private_key(CURVE)


def public_octets(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 octets of the uncompressed point (X9.62 §4.3.6)."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def parse_public_key(octets: bytes, *, field: str = "public_key") -> ec.EllipticCurvePublicKey:
    """The public key of 65 uncompressed octets; raises InvalidKey when they are not a point of the curve."""
    if len(octets) != PUBLIC_KEY_OCTETS or octets[0] != 4:
        raise InvalidKey(
            field, f"must be {PUBLIC_KEY_OCTETS} octets that begin with 0x04 (an uncompressed P-256 point)"
        )
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, octets)
    except ValueError as error:
        raise InvalidKey(field, "is not a point of the curve P-256") from error


@dataclass(frozen=True, slots=True)
class SubscriptionKeys:
    """The two keys of a push subscription: `p256dh` (65 octets, on the curve) and `auth` (16 octets)."""

    p256dh: bytes
    auth: bytes = field(repr=False)

    @classmethod
    def parse(cls, p256dh: str, auth: str) -> Self:
        """Checked keys from the base64url texts of PushSubscription.toJSON(); raises InvalidKey."""
        point = _decode_field("p256dh", p256dh)
        parse_public_key(point, field="p256dh")
        secret = _decode_field("auth", auth)
        if len(secret) != AUTH_OCTETS:
            raise InvalidKey("auth", f"must be {AUTH_OCTETS} octets, not {len(secret)}")
        return cls(point, secret)


@dataclass(frozen=True)
class KeyPair:
    """A P-256 key pair: `private_key` 32 octets (big endian), `public_key` 65 octets."""

    private_key: bytes = field(repr=False)
    public_key: bytes

    @classmethod
    def generate(cls) -> Self:
        """A new pair."""
        return cls._of(new_private_key())

    @classmethod
    def from_private(cls, raw: bytes) -> Self:
        """The pair of a private key of 32 octets; raises InvalidKey when out of range."""
        if len(raw) != PRIVATE_KEY_OCTETS:
            raise InvalidKey("private_key", f"must be {PRIVATE_KEY_OCTETS} octets, not {len(raw)}")
        try:
            return cls._of(ec.derive_private_key(int.from_bytes(raw, "big"), CURVE))
        except ValueError as error:
            raise InvalidKey("private_key", "is out of range for P-256") from error

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The pair of a private key as PEM, base64 DER, 32 octets in base64url, or JWK; raises InvalidKey."""
        text = text.strip()
        if text.startswith("{"):
            return cls._from_jwk(text)
        if text.startswith("-----BEGIN"):
            return cls._load(serialization.load_pem_private_key, text.encode())
        octets = _decode_field("private_key", "".join(text.split()))
        if len(octets) == PRIVATE_KEY_OCTETS:
            return cls.from_private(octets)
        return cls._load(serialization.load_der_private_key, octets)

    def ec_private_key(self) -> ec.EllipticCurvePrivateKey:
        """The private key as an object of `cryptography`."""
        return ec.derive_private_key(int.from_bytes(self.private_key, "big"), CURVE)

    @classmethod
    def _of(cls, key: ec.EllipticCurvePrivateKey) -> Self:
        number = key.private_numbers().private_value
        return cls(number.to_bytes(PRIVATE_KEY_OCTETS, "big"), public_octets(key.public_key()))

    @classmethod
    def _load(cls, loader: Any, data: bytes) -> Self:
        try:
            key = loader(data, password=None)
        except TypeError as error:
            raise InvalidKey("private_key", "is encrypted with a passphrase; remove it first") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidKey("private_key", "is neither PEM, base64 DER, 32 octets in base64url, nor JWK") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InvalidKey("private_key", "is not a key of the curve P-256")
        return cls._of(key)

    @classmethod
    def _from_jwk(cls, text: str) -> Self:
        try:
            jwk = json.loads(text)
        except ValueError as error:
            raise InvalidKey("private_key", "is not valid JSON") from error
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or not isinstance(jwk.get("d"), str):
            raise InvalidKey("private_key", 'must be a JWK with kty "EC", crv "P-256" and d')
        pair = cls.from_private(_decode_field("private_key", jwk["d"]).rjust(PRIVATE_KEY_OCTETS, b"\0"))
        stated = [_decode_field("private_key", jwk[name]) for name in ("x", "y") if isinstance(jwk.get(name), str)]
        if stated and b"\x04" + b"".join(stated) != pair.public_key:
            raise InvalidKey("private_key", "has x and y that do not belong to its d")
        return pair


def _decode_field(field: str, text: str) -> bytes:
    try:
        return b64url_decode(text)
    except ValueError as error:
        raise InvalidKey(field, "is not base64url text") from error
