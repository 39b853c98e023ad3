"""What a notification says: checked where it enters, then turned into the payload of each device (api.md §3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.liquid_text import MAX_SOURCE, BrokenTemplate, Text, has_markup
from campaigns.notification import Action, Content, Problem, Variant, has_literal_host, is_web_address
from campaigns.payload import RECOMMENDED_PLAINTEXT, Renderer, literal_size
from pushplatform.webpush.encryption import MAX_PLAINTEXT

__all__ = ["Content", "ContentError", "Renderer", "parse_content"]

MAX_ACTIONS = 4
MAX_TRANSLATIONS = 100
MAX_MARKUP = 100_000
"""Characters of all texts of a content that have markup: a million take seconds to be parsed."""

_TEXTS, _PICTURES = ("title", "body"), ("icon", "image", "badge")
_TRANSLATED = {*_TEXTS, "url", *_PICTURES, "actions"}
_MEMBERS = _TRANSLATED | {"require_interaction", "translations"}
_ACTION_MEMBERS = {"action", "title", "url", "icon"}
_ACTION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_NO_ACTION = Action("", Text(""))
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


class ContentError(ValueError):
    """The content cannot be sent; `errors` lists every problem found."""

    def __init__(self, errors: list[Problem]):
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, _, detail in errors))
        self.errors = errors


def parse_content(raw: Any) -> Content:
    """The checked content of the JSON object of api.md §1 (`content`); raises ContentError with every problem."""
    check = _Check()
    if not isinstance(raw, dict):
        raise ContentError([("", "invalid_type", "The content must be an object with at least a title.")])
    check.members(raw, _MEMBERS, "")
    base = _variant(check, raw, "", None, None)
    translations = _translations(check, raw.get("translations"), base)
    interaction = raw.get("require_interaction")
    if interaction is not None and not isinstance(interaction, bool):
        check.wrong("/require_interaction", "invalid_type", "It must be true or false.")
    if check.errors:
        raise ContentError(check.errors)
    _check_sizes(check, base, translations)
    if check.errors:
        raise ContentError(check.errors)
    return Content(base, translations, bool(interaction), tuple(check.warnings))


@dataclass
class _Check:
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    markup: int = 0

    def wrong(self, pointer: str, code: str, detail: str) -> None:
        self.errors.append((pointer, code, detail))

    def members(self, raw: dict[str, Any], known: set[str], at: str) -> None:
        for name in sorted(map(str, set(raw) - known)):
            self.wrong(
                f"{at}/{_escaped(name)}",
                "unknown_field",
                f"There is no {name} here; known are {', '.join(sorted(known))}.",
            )

    def text(self, raw: Mapping[str, Any], name: str, at: str) -> Text | None:
        """The template in member `name`; None when it is absent, null, empty or wrong."""
        value, pointer = raw.get(name), f"{at}/{name}"
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.wrong(pointer, "invalid_type", "It must be a text.")
        elif len(value) > MAX_SOURCE:
            self._too_long(pointer, value)
        elif _NOT_TEXT.search(value):
            self.wrong(pointer, "invalid_text", "It has characters that are not text (NUL or half a surrogate pair).")
        else:
            return self._template(value, pointer)
        return None

    def _too_long(self, pointer: str, value: str) -> None:
        if has_markup(value):
            self.wrong(pointer, "too_long", f"It has {len(value)} characters; at most {MAX_SOURCE} are taken.")
        else:  # nothing to be filled: that much is sent
            detail = f"It has {len(value)} characters; one push message carries {MAX_PLAINTEXT} octets. Shorten it."
            self.wrong(pointer, "payload_too_large", detail)

    def _template(self, value: str, pointer: str) -> Text | None:
        before, self.markup = self.markup, self.markup + (len(value) if has_markup(value) else 0)
        if self.markup > MAX_MARKUP:
            if before <= MAX_MARKUP:
                self.wrong("", "too_long", f"Its texts with Liquid have more than {MAX_MARKUP:,} characters together.")
            return None
        try:
            text = Text(value)
        except BrokenTemplate as error:
            self.wrong(pointer, "invalid_template", f"The Liquid is broken: {error}.")
            return None
        for name in sorted(text.unknown):
            detail = f"{name} is empty for everyone: templates read params.*, contact.* and device.*."
            self.warnings.append((pointer, "unknown_variable", detail))
        return text

    def link(self, raw: Mapping[str, Any], name: str, at: str) -> Text | None:
        """A place a click leads to: scheme and host must be literal, or the click leads to the Site's home."""
        text = self.text(_stripped(raw, name), name, at)
        if text is None or has_literal_host(text.source):
            return self._address(text, f"{at}/{name}")
        if text.literal or not text.source.lstrip().startswith("{"):
            detail = "It must be an absolute https:// address whose host is written out, not made by a template."
            self.wrong(f"{at}/{name}", "invalid_url", detail)
            return None
        detail = "Its host is made by a template: clicks will lead to the Site's home. Write out https:// and the host."
        self.warnings.append((f"{at}/{name}", "host_not_literal", detail))
        return None

    def picture(self, raw: Mapping[str, Any], name: str, at: str) -> Text | None:
        """The address of a picture; a template of it may be anything, what it gives is checked per device."""
        return self._address(self.text(_stripped(raw, name), name, at), f"{at}/{name}")

    def _address(self, text: Text | None, pointer: str) -> Text | None:
        if text is not None and text.literal and not is_web_address(text.source):
            self.wrong(pointer, "invalid_url", "It must be an absolute https:// address.")
            return None
        return text


