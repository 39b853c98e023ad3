"""Answers that libcurl has read off a connection for a transfer that needed no more of them."""

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.transport import Transport
from tests.webpush.conftest import Certificate
from tests.webpush.sending import request_to

CONNECT = 3.0
"""Seconds. libcurl looks at a transfer, by itself and at no other, so long after it has begun."""

OK = b"\x88"
"""`:status: 200` as HPACK has it (RFC 7541, appendix A)."""

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113 §4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class OneConnection:
    """A push service for one connection over HTTP/2, that answers when it is told to. `asked`: streams with a whole
    request, in the order they came."""

    def __init__(self, certificate: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.file, certificate.key)
        self._context.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"https://localhost:{self._listener.getsockname()[1]}"
        self.asked: list[int] = []
        self._connection: ssl.SSLSocket
        threading.Thread(target=self._read, daemon=True).start()

    def answer(self, *streams: int) -> None:
        """A TLS record for each, all in one packet."""
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for stream in streams:
            self._connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, stream, OK))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def close(self) -> None:
        self._listener.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the client is gone: the test is over
            self._connection = self._context.wrap_socket(self._listener.accept()[0], server_side=True)
            said = self._connection.makefile("rb")
            said.read(24)  # the preface
            self._connection.sendall(frame(SETTINGS, 0, 0))
            while head := said.read(9):
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                said.read(int.from_bytes(head[:3], "big"))
                if kind == SETTINGS and not flags & ACK:
                    self._connection.sendall(frame(SETTINGS, ACK, 0))
                elif kind in (DATA, HEADERS) and flags & END_STREAM:
                    self.asked.append(stream)


class JustAfterTheLook(selectors.DefaultSelector):
    """Something happens right after a look at the sockets that has waited for nothing: that look does not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], None] | None = None
        self.waits: list[float] = []
        """How long it was to be waited in looks after that."""

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(timeout)
        self.waits += [timeout] if timeout else []
        if self.happens and timeout and not found:
            happens, self.happens = self.happens, None
            happens()
            while not super().select(1.0):
                """Until it is there."""
            self.waits.clear()
            return []
        return found


@pytest.fixture
def service(certificate: Certificate) -> Iterator[OneConnection]:
    made = OneConnection(certificate)
    yield made
    made.close()


def test_answers_that_were_read_with_those_of_another_transfer_are_not_waited_for(
    service: OneConnection, transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = JustAfterTheLook()
    monkeypatch.setattr(selectors, "DefaultSelector", lambda: look)
    sender = transport(connect_timeout=CONNECT)
    begin(sender, service, "before")
    service.answer(*service.asked)
    assert [ticket for ticket, _ in sender.poll(30)] == ["before"]
    begin(sender, service, "first")
    until(sender, monotonic() + 0.3)  # so that libcurl looks at the second that much later
    begin(sender, service, "second")

    look.happens = lambda: service.answer(*service.asked[-2:])
    answers: list[tuple[Any, Answer]] = []
    while sender.in_flight:
        answers += sender.poll(5)

    assert sorted((ticket, answer.status) for ticket, answer in answers) == [("first", 200), ("second", 200)]
    assert look.waits == []


def begin(sender: Transport, service: OneConnection, ticket: str) -> None:
    """Sends a request and waits until the push service has it."""
    already = len(service.asked)
    sender.submit(request_to(f"{service.base}/{ticket}"), ticket)
    while len(service.asked) == already:
        assert sender.poll(0.05) == []


def until(sender: Transport, moment: float) -> None:
    while monotonic() < moment:
        assert sender.poll(0.05) == []
