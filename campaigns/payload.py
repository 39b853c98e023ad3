"""The plaintext of a push (api.md §3): one shape for all browsers, valid Declarative Web Push.

Most of it is the same for every device of a message: the JSON is made once per language, with gaps for the rendered
texts and the tokens. What one person's data make of the texts is kept for the next with the same data.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from json.encoder import encode_basestring
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings

from campaigns.liquid_text import RenderFailed, Text
from campaigns.models import Message
from campaigns.notification import Content, Variant, is_web_address, together
from campaigns.receipt_tokens import TOKEN_LENGTH
from pushplatform.sites.models import Site
from pushplatform.sites.public_ids import encode as public_id
from pushplatform.webpush.encryption import MAX_PLAINTEXT, PayloadTooLarge

RECOMMENDED_PLAINTEXT: Final = 2800
"""Octets: Firefox on Android gets pushes over a road that adds to them."""

_ID_LENGTH: Final = 30
_SAFE_IN_LINK: Final = "!#$%&'()*+,-./:;=?@[]_~"
_UNSAFE = re.compile(f"[^A-Za-z0-9{re.escape(_SAFE_IN_LINK)}]")

_MOST_KEPT: Final = 4096
"""Payloads kept for one Message: usually 4 MB."""

_NOTHING: Final = object()
_EQUAL_IS_SAME: Final = frozenset({str, int, type(None), object})
"""Types of values of which equal ones are rendered alike (1 and 1.0 and true are not)."""

Values = Mapping[str, str | None]
"""What stands in the members of one payload, by name; buttons are `action 0 title`, `action 0 url` and so on."""


def build_payload(variant: Variant, values: Values, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as a JSON object; members without a value are left out."""
    actions, addresses = [], {}
    for number, one in enumerate(variant.actions):
        title, url, icon = (values.get(f"action {number} {name}") for name in ("title", "url", "icon"))
        button = {
            "action": one.action,
            "title": title or one.action,
            "navigate": f"{values['navigate']}?a={one.action}",
        }
        actions.append(button | ({"icon": icon} if icon else {}))
        if url:
            addresses[one.action] = url
    notification = {
        "title": values["title"] or shared["title"],
        "body": values.get("body"),
        "navigate": values["navigate"],
        "icon": values.get("icon") or shared["icon"],
        "tag": shared["tag"],
        "lang": variant.language or shared["language"],
        "dir": "auto",
        "mutable": True,
        "data": {
            "v": 1,
            "t": values["token"],
            "m": shared["message"],
            "url": values.get("url") or shared["home"],
            **({"actions": addresses} if addresses else {}),
            **({"s": shared["spread"]} if shared["spread"] else {}),
        },
        "actions": actions,
        "image": values.get("image"),
        "badge": values.get("badge"),
        "requireInteraction": shared["require_interaction"],
    }
    return {
        "web_push": 8030,
        "mutable": True,
        "notification": {name: value for name, value in notification.items() if value},
    }


