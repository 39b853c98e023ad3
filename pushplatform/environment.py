"""Reads typed settings from the environment and refuses wrong ones by name.

Every variable is declared where it is read (`settings.py`), with its type, default and meaning; `docs/settings.md` is
written from these declarations, so a variable without documentation cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


class WrongSetting(Exception):
    """A variable of the environment is missing or cannot be used; the text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    kind: str
    default: str
    meaning: str


class Environment:
    """A typed view of a mapping of variables; remembers what was declared, for the documentation."""

    def __init__(self, values: Mapping[str, str]):
        self._values = values
        self.declared: list[Variable] = []

    def _read(self, name: str, kind: str, default: T, meaning: str, parse: Callable[[str], T], shown: str | None) -> T:
        self.declared.append(Variable(name, kind, shown if shown is not None else str(default), meaning))
        raw = self._values.get(name, "").strip()
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError as error:
            raise WrongSetting(f"{name}: {error}. It must be {kind}: {meaning}") from None

    def text(self, name: str, default: str, meaning: str, *, shown: str | None = None) -> str:
        return self._read(name, "text", default, meaning, str, shown)

    def choice(self, name: str, choices: tuple[str, ...], default: str, meaning: str) -> str:
        def parse(raw: str) -> str:
            if raw not in choices:
                raise ValueError(f"{raw!r} is not one of {', '.join(choices)}")
            return raw

        return self._read(name, " or ".join(f"`{c}`" for c in choices), default, meaning, parse, None)

    def boolean(self, name: str, default: bool, meaning: str) -> bool:
        def parse(raw: str) -> bool:
            words = {
                "1": True,
                "true": True,
                "yes": True,
                "on": True,
                "0": False,
                "false": False,
                "no": False,
                "off": False,
            }
            if raw.lower() not in words:
                raise ValueError(f"{raw!r} is neither true nor false")
            return words[raw.lower()]

        return self._read(name, "`true` or `false`", default, meaning, parse, "true" if default else "false")

    def integer(self, name: str, default: int, meaning: str, *, least: int = 0, most: int = 2**31) -> int:
        def parse(raw: str) -> int:
            try:
                number = int(raw)
            except ValueError:
                raise ValueError(f"{raw!r} is not a whole number") from None
            if not least <= number <= most:
                raise ValueError(f"{number} is not between {least} and {most}")
            return number

        return self._read(name, f"a whole number from {least} to {most}", default, meaning, parse, None)

    def words(self, name: str, default: tuple[str, ...], meaning: str, *, shown: str | None = None) -> tuple[str, ...]:
        def parse(raw: str) -> tuple[str, ...]:
            return tuple(word.strip() for word in raw.split(",") if word.strip())

        return self._read(name, "words with commas between", default, meaning, parse, shown or ",".join(default))

    def pairs(self, name: str, meaning: str) -> dict[str, str]:
        def parse(raw: str) -> dict[str, str]:
            found = {}
            for word in filter(None, (word.strip() for word in raw.split(","))):
                key, separator, value = word.partition("=")
                if not separator or not key or not value:
                    raise ValueError(f"{word!r} is not name=value")
                found[key] = value
            return found

        return self._read(name, "name=value pairs with commas between", {}, meaning, parse, "")

    def origin(self, name: str, default: str, meaning: str) -> str:
        def parse(raw: str) -> str:
            parts = urlsplit(raw)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
                raise ValueError(f"{raw!r} is not an origin such as https://push.example")
            return raw.rstrip("/")

        return self._read(name, "an origin (scheme, host and port)", default, meaning, parse, None)

    def networks(self, name: str, meaning: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """Addresses and ranges; none by default."""

        def parse(raw: str) -> tuple[IPv4Network | IPv6Network, ...]:
            return tuple(ip_network(word.strip(), strict=False) for word in raw.split(",") if word.strip())

        return self._read(name, "addresses or ranges with commas between", (), meaning, parse, "")

    def url(self, name: str, schemes: tuple[str, ...], default: str, meaning: str, *, shown: str | None = None) -> str:
        def parse(raw: str) -> str:
            if urlsplit(raw).scheme not in schemes or "://" not in raw:
                raise ValueError(f"it does not start with {', '.join(f'{scheme}://' for scheme in schemes)}")
            return raw

        return self._read(name, f"a URL ({', '.join(schemes)})", default, meaning, parse, shown)

    def database(self, name: str, default: str, meaning: str) -> dict[str, Any]:
        """A PostgreSQL URL or libpq connection string as Django's `DATABASES` entry."""
        return self._read(name, "a PostgreSQL URL", _database(default), meaning, _database, default)


def _database(url: str) -> dict[str, Any]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415  (keeps this module importable without the driver)
    from psycopg.errors import Error  # noqa: PLC0415

    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError(
            "it does not start with postgresql://; PostgreSQL 15 or newer is the only database this runs on"
        )
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except Error as error:
        raise ValueError(str(error).strip()) from None
    entry = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "") or "postgres",
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "") or ""),
    }
    return {**entry, "OPTIONS": parts}
