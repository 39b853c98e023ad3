"""A checked notification as values: what `parse_content` makes and `Renderer` turns into payloads."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from campaigns.liquid_text import Members, Text

Problem = tuple[str, str, str]
"""Pointer into the content (RFC 6901), stable code, a sentence that says what to do."""

# Scheme and host stand there as they are, and what follows can no longer change the host.
_LITERAL_HOST = re.compile(r"https?://[^\s/?#\\@{}]+(?=[/?#]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Action:
    """A button; without `url` it leads where the notification does."""

    action: str
    title: Text
    url: Text | None = None
    icon: Text | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """The content in one language; `language` None is the Site's default language."""

    language: str | None
    title: Text
    body: Text | None = None
    url: Text | None = None
    icon: Text | None = None
    image: Text | None = None
    badge: Text | None = None
    actions: tuple[Action, ...] = ()

    def texts(self) -> Iterable[Text]:
        for text in (self.title, self.body, self.url, self.icon, self.image, self.badge):
            if text is not None:
                yield text
        for action in self.actions:
            yield from (text for text in (action.title, action.url, action.icon) if text is not None)


@dataclass(frozen=True, slots=True)
class Content:
    """A checked content: `base`, and variants by lower-case language tag.

    `warnings`: what will work otherwise than its author may mean.
    """

    base: Variant
    translations: Mapping[str, Variant]
    require_interaction: bool = False
    warnings: tuple[Problem, ...] = ()

    @property
    def reads(self) -> Members:
        """What its templates use of `params`, `contact` and `device`."""
        return together(text.reads for variant in self.variants() for text in variant.texts())

    def variants(self) -> Iterable[Variant]:
        return self.base, *self.translations.values()


def together(reads: Iterable[Members]) -> Members:
    """What several texts read."""
    found: dict[str, frozenset[str] | None] = {}
    for members in reads:
        for root, names in members.items():
            before = found.get(root, frozenset())
            found[root] = None if names is None or before is None else before | names
    return found


def has_literal_host(url: str) -> bool:
    """Whether a template of an address has its scheme and host written out."""
    return _LITERAL_HOST.match(url) is not None


def is_web_address(url: str) -> bool:
    """Whether `url` is absolute, http or https, and reads the same to every parser."""
    if not has_literal_host(url) or any(character <= " " or character == "\x7f" for character in url):
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
