"""One HTTP request and its answer, as values over ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from pushplatform.localpush.parsing import BadInput

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class TooLarge(Exception):
    """The body has more octets than the caller of `Request.body` allows."""


@dataclass(slots=True)
class Request:
    """What was asked; header names are lower-case, repeated headers are joined with a comma."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    receive: Receive
    connection: asyncio.Transport | None

    @classmethod
    def from_scope(cls, scope: dict[str, Any], receive: Receive) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raw_query = scope["query_string"].decode("latin-1")
        query = dict(parse_qsl(raw_query, keep_blank_values=True)) if raw_query else {}
        connection = scope.get("extensions", {}).get("localpush.connection")
        return cls(scope["method"], scope["path"], query, headers, receive, connection)

    async def body(self, most: int) -> bytes:
        """The whole body; raises TooLarge above `most` octets."""
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > most:
            raise TooLarge
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise ConnectionResetError
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise TooLarge
            if not event.get("more_body"):
                return b"".join(parts)

    async def json(self, most: int = 8_000_000) -> Any:
        """The body read as JSON; raises BadInput or TooLarge."""
        body = await self.body(most)
        try:
            return json.loads(body)
        except ValueError as problem:
            raise BadInput("", f"must be JSON in UTF-8: {problem}") from problem

    async def wait_for_disconnect(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            continue


@dataclass(slots=True)
class Response:
    """What is answered; `headers` come on top of content type and length."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        if self.content_type is not None:
            headers.append((b"content-type", self.content_type.encode()))
        if self.status != HTTPStatus.NO_CONTENT:
            headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_answer(value: object, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, body, "application/json; charset=utf-8", {"cache-control": "no-store"})


def problem(status: int, code: str, detail: str, pointer: str | None = None) -> Response:
    """An RFC 9457 problem document; `code` is stable, `pointer` names the member that is wrong."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if pointer is not None:
        document["errors"] = [{"pointer": pointer, "code": code, "detail": detail}]
    answer = json_answer(document, status)
    answer.content_type = "application/problem+json"
    return answer
