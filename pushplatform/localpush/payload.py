"""The plaintext of a push, read as our service worker reads it, and as any other worker's reader would guess it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_LONGEST_SPAN = 3600.0


@dataclass(frozen=True, slots=True)
class Payload:
    """What a notification shows and reports: `message` and `token` are None for payloads of another make."""

    title: str | None = None
    body: str | None = None
    message: str | None = None
    token: str | None = None
    span: float = 0.0
    actions: tuple[str, ...] = ()
    look: dict[str, Any] = field(default_factory=dict)


def read_payload(plaintext: bytes) -> Payload:
    """Never raises: what is not JSON is shown as text, members of the wrong type are left out.

    Declarative Web Push keeps its members under `notification`, older payloads at the top.
    """
    if not plaintext:
        return Payload()
    try:
        document = json.loads(plaintext)
    except ValueError:
        return Payload(body=plaintext.decode(errors="replace"))
    if not isinstance(document, dict):
        return Payload(body=str(document))
    shown = document["notification"] if isinstance(document.get("notification"), dict) else document
    data = shown["data"] if isinstance(shown.get("data"), dict) else {}
    span = data.get("s")
    listed = shown.get("actions")
    actions = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return Payload(
        title=_text(shown.get("title")),
        body=_text(shown.get("body")),
        message=_text(data.get("m")),
        token=_text(data.get("t")),
        span=min(float(span), _LONGEST_SPAN) if isinstance(span, int | float) and span > 0 else 0.0,
        actions=tuple(str(each.get("action", "")) for each in actions),
        look=_look(shown, actions, data),
    )


def _look(shown: dict[str, Any], actions: list[dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
    """The members that a drawing of the notification needs, besides title and body."""
    look: dict[str, Any] = {
        name: shown[name] for name in ("icon", "image", "badge", "lang", "dir", "tag") if _text(shown.get(name))
    }
    address = _text(data.get("url")) or _text(shown.get("navigate"))
    if address:
        look["url"] = address
    if actions:
        look["actions"] = [
            {"action": str(each.get("action", "")), "title": str(each.get("title", ""))} for each in actions
        ]
    return look


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