def _variant(check: _Check, raw: dict[str, Any], at: str, language: str | None, base: Variant | None) -> Variant:
    """The variant `raw` describes; what it leaves out comes from `base`."""
    readers = dict.fromkeys(_TEXTS, check.text) | {"url": check.link} | dict.fromkeys(_PICTURES, check.picture)
    found = {name: read(raw, name, at) for name, read in readers.items() if raw.get(name) not in (None, "")}
    if base is None and raw.get("title") in (None, ""):
        check.wrong(f"{at}/title", "required", "A notification needs a title.")
    inherited = {name: getattr(base, name) for name in readers} if base else {}
    members = inherited | found
    members["title"] = members.get("title") or Text("")
    actions = _actions(check, raw.get("actions"), at, base.actions if base else ())
    return Variant(language=language, actions=actions, **members)


def _actions(check: _Check, raw: Any, at: str, inherited: tuple[Action, ...]) -> tuple[Action, ...]:
    if raw is None:
        return inherited
    at += "/actions"
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        check.wrong(at, "invalid_type", "It must be a list of objects with action, title and url.")
        return ()
    if len(raw) > MAX_ACTIONS:
        check.wrong(at, "too_many", f"At most {MAX_ACTIONS} buttons are taken; browsers show two.")
        return ()
    known = {one.action: one for one in inherited}
    found: dict[str, Action] = {}
    for number, one in enumerate(raw):
        here = f"{at}/{number}"
        check.members(one, _ACTION_MEMBERS, here)
        name = one.get("action")
        if not isinstance(name, str) or not _ACTION.fullmatch(name):
            check.wrong(f"{here}/action", "invalid_action", "It must be 1 to 64 letters, digits, dots, dashes or _.")
            continue
        if name in found:
            check.wrong(f"{here}/action", "duplicate", f"There is another button named {name}.")
        title = check.text(one, "title", here)
        if one.get("title") in (None, ""):
            check.wrong(f"{here}/title", "required", "A button needs a title.")
        url, icon = check.link(one, "url", here), check.picture(one, "icon", here)
        before = known.get(name, _NO_ACTION)
        found[name] = Action(name, title or Text(""), url or before.url, icon or before.icon)
    return tuple(found.values())


def _translations(check: _Check, raw: Any, base: Variant) -> dict[str, Variant]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        check.wrong("/translations", "invalid_type", 'It must be an object by language: {"pl": {"title": "…"}}.')
        return {}
    if len(raw) > MAX_TRANSLATIONS:
        check.wrong("/translations", "too_many", f"At most {MAX_TRANSLATIONS} languages are taken.")
        return {}
    found = {}
    for language, one in raw.items():
        at = f"/translations/{_escaped(str(language))}"
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            check.wrong(at, "invalid_language", "A language is written like pl or pt-BR.")
        elif not isinstance(one, dict):
            check.wrong(at, "invalid_type", "It must be an object with the translated texts.")
        else:
            check.members(one, _TRANSLATED, at)
            found[language.lower()] = _variant(check, one, at, language, base)
    return found


def _check_sizes(check: _Check, base: Variant, translations: Mapping[str, Variant]) -> None:
    for variant in (base, *translations.values()):
        at, size = f"/translations/{variant.language}" if variant.language else "", literal_size(variant)
        if size > MAX_PLAINTEXT:
            detail = f"The payload has at least {size} octets; one push message carries {MAX_PLAINTEXT}. Shorten it."
            check.wrong(at, "payload_too_large", detail)
        elif size > RECOMMENDED_PLAINTEXT:
            detail = f"The payload has {size} octets; beyond {RECOMMENDED_PLAINTEXT} Firefox on Android may not get it."
            check.warnings.append((at, "payload_large", detail))


def _stripped(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return {name: value.strip() if isinstance(value, str) else value}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
