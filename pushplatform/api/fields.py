"""Reads the members of JSON objects into typed values and notes everything that is wrong, each with its pointer.

`null` is the same as absent. A member with something wrong reads as absent too, so reading goes on and the answer names
all errors at once; ask `errors` before using what was read.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

from pushplatform.api.problems import FieldError, invalid, pointer

MOST_ERRORS: Final = 100
"""Errors listed in one answer; with 1,000 broken recipients the first ones tell enough."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# RFC 3339 §5.6; fromisoformat alone takes more, such as dates without a time.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)


class Fields:
    """The members of one JSON object at `path`. Ask for each by name, then `refuse_unknown`."""

    def __init__(self, raw: Any, errors: list[FieldError], *path: str | int):
        self.errors = errors
        self._path = path
        self._read: set[str] = set()
        self._raw: dict[str, Any] = {}
        if isinstance(raw, dict):
            self._raw = raw
        else:
            self.wrong("", "invalid_type", "It must be an object." if path else "The body must be a JSON object.")

    def wrong(self, name: str | int, code: str, detail: str) -> None:
        """Notes an error of member `name`; "" is the object itself."""
        path = self._path if name == "" else (*self._path, name)
        self.errors.append(FieldError(pointer(*path), code, detail))

    def any(self, name: str, *, required: bool = False) -> Any:
        self._read.add(name)
        value = self._raw.get(name)
        if value is None and required:
            self.wrong(name, "required", f"{name} is missing.")
        return value

    def has(self, name: str) -> bool:
        """Whether the member is there, also when it is null."""
        return name in self._raw

    def text(self, name: str, *, required: bool = False, most: int = 255) -> str | None:
        """1 to `most` characters, no control characters."""
        value = self.any(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "invalid_type", f"{name} must be a text.")
        elif not 1 <= len(value) <= most:
            self.wrong(name, "out_of_range", f"{name} must have 1 to {most} characters; it has {len(value)}.")
        elif _CONTROL.search(value):
            self.wrong(name, "invalid_text", f"{name} must not have control characters.")
        else:
            return value
        return None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        value = self.any(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in choices:
            self.wrong(name, "invalid_value", f"{name} must be one of {', '.join(choices)}.")
            return default
        return value

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self.any(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(name, "invalid_type", f"{name} must be a whole number.")
        elif not least <= value <= most:
            self.wrong(name, "out_of_range", f"{name} must be between {least} and {most}; it is {_short(value)}.")
        else:
            return value
        return None

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time with its offset, in UTC."""
        value = self.any(name)
        if value is None:
            return None
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass  # the 30th of February, the 25th hour: refused below like any other text
        self.wrong(name, "invalid_value", f"{name} must be a time such as 2026-01-31T12:00:00Z, with its offset.")
        return None

    def refuse_unknown(self) -> None:
        """Notes every member that nobody asked for."""
        for name in (name for name in self._raw if name not in self._read):
            known = ", ".join(sorted(self._read))
            self.wrong(name[:64], "unknown_field", f"There is no field {name[:64]!r} here; known are {known}.")


def refuse(errors: list[FieldError]) -> None:
    """Raises the 422 that names these errors, the first MOST_ERRORS of them, in the order of the body."""
    if errors:
        raise invalid(errors[:MOST_ERRORS])


def _short(value: int) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"a number of {len(text)} digits"
