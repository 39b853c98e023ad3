"""Reads JSON bodies (RFC 8259) so strictly that nothing behind them needs to doubt a text or a number."""

import json
import re
from collections.abc import Iterator, Mapping
from email.message import Message
from math import isinf
from typing import IO, Any, Final

from rest_framework.parsers import BaseParser

from pushplatform.api.problems import Problem, invalid, pointer

MAX_BODY: Final = 1_048_576
"""Octets."""

MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 400

# What may stand for a null character or a lone surrogate; a walk then tells whether it does, and where.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class _Refused(ValueError):
    pass


class StrictJsonParser(BaseParser):
    """UTF-8 JSON of at most MAX_BODY octets; raises Problem for anything else."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {}).get("request")
        encoding = request.headers.get("Content-Encoding", "identity") if request is not None else "identity"
        if encoding.lower() != "identity" or _charset(media_type) not in ("utf-8", "utf8"):
            raise Problem("unsupported_media_type")
        return parse_json(stream.read(MAX_BODY + 1))


def parse_json(raw: bytes, *, max_body: int = MAX_BODY) -> Any:
    """The value of a body; raises Problem: malformed_json (with the position), body_too_large, too_deep,
    invalid_text (with pointers)."""
    if len(raw) > max_body:
        raise Problem("body_too_large", f"The body is longer than {max_body:,} octets.")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem("malformed_json", f"The body is not JSON: {error.msg} at {where}.") from None
    except UnicodeDecodeError as error:
        raise Problem("malformed_json", f"The body is not UTF-8: octet {error.start} cannot be read.") from None
    except _Refused as error:
        raise Problem("malformed_json", str(error)) from None
    except RecursionError:
        raise _too_deep() from None
    _check_depth(value)
    if _SUSPECT.search(raw):
        _check_texts(value)
    return value


def _charset(media_type: str | None) -> str:
    header = Message()
    header["Content-Type"] = media_type or StrictJsonParser.media_type
    return str(header.get_param("charset", "utf-8")).lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"The name {json.dumps(twice[:64])} stands twice in one object.")
    return value


def _constant(word: str) -> None:
    raise _Refused(f"{word} is not JSON (RFC 8259 §6): leave the field out or send null.")


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise _Refused("A number is beyond the range of a double.")
    return value


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _Refused(f"A number has more than {_MAX_DIGITS} digits.")
    return int(text)


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
    if level:
        raise _too_deep()


def _too_deep() -> Problem:
    return Problem("too_deep", f"The body is nested more than {MAX_DEPTH} levels deep.")


def _check_texts(value: Any) -> None:
    detail = "Null characters and lone surrogates cannot be stored."
    errors = [(pointer(*path), "invalid_text", detail) for path in _unstorable(value, ())]
    if errors:
        raise invalid(errors[:100], "invalid_text")


def _unstorable(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The paths of texts, and of objects with names, that PostgreSQL or UTF-8 has no room for."""
    if isinstance(value, str):
        if not storable(value):
            yield path
    elif isinstance(value, dict):
        if not all(map(storable, value)):
            yield path  # a pointer cannot repeat such a name, so it points at the object
        for name, inner in value.items():
            if storable(name):
                yield from _unstorable(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unstorable(inner, (*path, index))


def storable(text: str) -> bool:
    """Whether PostgreSQL and UTF-8 have room for it: no null character, no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
