"""The OpenAPI document as a page for people: what its template shows, worked out from the document alone."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from pushplatform.api.description.shapes import OPEN_WORDS

Json = Mapping[str, Any]

DEEPEST: Final = 6
"""Levels of members that are shown; the definitions of segments nest for ever."""

_END_OF_TYPE: Final = re.compile(r"(?<=^string)|(?<=^object)|(?<=^number)|(?<=^integer)")
"""Where a type is given its plural."""
_CODE: Final = re.compile("`([^`]+)`")


def page_of_document(document: Json) -> dict[str, Any]:
    """The context of `api/docs.html`: the chapters with their calls in the order of the tags, and every error code."""
    reader = _Reader(document)
    chapters = [
        {"title": tag["name"], "anchor": _anchor(tag["name"]), "about": prose(tag["description"]), "calls": []}
        for tag in document["tags"]
    ]
    by_title = {chapter["title"]: chapter for chapter in chapters}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            call = reader.call(path, method.upper(), operation)
            by_title[operation["tags"][0]]["calls"].append(call)
    problems: dict[int, list[Json]] = {}
    for example in document["components"]["examples"].values():
        problems.setdefault(example["value"]["status"], []).append(example["value"])
    return {
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "about": prose(document["info"]["description"]),
        "server": document["servers"][0]["url"],
        "chapters": chapters,
        "problems": sorted(problems.items()),
    }


def prose(text: str) -> SafeString:
    """Paragraphs, and what stands in backquotes as code."""
    paragraphs = [_CODE.sub(r"<code>\1</code>", str(escape(part))) for part in text.split("\n\n") if part.strip()]
    return mark_safe("".join(f"<p>{part}</p>" for part in paragraphs))


def _inline(text: str) -> SafeString:
    return mark_safe(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _anchor(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


class _Reader:
    def __init__(self, document: Json):
        self.document = document
        self.server: str = document["servers"][0]["url"]

    def call(self, path: str, method: str, operation: Json) -> dict[str, Any]:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        answers = [self._answer(int(status), answer) for status, answer in operation["responses"].items()]
        return {
            "anchor": operation["operationId"],
            "title": operation["summary"],
            "method": method,
            "path": path,
            "about": prose(operation["description"]),
            "parameters": [self._parameter(one) for one in operation.get("parameters", ())],
            "members": [_without_null(one) for one in self._members(body["schema"], 0)] if body else [],
            "requests": [
                {"title": one["summary"], "curl": self._curl(method, path, operation, one["value"])}
                for one in (body["examples"].values() if body else [{"summary": "Call", "value": None}])
            ],
            "answers": [one for one in answers if one["status"] < 400],
            "refusals": [one for one in answers if one["status"] >= 400],
        }

    def _parameter(self, one: Json) -> dict[str, Any]:
        about = one.get("description", "") or one["schema"].get("description", "")
        return {
            "name": one["name"],
            "where": one["in"],
            "required": one["required"],
            "type": self._type(one["schema"]),
            "about": _inline(about),
        }

    def _answer(self, status: int, answer: Json) -> dict[str, Any]:
        (content,) = answer.get("content", {"": {}}).values()
        examples = content.get("examples", {})
        return {
            "status": status,
            "about": _inline(answer["description"]),
            "members": list(self._members(content["schema"], 0)) if content and status < 400 else [],
            "examples": [
                {"title": one["summary"], "json": _pretty(one["value"])} for one in examples.values() if "value" in one
            ],
            "codes": list(examples) if status >= 400 else [],
        }

    def _curl(self, method: str, path: str, operation: Json, body: Any) -> str:
        queried = ""
        for one in operation.get("parameters", ()):
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", str(one.get("example", "")))
        lines = [f"curl {'' if method == 'GET' else f'-X {method} '}{self.server}{path}{queried}"]
        lines.append('-H "Authorization: Bearer $PUSH_KEY"')
        if body is not None:
            lines.append('-H "Content-Type: application/json"')
        for one in operation.get("parameters", ()):
            if one["in"] == "header":
                lines.append(f'-H "{one["name"]}: {one["example"]}"')
        if body is not None:
            lines.append(f"-d {shlex.quote(_pretty(body))}")
        return " \\\n  ".join(lines)

    def _resolved(self, shape: Json) -> Json:
        while "$ref" in shape:
            shape = self.document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        return shape

    def _members(self, shape: Json, level: int, within: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        """The members of an object, or of those in a list, and behind each its own; one line each. `within`: the named
        shapes on the way, of which some hold themselves."""
        if level > DEEPEST:
            return
        for name, (member, required) in self._own_members(shape, within).items():
            yield {
                "name": name,
                "level": level,
                "required": required,
                "type": self._type(member),
                "about": _inline(self._about(member)),
            }
            named = _named(member)
            if not named & set(within):
                yield from self._members(member, level + 1, (*within, *named))

    def _own_members(self, shape: Json, within: tuple[str, ...]) -> dict[str, tuple[Json, bool]]:
        """By name, the shape and whether it is needed: of what may be one of several, only if all of these need it."""
        shape = self._resolved(shape)
        found = {
            name: (member, name in shape.get("required", ())) for name, member in shape.get("properties", {}).items()
        }
        inner = [shape[name] for name in ("items", "additionalProperties") if isinstance(shape.get(name), dict)]
        for one in (*inner, *shape.get("allOf", ())):
            found |= self._own_members(one, within)
        kinds = [kind for one in shape.get("anyOf", ()) if (kind := self._own_members(one, within))]
        for kind in kinds:
            for name, (member, required) in kind.items():
                found.setdefault(name, (member, required and all(name in other for other in kinds)))
        return found

    def _about(self, shape: Json) -> str:
        if "description" in shape:
            return str(shape["description"])
        shape = self._resolved(shape)
        inner = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
        return str(shape.get("description", "")) or (self._about(inner[0]) if len(inner) == 1 else "")

    def _type(self, shape: Json) -> str:
        """In a few words: "string, 1 to 64", "one of a, b", "list of objects"."""
        shape = self._resolved(shape)
        if "anyOf" in shape:
            kinds = [self._type(one) for one in shape["anyOf"]]
            return " or ".join(dict.fromkeys(kinds))
        if "allOf" in shape:
            return "object"
        words = [one for one in shape.get("enum") or shape.get(OPEN_WORDS) or () if one is not None]
        types = shape.get("type", "any")
        names = [types] if isinstance(types, str) else list(types)
        null = " or null" if "null" in names and len(names) > 1 else ""
        plain = " or ".join(one for one in names if one != "null" or not null)
        if words:
            return f"{', '.join(map(str, words))}{null}"
        if plain == "array":
            return f"list of {_END_OF_TYPE.sub('s', self._type(shape['items']), count=1)}{null}"
        if shape.get("format") == "date-time":
            return f"time{null}"
        return f"{plain}{_range(shape)}{null}"


def _named(shape: Json) -> set[str]:
    """The named shapes that a member leads to at once, itself or as one of a list."""
    inner = [shape, shape.get("items", {}), *shape.get("anyOf", ())]
    return {one["$ref"] for one in inner if isinstance(one, dict) and "$ref" in one}


def _without_null(member: dict[str, Any]) -> dict[str, Any]:
    """Of what is sent null says nothing: it is the same as absent everywhere."""
    return member | {"type": member["type"].removesuffix(" or null")}


def _range(shape: Json) -> str:
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength")):
        if most in shape:
            return f", {shape.get(least, 0):,} to {shape[most]:,}"
    return ""