def _dump(payload: dict[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def _members(variant: Variant) -> dict[str, Text]:
    """The texts of a variant by the names of Values."""
    names = ("title", "body", "url", "icon", "image", "badge")
    found = {name: text for name in names if (text := getattr(variant, name)) is not None}
    for number, action in enumerate(variant.actions):
        for name in ("title", "url", "icon"):
            if (text := getattr(action, name)) is not None:
                found[f"action {number} {name}"] = text
    return found


def literal_size(variant: Variant) -> int:
    """Octets that the payload has at least, whatever its templates give; ids and tokens have their full length."""
    values: dict[str, str | None] = {name: text.always for name, text in _members(variant).items()}
    values |= {"token": "t" * TOKEN_LENGTH, "navigate": f"{settings.BASE_URL}/c/{'t' * TOKEN_LENGTH}"}
    message = "m" * _ID_LENGTH
    shared = {"title": "", "icon": "", "tag": message, "language": "", "message": message, "home": "", "spread": 0}
    return len(_dump(build_payload(variant, values, shared | {"require_interaction": False})).encode())


def escaped_link(url: str) -> str:
    """A rendered address with what may not stand in one percent-encoded."""
    url = url.strip()
    return quote(url, safe=_SAFE_IN_LINK) if _UNSAFE.search(url) else url


class Renderer:
    """Makes the payloads of one Message; its templates are parsed once. Not to be shared between threads.

    `message` None makes a preview of what was not launched yet.
    """

    def __init__(self, content: Content, site: Site, message: Message | None = None):
        self.content = content
        number = public_id("msg", message.pk) if message else "msg_preview"
        self._shared = {
            "title": site.name,
            "icon": site.icon_url,
            "tag": (message and message.topic) or number,
            "language": site.default_language,
            "message": number,
            "home": site.home_url or f"{site.origins[0]}/",
            "spread": (message.options.get("spread") or 0) if message else 0,
            "require_interaction": content.require_interaction,
        }
        self._navigate = f"{settings.BASE_URL}/c/"
        self._scope: dict[str, Any] = {"params": {}, "contact": {}, "device": {}}
        self._frames: dict[int, _Frame] = {}
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._chosen: dict[tuple[str, str], Variant] = {}

    def render(
        self,
        contact: Mapping[str, Any],
        device: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        receipt: bytes = b"t" * TOKEN_LENGTH,
        click: bytes = b"t" * TOKEN_LENGTH,
    ) -> bytes:
        """The plaintext for one device; the tokens are those of receipt_tokens, in ASCII.

        Raises RenderFailed for data that a template cannot use, PayloadTooLarge beyond MAX_PLAINTEXT octets.
        """
        payload = self._frame(contact, device, params).filled() % {b"token": receipt, b"click": click}
        if len(payload) > MAX_PLAINTEXT:
            raise PayloadTooLarge(len(payload))
        return payload

    def target(
        self,
        contact: Mapping[str, Any],
        device: Mapping[str, Any],
        params: Mapping[str, Any],
        action: str | None = None,
    ) -> str:
        """Where a click on the notification, or on its button `action`, leads; the Site's home when nowhere else."""
        try:
            return self._frame(contact, device, params).target(action)
        except RenderFailed:
            return str(self._shared["home"])

    def variant(self, device_language: str | None, contact_language: str | None) -> Variant:
        """The variant for a device: of the browser's language, else of the person's, else of the Site's."""
        key = (device_language or "", contact_language or "")
        if (found := self._chosen.get(key)) is None:
            found = self._chosen[key] = self._choose(*key)
        return found

    def _choose(self, *languages: str) -> Variant:
        default = str(self._shared["language"]).lower()
        known = {default: self.content.base, **self.content.translations}
        by_primary = {}
        for tag in reversed(known):
            by_primary[tag.partition("-")[0]] = known[tag]
        for language in (*languages, default):
            wanted = language.lower().replace("_", "-")
            found = known.get(wanted) or known.get(wanted.partition("-")[0]) or by_primary.get(wanted.partition("-")[0])
            if found is not None and wanted:
                return found
        return self.content.base

    def _frame(self, contact: Mapping[str, Any], device: Mapping[str, Any], params: Mapping[str, Any]) -> "_Frame":
        variant = self.variant(device.get("language"), contact.get("language"))
        scope = self._scope
        scope["contact"], scope["device"], scope["params"] = contact, device, params
        frame = self._frames.get(id(variant))
        if frame is None:
            frame = self._frames[id(variant)] = _Frame(variant, scope, self._shared, self._navigate, self._kept)
        return frame


class _Frame:
    """The JSON of one variant with gaps, and the scope that fills them."""

    def __init__(
        self,
        variant: Variant,
        scope: Mapping[str, Any],
        shared: Mapping[str, Any],
        navigate: str,
        kept: dict[tuple[Any, ...], bytes],
    ):
        self._variant, self._scope, self._shared, self._kept = variant, scope, shared, kept
        members = _members(variant)
        self._fill = {name: _filler(name, text, scope) for name, text in members.items()}
        self._varying = [(name, self._fill[name]) for name, text in members.items() if not text.literal]
        mark = secrets.token_hex(16)
        self._token, self._click = f"{mark}token", f"{mark}click"
        self._constant: dict[str, str | None] = {
            **{name: self._fill[name]() for name, text in members.items() if text.literal},
            **{"token": self._token, "navigate": navigate + self._click},
        }
        self._json, self._gaps = self._with_gaps(mark)
        self._reads = _read_by(members[name] for name, _ in self._varying)

    def _with_gaps(self, mark: str) -> tuple[str, list[str]]:
        """The JSON with a %s for each rendered text, and which belongs there; tokens as `_as_format` leaves them."""
        marks: dict[str, str | None] = {name: f"{mark}{number:04}" for number, (name, _) in enumerate(self._varying)}
        names = list(marks)
        parts = re.split(f"{mark}([0-9]{{4}})", self._as_format(self._constant | marks))
        return "%s".join(piece.replace("%", "%%") for piece in parts[::2]), [names[int(n)] for n in parts[1::2]]

    def _as_format(self, values: Values) -> str:
        """The JSON of these values as a format with gaps for the two tokens."""
        text = _dump(build_payload(self._variant, values, self._shared)).replace("%", "%%")
        return text.replace(self._token, "%(token)b").replace(self._click, "%(click)b")

    def filled(self) -> bytes:
        """The JSON for the device that the scope holds now, as a format for its tokens; raises RenderFailed."""
        key = self._key()
        found = self._kept.get(key) if key is not None else None
        if found is None:
            try:
                found = self._made().encode()
            except UnicodeEncodeError:
                raise RenderFailed("a value is not text (half a surrogate pair)") from None
            if key is not None:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = found
        return found

    def _key(self) -> tuple[Any, ...] | None:
        """All that the texts read, when they give the same for the same; None when that cannot be told."""
        if self._reads is None:
            return None
        scope = self._scope
        key = tuple([scope[root].get(name, _NOTHING) for root, name in self._reads])
        for value in key:
            if type(value) not in _EQUAL_IS_SAME:
                return None
        return id(self), *key

    def _made(self) -> str:
        found: dict[str, str] = {}
        name = ""
        try:
            for name, fill in self._varying:
                value = fill()
                if not value:  # a member has become empty: it must be left out, or something takes its place
                    break
                found[name] = encode_basestring(value)[1:-1].replace("%", "%%")
            else:
                return self._json % tuple([found[name] for name in self._gaps])
            values: dict[str, str | None] = {}
            for name, fill in self._varying:
                values[name] = fill()
        except RenderFailed as error:
            raise RenderFailed(f"in {name}, {error}") from None
        return self._as_format(self._constant | values)

    def target(self, action: str | None) -> str:
        for number, one in enumerate(self._variant.actions):
            if one.action == action and one.url is not None:
                return self._fill[f"action {number} url"]() or str(self._shared["home"])
        return ("url" in self._fill and self._fill["url"]()) or str(self._shared["home"])


def _read_by(texts: Iterable[Text]) -> list[tuple[str, str]] | None:
    """The (root, member) that these texts read; None when that, or what they give for it, can be anything."""
    texts = list(texts)
    read = together(text.reads for text in texts)
    pairs = [(root, name) for root, names in read.items() for name in names or ()]
    return pairs if all(text.timeless for text in texts) and None not in read.values() else None


def _filler(name: str, text: Text, scope: Mapping[str, Any]) -> Callable[[], str | None]:
    """A function that gives the value of a member; None for an address that is none."""
    fill = text.bind(scope)
    if name.endswith(("title", "body")):
        return fill

    def address() -> str | None:
        url = escaped_link(fill())
        return url if is_web_address(url) else None

    return address
