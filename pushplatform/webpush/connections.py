"""The connections to one push service and the exchanges on them: libcurl's options, and its results as answers."""

import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Final

import pycurl

from pushplatform.webpush.address import is_loopback, is_public
from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.request import Endpoint, PushRequest, is_loopback_name

MAX_ANSWER_BODY: Final = 4096
"""Octets kept of an answer; what follows is not read."""

CONNECTIONS_PER_ORIGIN: Final = 32
"""One request each without HTTP/2; with it the first connection alone carries about a hundred."""

_PROXY_ERROR: Final = 97
_ERRORS: Final[Mapping[int, str]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "dns_failed",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy_failed",
    _PROXY_ERROR: "proxy_failed",
    pycurl.E_COULDNT_CONNECT: "connect_failed",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_ISSUER_ERROR: "tls",
    pycurl.E_SEND_ERROR: "reset",
    pycurl.E_RECV_ERROR: "reset",
    pycurl.E_GOT_NOTHING: "reset",
    pycurl.E_PARTIAL_FILE: "reset",
    pycurl.E_HTTP2: "reset",
    92: "reset",  # an HTTP/2 stream was closed with an error
    pycurl.E_UNSUPPORTED_PROTOCOL: "protocol",  # HTTP/0.9, that is anything at all
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "protocol",
    100: "protocol",  # more headers than libcurl takes
}

_TURNED_AWAY: Final = "Connection died, tried "
"""libcurl's words when streams that GOAWAY or REFUSED_STREAM left out (RFC 9113 §8.7) are so a sixth time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How connections are made; the meaning is told at `Transport`. Times in milliseconds."""

    connect_timeout: int
    total_timeout: int
    allow_loopback: bool
    routed: Mapping[str, str]
    proxy: str
    ca_file: str | None


class HeaderLines(Mapping[str, str]):
    """Headers of an answer by lower-case name, read only when asked for: most answers are never looked into."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._read: dict[str, str] | None = None

    def _headers(self) -> dict[str, str]:
        if self._read is None:
            self._read = {}
            for line in self._lines:
                # Interim answers (1xx) come first, each with a status line of its own.
                if line.startswith(b"HTTP/"):
                    self._read.clear()
                name, colon, value = line.decode("latin-1").partition(":")
                if colon:
                    self._read[name.strip().lower()] = value.strip()
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._headers()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers())

    def __len__(self) -> int:
        return len(self._headers())


class Exchange:
    """One libcurl handle, used for one request after the other to the same push service."""

    __slots__ = (
        *("_address_refused", "_body", "_lines", "_may_connect", "_timeout"),
        *("handle", "headers", "started_at", "ticket"),
    )

    def __init__(self, may_connect: Callable[[str], bool], answer_within: int) -> None:
        self.handle: Any = pycurl.Curl()
        self.handle.exchange = self
        self.headers: tuple[str, ...] = ()
        self.ticket: object = None
        self.started_at = 0.0
        self._may_connect = may_connect
        self._timeout = answer_within
        self._address_refused = False
        self._lines: list[bytes] = []
        self._body = b""
        self.handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._write)
        self.handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def answer(self, code: int | None) -> Answer:
        """What came back; `code`: libcurl's error or None. An error after the status does not undo the status."""
        status = self.handle.getinfo(pycurl.RESPONSE_CODE)
        seconds = self.handle.getinfo(pycurl.TOTAL_TIME)
        lines = self._lines.copy()
        if status >= 200:
            return Answer(status, HeaderLines(lines), self._body, None, seconds)
        return Answer(0, {}, b"", self._error(code), seconds)

    def over_http2(self) -> bool:
        """Whether the answer came over HTTP/2."""
        return bool(self._lines) and self._lines[0].startswith(b"HTTP/2")

    def reset(self) -> None:
        """Forget the last request, so that the handle can be used again."""
        self.ticket = None
        self._address_refused = False
        self._lines.clear()
        self._body = b""

    def _error(self, code: int | None) -> str:
        if self._address_refused:
            return "address_refused"
        if code == pycurl.E_OPERATION_TIMEDOUT:
            # Not PRETRANSFER_TIME: libcurl fills it in for transfers that never got a connection, too.
            written = self.handle.getinfo(pycurl.REQUEST_SIZE) > 0
            return "timeout_after_write" if written else "timeout_before_write"
        if self.handle.getinfo(pycurl.HTTP_CONNECTCODE) >= 300:
            return "proxy_failed"
        if self.handle.errstr().startswith(_TURNED_AWAY):
            return "turned_away"
        return _ERRORS.get(code, "failed") if code else "protocol"

    def _write(self, data: bytes) -> int:
        room = MAX_ANSWER_BODY - len(self._body)
        self._body += data[:room]
        return len(data) if len(data) <= room else 0

    def _open_socket(self, purpose: int, address: Any) -> socket.socket | int:
        """The socket for an address libcurl is about to connect to: the last word on where we connect."""
        if not self._may_connect(address.addr[0]):
            self._address_refused = True
            refused: int = pycurl.SOCKET_BAD
            return refused
        self._address_refused = False
        opened = socket.socket(address.family, address.socktype, address.protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Else a peer that vanished without a word keeps its connection in use for a quarter of an hour.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._timeout)
        return opened


