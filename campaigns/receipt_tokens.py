"""Signed tokens in a push: one for the worker's reports, another for the click redirect.

A token is base64url of: the Site's number (4 octets), one AES block of message id and device reference (so that it
tells no counts), and 12 octets of an HMAC-SHA256 over the Site and both numbers: the first 12 for reports, the next 12
for clicks. The same device of the same Message always gets the same tokens, also when it is sent again.
"""

import hmac
import struct
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.db import connection

from pushplatform.sites.models import Site

TOKEN_LENGTH: Final = 43
"""Characters."""

# Which octets of the HMAC sign a kind of token.
_RECEIPT: Final = slice(0, 12)
_CLICK: Final = slice(12, 24)
_KEEP_SECONDS: Final = 300.0
"""How long a Site's secret is kept in memory."""
_DOUBT_SECONDS: Final = 1.0
"""A token that does not fit makes us read a secret older than this again: it may have been changed."""

_site = struct.Struct(">I")
_numbers = struct.Struct(">qq")
_signed = struct.Struct(">Iqq")
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class TokenSubject(NamedTuple):
    """Whom a genuine token speaks of. `device_ref`: a device's id, or a negative pseudonym within this message."""

    site_id: int
    message_id: int
    device_ref: int


def device_ref(ref_secret: bytes | None, device_id: int, measured: bool) -> int:
    """What stands for a device in receipts: its id, or without `measurement` −(63 bits of HMAC(ref_secret, id)).

    `ref_secret` may be None only for a measured device.
    """
    if measured:
        return device_id
    if ref_secret is None:
        raise ValueError("a device that is not measured needs the message's ref_secret")
    digest = hmac.digest(ref_secret, device_id.to_bytes(8, "big"), "sha256")
    return -(int.from_bytes(digest[:8], "big") >> 1 or 1)


class Tokens:
    """Makes and checks the tokens of one Site under its `receipt_secret`. Not to be shared between threads."""

    __slots__ = ("_aes", "_mac", "_prefix", "site_id")

    def __init__(self, secret: bytes, site_id: int):
        self.site_id = site_id
        self._prefix = _site.pack(site_id)
        self._mac = hmac.digest(secret, b"push receipt token: signature", "sha256")
        # One block per token under a key of its own: ECB of single blocks is AES itself, there is no pattern to show.
        key = hmac.digest(secret, b"push receipt token: block", "sha256")[:16]
        cipher = Cipher(algorithms.AES(key), modes.ECB())
        self._aes = (cipher.encryptor(), cipher.decryptor())

    def receipt(self, message_id: int, device_ref: int) -> str:
        """The token that `received`, `shown`, `clicked` and `closed` are reported with."""
        return self.both(message_id, device_ref)[0].decode("ascii")

    def click(self, message_id: int, device_ref: int) -> str:
        """The token of `/c/{token}`."""
        return self.both(message_id, device_ref)[1].decode("ascii")

    def both(self, message_id: int, device_ref: int) -> tuple[bytes, bytes]:
        """The receipt token and the click token, in ASCII: made together, as each push needs both."""
        subject = self._prefix + self._aes[0].update(_numbers.pack(message_id, device_ref))
        mac = self._sign(message_id, device_ref)
        # 32 octets and a zero are 44 characters, of which the last is none of the token's.
        raw = b"".join((subject, mac[_RECEIPT], b"\0", subject, mac[_CLICK], b"\0"))
        text = b2a_base64(raw, newline=False).translate(_URL_SAFE)
        return text[:TOKEN_LENGTH], text[TOKEN_LENGTH + 1 : -1]

    def _sign(self, message_id: int, device_ref: int) -> bytes:
        return hmac.digest(self._mac, _signed.pack(self.site_id, message_id, device_ref), "sha256")

    def open(self, kind: slice, raw: bytes) -> TokenSubject | None:
        """The subject of a decoded token of this Site, None when it was not made with our secret."""
        message_id, ref = _numbers.unpack(self._aes[1].update(raw[4:20]))
        if not hmac.compare_digest(self._sign(message_id, ref)[kind], raw[20:]):
            return None
        return TokenSubject(self.site_id, message_id, ref)


def parse_receipts(tokens: Sequence[str]) -> list[TokenSubject | None]:
    """The subjects of receipt tokens, None for each that is unknown or forged; at most one query for all."""
    return _parse(_RECEIPT, tokens)


def parse_click(token: str) -> TokenSubject | None:
    return _parse(_CLICK, [token])[0]


@dataclass(slots=True)
class _Kept:
    tokens: Tokens
    read_at: float


# Kept by database, so that a process which changes databases (tests) never signs with another one's secret.
_kept: dict[tuple[str, int], _Kept] = {}
_lock = Lock()


def _parse(kind: slice, tokens: Sequence[str]) -> list[TokenSubject | None]:
    raws = [_decode(token) for token in tokens]
    with _lock:
        now = monotonic()
        subjects = [_open(kind, raw, now - _KEEP_SECONDS) for raw in raws]
        failed = [i for i, raw in enumerate(raws) if raw is not None and subjects[i] is None]
        if failed and _read_secrets({_site_of(raws[i]) for i in failed}, now):
            for i in failed:
                subjects[i] = _open(kind, raws[i], now - _KEEP_SECONDS)
        return subjects


def _decode(token: str) -> bytes | None:
    if len(token) != TOKEN_LENGTH or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=")
    except NotBase64:
        return None
    return raw if len(raw) == 32 else None


def _site_of(raw: bytes | None) -> int:
    return int(_site.unpack_from(raw or bytes(4))[0])


def _open(kind: slice, raw: bytes | None, read_after: float) -> TokenSubject | None:
    if raw is None:
        return None
    kept = _kept.get((_database(), _site_of(raw)))
    return kept.tokens.open(kind, raw) if kept is not None and kept.read_at > read_after else None


def _read_secrets(site_ids: set[int], now: float) -> bool:
    """Reads the secrets of these Sites that are not fresh; whether there was anything to read."""
    database = _database()
    stale = [
        site_id
        for site_id in site_ids
        if (kept := _kept.get((database, site_id))) is None or kept.read_at < now - _DOUBT_SECONDS
    ]
    if not stale:
        return False
    found = Site.objects.filter(id__in=stale).values_list("id", "receipt_secret")
    for site_id, secret in found:
        _kept[database, site_id] = _Kept(Tokens(bytes(secret), site_id), now)
    return True


def _database() -> str:
    return str(connection.settings_dict["NAME"])
