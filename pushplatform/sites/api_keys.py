"""API keys: `pp_<prefix>_<secret>`. The prefix finds the row, the secret is kept as its SHA-256 only.

A fast hash is right here: the secret is 32 random octets, so there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from pushplatform.sites.models import ApiClient, ApiKey


class MadeKey(NamedTuple):
    key: ApiKey
    text: str
    """What the CRM is given; it can never be shown again."""


def make_key(
    client: ApiClient,
    *,
    expires_at: datetime | None = None,
    allowed_addresses: list[str] | None = None,
    per_minute: int | None = None,
) -> MadeKey:
    """A new key of this client. `expires_at`: None never; `allowed_addresses`: CIDR ranges, none allows all;
    `per_minute`: units of the rate limit, None for what the settings say."""
    prefix = b32encode(secrets.token_bytes(5)).decode("ascii").lower()
    secret = secrets.token_hex(32)
    key = ApiKey.objects.create(
        client=client,
        prefix=prefix,
        secret_hash=hash_secret(secret),
        expires_at=expires_at,
        allowed_addresses=allowed_addresses or [],
        per_minute=per_minute,
    )
    return MadeKey(key, f"pp_{prefix}_{secret}")


def hash_secret(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def find_key(text: str) -> ApiKey | None:
    """The key that this text is, with its client and Site, also when revoked or expired; None when there is none."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    if mark != "pp" or not prefix or len(prefix) > 16 or not text.isascii() or not text.isprintable():
        return None
    key = (
        ApiKey.objects.select_related("client__site")
        # Not needed to answer, and two decryptions each time.
        .defer("client__site__identity_secret", "client__site__receipt_secret")
        .filter(prefix=prefix)
        .first()
    )
    given = hash_secret(secret)
    if key is None or not hmac.compare_digest(given, bytes(key.secret_hash)):
        return None
    return key


def is_allowed_from(key: ApiKey, address: str) -> bool:
    """Whether the key may be used from this IP address; an unknown address passes only a key without ranges."""
    if not key.allowed_addresses:
        return True
    try:
        client = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)  # a dual-stack socket shows IPv4 callers as ::ffff:a.b.c.d
    return any((mapped or client) in ip_network(range_, strict=False) for range_ in key.allowed_addresses)


def note_use(key: ApiKey, now: datetime) -> None:
    """Remembers the day of the last use, written once a day."""
    today = now.date()
    if key.last_used_on is None or key.last_used_on < today:
        ApiKey.objects.filter(pk=key.pk).update(last_used_on=today)


def change_key(
    key: ApiKey, *, expires_at: datetime | None, allowed_addresses: list[str], per_minute: int | None
) -> bool:
    """Changes what a key that was not revoked may do; whether there was one. It is obeyed by the next call."""
    changes = {"expires_at": expires_at, "allowed_addresses": allowed_addresses, "per_minute": per_minute}
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(**changes))


def revoke_key(key: ApiKey, now: datetime) -> bool:
    """Ends a key for good; whether it was not ended before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))
