"""A real localpush process, a sender that shares no code with it, and a server that receives reports."""

from __future__ import annotations

import base64
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from py_vapid import Vapid02
from pywebpush import WebPusher

ROOT = Path(__file__).resolve().parents[2]


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer of `look`; fails when there is none in time. No speed is asked for: machines are busy."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s; last: {found!r}"
        time.sleep(0.02)


class LocalPushProcess:
    """One localpush process and its HTTP interface."""

    def __init__(self, state_dir: Path | None = None, port: int = 0, *options: str) -> None:
        command = [sys.executable, "-m", "pushplatform.localpush", "--port", str(port), *options]
        if state_dir is not None:
            command += ["--state-dir", str(state_dir)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("localpush is ready at http://"), (line, self.process.poll())
        self.base = line.split()[-1].rstrip("/")
        self.port = int(self.base.rsplit(":", 1)[1])
        self.http = requests.Session()

    def call(self, method: str, path: str, body: object = None, **options: Any) -> requests.Response:
        return self.http.request(method, self.base + path, json=body, timeout=60, **options)

    def browser(self, key: str | None, **members: Any) -> dict[str, Any]:
        answer = self.call("POST", "/browsers", {"label": "Anna", "application_server_key": key, **members})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def inbox(self, **filters: Any) -> list[dict[str, Any]]:
        answer = self.call("GET", "/inbox.json", params=filters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def statistics(self) -> dict[str, Any]:
        return self.call("GET", "/statistics.json").json()

    def in_state(self, state: str, **filters: Any) -> dict[str, Any]:
        """The newest entry that passes the filters, once it is in this state."""

        def look() -> dict[str, Any] | None:
            found = self.inbox(limit=1, **filters)
            return found[0] if found and found[0]["state"] == state else None

        return eventually(look)

    def stop(self) -> int:
        self.http.close()
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            for pipe in (self.process.stdout, self.process.stderr):
                if pipe is not None:
                    pipe.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Sender:
    """Sends as pywebpush does: none of our own wire code is involved."""

    def __init__(self) -> None:
        self._vapid = Vapid02()
        self._vapid.generate_keys()
        octets = self._vapid.public_key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.public_key = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    def authorization(self, endpoint: str, **claims: Any) -> str:
        origin = "/".join(endpoint.split("/")[:3])
        given = {"aud": origin, "exp": int(time.time()) + 3600, "sub": "mailto:push@example.com", **claims}
        return self._vapid.sign(given)["Authorization"]

    def post(
        self, subscription: dict[str, Any], payload: object, headers: dict[str, str | None] | None = None, **claims: Any
    ) -> requests.Response:
        """Encrypt and push; a header given as None is left out."""
        if isinstance(payload, bytes):
            body = payload
        else:
            text = payload if isinstance(payload, str) else json.dumps(payload)
            body = WebPusher(subscription).encode(text.encode(), content_encoding="aes128gcm")["body"]
        wanted = {
            "TTL": "60",
            "Content-Encoding": "aes128gcm",
            "Authorization": self.authorization(subscription["endpoint"], **claims),
            **(headers or {}),
        }
        kept = {name: value for name, value in wanted.items() if value is not None}
        return requests.post(subscription["endpoint"], data=body, headers=kept, timeout=60)


def notification(message: str, title: str = "Hello", **members: Any) -> dict[str, Any]:
    """A payload as the platform sends it; its receipt token is `token of <message>`."""
    data = {"v": 1, "t": f"token of {message}", "m": message, "url": "https://shop.example/", **members.pop("data", {})}
    shown = {"title": title, "body": "A body", "navigate": "https://push.example/c/1", "data": data, **members}
    return {"web_push": 8030, "mutable": True, "notification": shown}


class ReceiptsServer:
    """Collects the reports of service workers; answers `statuses` first, one a post, then 204.

    While `open` is cleared, posts are taken (`taken` counts them) and get no answer yet.
    """

    def __init__(self) -> None:
        self.posts: list[list[dict[str, Any]]] = []
        self.content_types: set[str] = set()
        self.statuses: list[int] = []
        self.taken = 0
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if outer.statuses else 204
                outer.taken += 1
                outer.open.wait()
                if status == 204:
                    outer.content_types.add(self.headers["Content-Type"])
                    outer.posts.append(json.loads(body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/push/v1/receipts"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def of(self, message: str) -> list[str]:
        """The kinds reported for a message, in the order of arrival."""
        return [item["kind"] for post in self.posts for item in post if item["token"] == f"token of {message}"]

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def sender() -> Sender:
    return Sender()


@pytest.fixture(scope="module")
def localpush() -> Iterator[LocalPushProcess]:
    process = LocalPushProcess()
    yield process
    process.stop()


@pytest.fixture
def receipts() -> Iterator[ReceiptsServer]:
    server = ReceiptsServer()
    yield server
    server.close()


@pytest.fixture
def browser(localpush: LocalPushProcess, sender: Sender, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A simulated browser of this test alone: its label is the test's name."""
    return localpush.browser(sender.public_key, label=request.node.name[:200])
