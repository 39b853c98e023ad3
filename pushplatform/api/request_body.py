"""Bounds the bodies that programs send before Django stores them, and gives those of unknown length their length."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from pushplatform.api.parsing import MAX_BODY
from pushplatform.api.problems import CONTENT_TYPE, PROBLEM_PATHS, Problem, problem_body
from pushplatform.api.request_id import sound_request_id

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


MOST_DROPPED: Final = 16 * MAX_BODY
"""Octets that are read behind the answer, and dropped: most clients look for it only when they have sent all, and would
find a broken connection instead."""
DROPPING_SECONDS: Final = 10.0


class _TooLarge(Exception):
    pass


class BoundedBody:
    """ASGI middleware: requests under PROBLEM_PATHS with more than MAX_BODY octets get 413 and are kept nowhere.

    Without it Django would write a body of any size to disk before a view could refuse it, and REST framework takes a
    chunked body, which has no Content-Length, for an empty one.
    """

    def __init__(self, application: Application):
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PROBLEM_PATHS):
            return await self._application(scope, receive, send)
        headers = dict(scope["headers"])
        try:
            if b"content-length" in headers:
                if int(headers[b"content-length"]) > MAX_BODY:
                    raise _TooLarge
            elif b"transfer-encoding" in headers:
                body = await _read(receive)
                length = (b"content-length", str(len(body)).encode())
                scope = {**scope, "headers": [*scope["headers"], length]}
                receive = _replaying(body, receive)
        except _TooLarge:
            return await _refuse(headers, receive, send)
        return await self._application(scope, receive, send)


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if len(body) > MAX_BODY:
            raise _TooLarge
        if not event.get("more_body"):
            return body


def _replaying(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Event:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
    request_id = sound_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
    body = json.dumps(problem_body(Problem("body_too_large"), request_id)).encode()
    start = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", request_id.encode("latin-1")),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": start})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await _drop_the_rest(receive)
    await send({"type": "http.response.body", "body": b""})  # only now the server ends the connection


async def _drop_the_rest(receive: Receive) -> None:
    """Reads on to the end of the body, for so long and so much."""
    dropped = 0
    try:
        async with asyncio.timeout(DROPPING_SECONDS):
            while dropped < MOST_DROPPED:
                event = await receive()
                dropped += len(event.get("body", b""))
                if not event.get("more_body"):
                    return
    except TimeoutError:
        return
