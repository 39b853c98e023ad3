"""JSON Schema (2020-12, as OpenAPI 3.1 takes it) in few words. Every function returns a Shape, a plain dict.

What clients send is closed: unknown members are refused. What they read is open: members and words are added one day.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Shape = dict[str, Any]

OPEN_WORDS: Final = "x-extensible-enum"
"""The words of an answer that there are today; clients ignore others."""


def _shape(about: str, **members: Any) -> Shape:
    known = {name: value for name, value in members.items() if value is not None}
    return known | ({"description": about} if about else {})


def text(about: str = "", *, least: int | None = 1, most: int | None = 255, **more: Any) -> Shape:
    """Without control characters, as `Fields.text` reads it."""
    return _shape(about, type="string", minLength=least, maxLength=most, **more)


def said(about: str = "", **more: Any) -> Shape:
    """A text of an answer."""
    return _shape(about, type="string", **more)


def integer(about: str = "", least: int | None = 0, most: int | None = None, **more: Any) -> Shape:
    return _shape(about, type="integer", minimum=least, maximum=most, **more)


def boolean(about: str = "", **more: Any) -> Shape:
    return _shape(about, type="boolean", **more)


def time(about: str = "", **more: Any) -> Shape:
    """RFC 3339: any offset in, UTC with milliseconds out."""
    return _shape(about, type="string", format="date-time", **more)


def choice(words: Iterable[str], about: str = "", **more: Any) -> Shape:
    """One of these words, of a request: others are refused."""
    return _shape(about, type="string", enum=list(words), **more)


def word(words: Iterable[str], about: str = "") -> Shape:
    """One of these words, of an answer: others may come one day."""
    return _shape(about, type="string", **{OPEN_WORDS: list(words)})


def listed(items: Shape, about: str = "", *, least: int | None = None, most: int | None = None) -> Shape:
    return _shape(about, type="array", items=items, minItems=least, maxItems=most)


def mapping(values: Shape, about: str = "", **more: Any) -> Shape:
    """An object whose names are data."""
    return _shape(about, type="object", additionalProperties=values, **more)


def anything(about: str = "") -> Shape:
    return _shape(about)


def any_object(about: str = "", **more: Any) -> Shape:
    return _shape(about, type="object", additionalProperties=True, **more)


def either(*shapes: Shape, about: str = "") -> Shape:
    return _shape(about, anyOf=list(shapes))


def nullable(shape: Shape) -> Shape:
    if isinstance(shape.get("type"), str):
        nulled = shape | {"type": [shape["type"], "null"]}
        return nulled | {"enum": [*shape["enum"], None]} if "enum" in shape else nulled
    return {"anyOf": [shape, {"type": "null"}]}


def request(about: str = "", /, *, required: Iterable[str] = (), **members: Shape) -> Shape:
    """An object that clients send: no other members; one that is not required may be null, which is as absent."""
    required = list(required)
    properties = {name: shape if name in required else nullable(shape) for name, shape in members.items()}
    return _shape(about, type="object", properties=properties, required=required or None, additionalProperties=False)


def answer(about: str = "", /, *, optional: Iterable[str] = (), **members: Shape) -> Shape:
    """An object that clients read; all members are always there but the optional ones."""
    return _shape(about, type="object", properties=members, required=[n for n in members if n not in optional])


def extended(shape: Shape, **members: Shape) -> Shape:
    """The answer with further members that are always there."""
    required = [*shape["required"], *members]
    return shape | {"properties": {**shape["properties"], **members}, "required": required}


def page_of(items: Shape) -> Shape:
    """A page of a list (pagination.py)."""
    return answer(
        data=listed(items),
        next_cursor=nullable(said("Send it as `cursor` to get the next page; null on the last one.")),
    )


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def parts_of(shape: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The shapes that a value may have: of `either` and `nullable` all but null."""
    inner = shape.get("anyOf") or [shape]
    return [one for one in inner if one.get("type") != "null"]
