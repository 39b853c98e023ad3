"""What a shop's own server has to do for the platform: sign who is signed in, and nothing else."""

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Proof that the shop has signed this person in; `issued_at` in Unix seconds, good for an hour."""

    external_id: str
    issued_at: int
    signature: str


def sign_identity(site: str, external_id: str, issued_at: int, secret: str) -> Identity:
    """Sign with the Site's identity secret: hex HMAC-SHA256 of `v1.<site>.<external_id>.<issued_at>`."""
    text = f"v1.{site}.{external_id}.{issued_at}"
    return Identity(external_id, issued_at, hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest())


def seal(text: str, secret: str) -> str:
    """A cookie value that only this shop can have made."""
    return f"{text}.{_mark(text, secret)}"


def unseal(value: str, secret: str) -> str | None:
    """The text inside a sealed value; None when it was not made here."""
    text, _, mark = value.rpartition(".")
    return text if hmac.compare_digest(mark, _mark(text, secret)) else None


def _mark(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), b"shop cookie\0" + text.encode(), hashlib.sha256).hexdigest()[:32]
