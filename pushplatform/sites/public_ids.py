"""Public ids: a row's number and its kind through one AES block, in base32. Unguessable, and they tell no counts.

`msg_…` has the 26 characters of 16 octets: 8 zero octets and the kind make a check of 56 bits and more.
"""

import base64
import binascii
import hmac
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.db import connection

from pushplatform.sites.models import PublicIdKey

KINDS = {"msg": 1, "dev": 2, "cmp": 3, "seg": 4, "whk": 5, "site": 6, "wrd": 7, "lst": 8}


class UnknownId(ValueError):
    """The text is no public id of this kind."""


@lru_cache(maxsize=8)
def _key(database: str) -> bytes:
    return bytes(PublicIdKey.objects.get(id=1).key)


@lru_cache(maxsize=8)
def _cipher(database: str) -> Cipher[Any]:
    # A single block under a random key: ECB of one block is AES itself, there is no pattern to show.
    return Cipher(algorithms.AES(_key(database)), modes.ECB())


def _current() -> Cipher[Any]:
    return _cipher(str(connection.settings_dict["NAME"]))


def encode(kind: str, number: int) -> str:
    """The public id of row `number`, for example `encode("msg", 7)`."""
    block = KINDS[kind].to_bytes(8, "big") + number.to_bytes(8, "big")
    return f"{kind}_{_text(_current().encryptor().update(block))}"


def decode(kind: str, text: str) -> int:
    """The row's number; raises UnknownId for anything that `encode` did not make for this kind."""
    prefix, _, rest = text.partition("_")
    if prefix != kind or len(rest) != 26:
        raise UnknownId(f"not a {kind}_ id")
    try:
        block = base64.b32decode(rest.upper() + "======")
    except (binascii.Error, ValueError):
        raise UnknownId(f"not a {kind}_ id") from None
    if _text(block) != rest:  # base32 has two spare bits at the end, and knows both cases: one id, one spelling
        raise UnknownId(f"not a {kind}_ id")
    plain = _current().decryptor().update(block)
    if plain[:8] != KINDS[kind].to_bytes(8, "big"):
        raise UnknownId(f"not a {kind}_ id")
    return int.from_bytes(plain[8:], "big")


def digest(text: str) -> bytes:
    """HMAC-SHA256 of `text` under the same key: recognises a text for as long as the database lives."""
    return hmac.digest(_key(str(connection.settings_dict["NAME"])), text.encode(), "sha256")


def _text(block: bytes) -> str:
    return base64.b32encode(block).decode().rstrip("=").lower()
