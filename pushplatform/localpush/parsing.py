"""Reading what a client sent into typed values, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pushplatform.webpush.keys import InvalidKey, SubscriptionKeys

_REQUIRED: Any = object()
_ANY_AUTH = "AAAAAAAAAAAAAAAAAAAAAA"


class BadInput(ValueError):
    """A request that cannot be understood: `pointer` is a JSON pointer to the member, `detail` says what to do."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer or 'body'}: {detail}")
        self.pointer = pointer
        self.detail = detail


class Fields:
    """The members of one JSON object, read one by one; `done` refuses the ones nobody read."""

    def __init__(self, value: object, pointer: str = "") -> None:
        if not isinstance(value, dict):
            raise BadInput(pointer, "must be a JSON object")
        self._members: dict[str, Any] = value
        self._pointer = pointer
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def pointer(self, name: str) -> str:
        return f"{self._pointer}/{name}"

    def raw(self, name: str, default: Any = _REQUIRED) -> Any:
        self._known.add(name)
        if name not in self._members:
            if default is _REQUIRED:
                raise BadInput(self.pointer(name), "is missing")
            return default
        return self._members[name]

    def text(self, name: str, default: Any = _REQUIRED, *, longest: int = 255) -> Any:
        value = self.raw(name, default)
        if value is default:
            return value
        if not isinstance(value, str) or not value.strip():
            raise BadInput(self.pointer(name), "must be a text that is not empty")
        if len(value) > longest:
            raise BadInput(self.pointer(name), f"must have at most {longest} characters")
        return value

    def whole(self, name: str, default: Any = _REQUIRED, *, least: int, most: int) -> Any:
        value = self.raw(name, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BadInput(self.pointer(name), f"must be a whole number from {least} to {most}")
        return value

    def fraction(self, name: str, default: float) -> float:
        value = self.raw(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BadInput(self.pointer(name), "must be a probability from 0 to 1")
        return float(value)

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise BadInput(self.pointer(name), "must be true or false")
        return value

    def choice(self, name: str, default: Any = _REQUIRED, *, among: tuple[str, ...]) -> Any:
        value = self.raw(name, default)
        if value is default:
            return value
        if value not in among:
            raise BadInput(self.pointer(name), "must be one of " + ", ".join(among))
        return value

    def span(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        """Two whole numbers of milliseconds, shortest and longest, up to a day."""
        value = self.raw(name, list(default))
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(isinstance(each, int) and not isinstance(each, bool) for each in value)
            or not 0 <= value[0] <= value[1] <= 86_400_000
        ):
            raise BadInput(self.pointer(name), "must be [shortest, longest] in milliseconds, at most 86400000")
        return value[0], value[1]

    def http_address(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self.raw(name, default)
        if value is default or value is None:
            return value
        parts = urlsplit(value) if isinstance(value, str) and len(value) <= 2048 else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(self.pointer(name), "must be an http or https address of at most 2048 characters, or null")
        return value

    def server_key(self, name: str, default: Any = _REQUIRED) -> Any:
        """A VAPID public key as 65 octets; null stands for a subscription open to any sender (RFC 8292 §4)."""
        value = self.raw(name, default)
        if value is default or value is None:
            return value
        try:
            return parse_server_key(value)
        except ValueError as problem:
            raise BadInput(self.pointer(name), str(problem)) from problem

    def done(self) -> None:
        unknown = sorted(set(self._members) - self._known)
        if unknown:
            raise BadInput(
                self.pointer(unknown[0]), "is not a member known here; known: " + ", ".join(sorted(self._known))
            )


def parse_server_key(text: object) -> bytes:
    """The 65 octets of a VAPID public key given as base64url, with or without padding; ValueError if it is none."""
    if not isinstance(text, str):
        raise ValueError("must be a VAPID public key in base64url, or null")
    try:
        return SubscriptionKeys.parse(text, _ANY_AUTH).p256dh
    except InvalidKey as problem:
        raise ValueError(
            "must be a VAPID public key: a point of P-256, 65 octets uncompressed, in base64url"
        ) from problem


def whole_number(query: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """A whole number of a query string; raises BadInput."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise BadInput(name, f"must be a whole number from {least} to {most}")
    return int(text)


def shortened(secret: str, keep: int = 6) -> str:
    """The first characters of a capability, enough to recognise it and too few to use it."""
    return secret if len(secret) <= keep * 2 else secret[:keep] + "…"
