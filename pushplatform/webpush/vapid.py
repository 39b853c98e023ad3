"""Voluntary application server identification (RFC 8292): the token that says who sends, made and checked."""

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from py_vapid import jwt

from pushplatform.webpush.keys import InvalidKey, KeyPair, b64url, b64url_decode, parse_public_key

LIFETIME: Final = 12 * 3600
"""Seconds until a token expires: half of the 24 hours allowed, so that a skewed clock does no harm (RFC 8292 §2)."""

RENEWAL: Final = 6 * 3600
"""Seconds a token is used before a new one is signed. Apple: not more than one an hour."""

MAX_LIFETIME: Final = 24 * 3600
MAX_SUBJECT: Final = 255
_CLOCK_STEP: Final = 3600
_CACHED_ORIGINS: Final = 1024

_DOMAIN: Final = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
_MAIL = re.compile(r"[^\s<>@,;:\"()\[\]\\]+@" + _DOMAIN, re.IGNORECASE)
_NAME = re.compile(_DOMAIN, re.IGNORECASE)


class InvalidSubject(ValueError):
    """A contact address that push services refuse."""


class VapidRefused(ValueError):
    """An Authorization header that a push service refuses; `code` says at which check.

    Codes: missing, malformed, signature, expired, too_long, audience, key_mismatch.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check_subject(subject: str) -> str:
    """The subject when Apple, the strictest, takes it: `mailto:name@domain` or an https URL; else InvalidSubject."""
    if len(subject) > MAX_SUBJECT:
        raise InvalidSubject(f"is longer than {MAX_SUBJECT} characters")
    if subject.startswith("mailto:"):
        if not _MAIL.fullmatch(subject[7:]):
            raise InvalidSubject(
                "write mailto:name@example.com: one plain address with a full domain, no spaces or brackets"
            )
        return subject
    if not subject.startswith("https://") or not re.fullmatch(r"[\x21-\x7e]+", subject):
        raise InvalidSubject("must begin with mailto: or https://")
    try:
        host = urlsplit(subject).hostname or ""
    except ValueError as error:
        raise InvalidSubject("is not a valid https address") from error
    if not _NAME.fullmatch(host):
        raise InvalidSubject("the https address needs a full domain name")
    return subject


class VapidSigner:
    """Signs as one key pair and contact, one token per push service and some hours (RFC 8292 §5 asks for reuse)."""

    def __init__(self, private_key: bytes, subject: str) -> None:
        """`private_key`: 32 octets. Raises InvalidKey or InvalidSubject."""
        pair = KeyPair.from_private(private_key)
        self.public_key = pair.public_key
        self._key = pair.ec_private_key()
        self._subject = check_subject(subject)
        self._k = b64url(pair.public_key)
        self._cache: dict[str, tuple[str, int]] = {}

    def authorization(self, origin: str, now: int) -> str:
        """Value of the Authorization header for a push service's `origin` at `now` (Unix seconds)."""
        cached = self._cache.get(origin)
        if cached is not None and -_CLOCK_STEP < now - cached[1] < RENEWAL:
            return cached[0]
        claims = {"aud": origin, "exp": now + LIFETIME, "sub": self._subject}
        value = f"vapid t={jwt.sign(claims, self._key)}, k={self._k}"
        if len(self._cache) >= _CACHED_ORIGINS:
            del self._cache[next(iter(self._cache))]
        self._cache[origin] = value, now
        return value


@dataclass(frozen=True, slots=True)
class VapidClaims:
    """What a checked token says: signer (65 octets), audience, expiry (Unix seconds), contact."""

    public_key: bytes
    audience: str
    expires: int
    subject: str | None


def verify(authorization: str | None, *, origin: str, now: int, public_key: bytes | None = None) -> VapidClaims:
    """The claims of an Authorization header, checked as a push service does (RFC 8292 §2 and §4.2).

    `origin`: of the push service; `public_key`: the key named when subscribing, None for an unrestricted subscription.
    Raises VapidRefused.
    """
    token, key_text = _parameters(authorization)
    try:
        signer = b64url_decode(key_text)
        parse_public_key(signer)
    except (InvalidKey, ValueError) as error:
        raise VapidRefused("malformed", "k is not a P-256 public key in base64url") from error
    claims = _signed_claims(token, signer)
    expires, audience = claims.get("exp"), claims.get("aud")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise VapidRefused("malformed", "the token has no exp")
    if now > expires:
        raise VapidRefused("expired", "the token has expired")
    if expires - now > MAX_LIFETIME:
        raise VapidRefused("too_long", "exp is more than 24 hours away")
    if origin not in (audience if isinstance(audience, list) else [audience]):
        raise VapidRefused("audience", "aud is not the origin of this push service")
    if public_key is not None and signer != public_key:
        raise VapidRefused("key_mismatch", "k is not the key the subscription was made with")
    subject = claims.get("sub")
    return VapidClaims(signer, origin, int(expires), subject if isinstance(subject, str) else None)


def _parameters(authorization: str | None) -> tuple[str, str]:
    scheme, _, rest = (authorization or "").strip().partition(" ")
    if scheme.lower() != "vapid":
        raise VapidRefused("missing", "an Authorization header of scheme vapid is needed")
    pairs = [part.strip().partition("=") for part in rest.split(",")]
    named = {name.lower(): value.strip('"') for name, _, value in pairs}
    if not named.get("t") or not named.get("k"):
        raise VapidRefused("malformed", "the Authorization header needs t and k")
    return named["t"], named["k"]


def _signed_claims(token: str, signer: bytes) -> dict[str, object]:
    parts = token.split(".")
    try:
        header = json.loads(b64url_decode(parts[0]))
        if len(parts) != 3 or not isinstance(header, dict) or header.get("alg") != "ES256":
            raise VapidRefused("malformed", "t is not a JWT of alg ES256")
        claims = jwt.decode(token, b64url(signer))
    except InvalidSignature as error:
        raise VapidRefused("signature", "the signature does not belong to k") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, VapidRefused):
            raise
        raise VapidRefused("malformed", "t is not a JWT") from error
    if not isinstance(claims, dict):
        raise VapidRefused("malformed", "the claims are not an object")
    return claims
