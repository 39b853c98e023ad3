"""Large bodies are turned away before anything stores them, and those without a length get one."""

import asyncio
from typing import Any

import pytest

from pushplatform.api.parsing import MAX_BODY
from pushplatform.api.request_body import BoundedBody
from tests.asgi_client import Answer, call


class Recorder:
    """An application that reads everything and answers 200."""

    def __init__(self) -> None:
        self.body, self.length, self.called = b"", b"", False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.called = True
        self.length = dict(scope["headers"]).get(b"content-length", b"")
        more = True
        while more:
            event = await receive()
            self.body += event.get("body", b"")
            more = event.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def post(recorder: Recorder, path: str, *chunks: bytes, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(call(BoundedBody(recorder), "POST", path, chunks, names))


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    recorder = Recorder()
    answer = post(recorder, "/api/v1/messages", content_length=str(MAX_BODY + 1))
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert not recorder.called


def test_a_chunked_body_that_grows_too_large_is_cut_off() -> None:
    recorder = Recorder()
    answer = post(recorder, "/push/v1/x", *[b"x" * 65_536] * 17, transfer_encoding="chunked")
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
    assert not recorder.called


def test_a_chunked_body_arrives_whole_and_with_its_length() -> None:
    recorder = Recorder()
    assert post(recorder, "/api/v1/messages", b'{"a":', b" 1}", transfer_encoding="chunked").status == 200
    assert (recorder.body, recorder.length) == (b'{"a": 1}', b"8")


@pytest.mark.parametrize("size", [0, MAX_BODY])
def test_a_body_within_the_limit_passes_as_it_is(size: int) -> None:
    recorder = Recorder()
    assert post(recorder, "/api/v1/messages", b"x" * size, content_length=str(size)).status == 200
    assert len(recorder.body) == size


def test_pages_may_upload_more() -> None:
    recorder = Recorder()
    assert post(recorder, "/admin/import", b"x", content_length=str(MAX_BODY * 3)).status == 200
