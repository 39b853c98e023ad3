"""Secrets that must be readable again: encrypted in the database under SECRET_KEYS.

The first key encrypts, every key decrypts; `manage.py rotate_secrets` writes all of them anew under the first.
"""

import base64
import hashlib
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    # SECRET_KEYS are long random texts, so one hash is enough to make a key of the right length of each.
    digests = (hashlib.sha256(b"pushplatform secrets\0" + key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def encrypt(secret: bytes) -> bytes:
    return _fernet(tuple(settings.SECRET_KEYS)).encrypt(secret)


def decrypt(token: bytes) -> bytes:
    """The secret in `token`; raises ImproperlyConfigured where no key of SECRET_KEYS fits."""
    try:
        return _fernet(tuple(settings.SECRET_KEYS)).decrypt(bytes(token))
    except InvalidToken:
        raise ImproperlyConfigured(
            "SECRET_KEYS: none of the keys decrypts a secret of the database. Add the key it was encrypted under."
        ) from None


class EncryptedField(models.BinaryField):
    """Bytes that are encrypted at rest and plain in Python. Never shown by the admin, never part of a repr."""

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(None if value is None else encrypt(bytes(value)), connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> bytes | None:
        return None if value is None else decrypt(value)