class Origin:
    """The connections to one push service: a libcurl multi handle of its own, and a store of used exchanges."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        on_socket: Callable[["Origin", int, int], None],
        on_timer: Callable[["Origin", int], None],
    ) -> None:
        self.active = 0
        self.waiting: deque[tuple[PushRequest, object]] = deque()
        self.answered_at = 0.0
        self.multiplexed: bool | None = None
        self._made_of = endpoint, settings, on_socket, on_timer
        self._settings = settings
        self._base = settings.routed.get(endpoint.host)
        self._local = settings.allow_loopback and is_loopback_name(endpoint.host)
        self._proxy = "" if self._base or self._local else settings.proxy
        self._tls = (self._base or endpoint.origin).startswith("https:")
        self._store: list[Exchange] = []
        self._busy: set[Exchange] = set()
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self.multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, CONNECTIONS_PER_ORIGIN)
        self.multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS_PER_ORIGIN)
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, lambda event, fd, multi, data: on_socket(self, fd, event))
        self.multi.setopt(pycurl.M_TIMERFUNCTION, partial(on_timer, self))

    def successor(self) -> "Origin":
        """The same push service with new connections."""
        return Origin(*self._made_of)

    def has_room(self, window: int) -> bool:
        """Whether one more request can start: `window` with HTTP/2, one a connection else and until that is known.

        What libcurl cannot start at once waits inside it, and its time to connect runs out there.
        """
        return self.active < (window if self.multiplexed else min(window, CONNECTIONS_PER_ORIGIN))

    def start(self, request: PushRequest, ticket: object) -> bool:
        """Put the request under way; False when the proxy would have to call a machine's own name for it."""
        if self._proxy and not _may_ask_proxy_for(request.endpoint.host):
            return False
        exchange = self._store.pop() if self._store else self._new_exchange()
        handle = exchange.handle
        url, headers = request.endpoint.url, request.headers
        if self._base is not None:
            url, headers = self._reroute(request)
        handle.setopt(pycurl.URL, url)
        if headers is not exchange.headers:  # most requests share one tuple
            handle.setopt(pycurl.HTTPHEADER, headers)
            exchange.headers = headers
        handle.setopt(pycurl.POSTFIELDS, request.body)
        self.multi.add_handle(handle)
        exchange.ticket = ticket
        exchange.started_at = monotonic()
        self._busy.add(exchange)
        self.active += 1
        return True

    def give_back(self, exchange: Exchange) -> None:
        """Take an exchange that has ended into the store."""
        self.multi.remove_handle(exchange.handle)
        exchange.reset()
        self._busy.discard(exchange)
        self._store.append(exchange)
        self.active -= 1

    def close(self) -> None:
        """Break off what is under way and close the connections."""
        for exchange in self._busy:
            self.multi.remove_handle(exchange.handle)
        for exchange in [*self._busy, *self._store]:
            exchange.handle.close()
        self._busy.clear()
        self._store.clear()
        self.multi.close()

    def _new_exchange(self) -> Exchange:
        exchange = Exchange(self._may_connect(), self._settings.total_timeout)
        handle, settings = exchange.handle, self._settings
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.USERAGENT, "pushplatform")
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS if self._tls else pycurl.PROTO_HTTP)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, settings.connect_timeout)
        handle.setopt(pycurl.TIMEOUT_MS, settings.total_timeout)
        # Set even when empty, or libcurl reads http_proxy and its like from the environment.
        handle.setopt(pycurl.PROXY, self._proxy)
        if self._tls:
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
            handle.setopt(pycurl.PIPEWAIT, 1)
            handle.setopt(pycurl.SSL_VERIFYPEER, 1)
            handle.setopt(pycurl.SSL_VERIFYHOST, 2)
            for option, path in _trust(settings.ca_file):
                handle.setopt(option, path)
        else:
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        return exchange

    def _may_connect(self) -> Callable[[str], bool]:
        """Whether an address may be connected to. A route and a proxy are the operator's and lead where they lead."""
        if self._base or self._proxy:
            return _anywhere
        return is_loopback if self._local else is_public

    def _reroute(self, request: PushRequest) -> tuple[str, tuple[str, ...]]:
        endpoint = request.endpoint
        path = endpoint.url.partition("://")[2].partition("/")[2]
        authority = endpoint.origin.partition("://")[2]
        return f"{(self._base or '').rstrip('/')}/{path}", (*request.headers, f"Host: {authority}")


def _anywhere(_address: str) -> bool:
    return True


def _may_ask_proxy_for(host: str) -> bool:
    numeric = ":" in host or host.replace(".", "").isdigit()
    return is_public(host) if numeric else not is_loopback_name(host)


def _trust(ca_file: str | None) -> list[tuple[int, str]]:
    """libcurl's options for the trusted certificates: from a wheel it does not know where this system keeps them."""
    if ca_file is not None:
        return [(pycurl.CAINFO, ca_file)]
    paths = ssl.get_default_verify_paths()
    found = [(pycurl.CAINFO, paths.cafile), (pycurl.CAPATH, paths.capath)]
    return [(option, path) for option, path in found if path]
