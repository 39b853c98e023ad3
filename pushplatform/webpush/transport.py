"""The one part of the wire that does IO: many requests at once over few connections (libcurl, HTTP/2 multiplexed).

Each push service has connections, a window and timeouts of its own, so one that hangs holds up nobody else. Answers
are values; endpoints never appear in an exception.
"""

import selectors
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final

import pycurl

from pushplatform.webpush.connections import Origin, Settings
from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.request import Endpoint, PushRequest

MAX_IDLE_ORIGINS: Final = 256
"""With more push services than this, the connections of idle ones are closed."""

UNREACHABLE: Final = frozenset(
    {"dns_failed", "connect_failed", "tls", "proxy_failed", "timeout_before_write", "timeout_after_write"}
)
"""Errors that say more about the push service than about the request."""

GATHERED: Final = 64
TURN_EVERY: Final = 0.01
"""So many requests, or seconds, make a turn of libcurl when polled without waiting; one for each costs a third more."""


class Transport:
    """Sends push requests, many at once, and hands back their answers; one per process, for one thread.

    Connections are kept from batch to batch. Work goes on only inside `submit` and `poll`: encrypt and submit a few,
    `poll(0)`, and so on; when there is nothing left to submit, poll with a timeout.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = 5.0,
        answer_timeout: float = 15.0,
        allow_loopback: bool = False,
        routed: Mapping[str, str] | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        max_in_flight: int = 250,
    ) -> None:
        """Times in seconds. `max_in_flight`: requests under way per push service with HTTP/2; further ones wait.

        `allow_loopback`: names of this machine may be called; every other name must lead to a public address.
        `routed`: for tests, host → base URL that gets its requests. `proxy`: URL of an outbound proxy, which then has
        to refuse private addresses itself; None ignores the environment's. `ca_file`: trusted certificates (PEM)
        instead of the system's.
        """
        connect, total = round(connect_timeout * 1000), round((connect_timeout + answer_timeout) * 1000)
        self._settings = Settings(connect, total, allow_loopback, dict(routed or {}), proxy or "", ca_file)
        self._window = max_in_flight
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[int, Origin] = {}
        self._timers: dict[Origin, float] = {}
        self._origins: dict[str, Origin] = {}
        self._retired: set[Origin] = set()
        self._unsent: list[tuple[Any, Answer]] = []
        self._in_flight = 0
        self._gathered = 0
        self._turned_at = 0.0

    @property
    def in_flight(self) -> int:
        """Requests submitted whose answers `poll` has not handed back yet."""
        return self._in_flight

    def submit(self, request: PushRequest, ticket: object) -> None:
        """Take a request; its answer comes back from `poll` with the same ticket."""
        origin = self._origins.get(request.endpoint.origin) or self._open(request.endpoint)
        # Not started here: libcurl's code and that of the encryption drive each other out of the processor's cache.
        origin.waiting.append((request, ticket))
        self._in_flight += 1
        self._gathered += 1

    def poll(self, timeout: float) -> list[tuple[Any, Answer]]:
        """The answers that have come in, waiting up to `timeout` seconds for the first; [] when none is under way.

        `poll(0)` may be called after each `submit`: it does nothing until enough has gathered to be worth a turn.
        """
        if timeout <= 0 and self._gathered < GATHERED and monotonic() - self._turned_at < TURN_EVERY:
            return []
        deadline = monotonic() + timeout
        while True:
            answers, self._unsent = self._unsent, []
            self._collect(self._turn(0.0), answers)
            for look in (self._read_again, lambda: self._turn(deadline - monotonic())):
                if not answers and self._in_flight and monotonic() < deadline:
                    self._collect(look(), answers)
            if answers or not self._in_flight or monotonic() >= deadline:
                self._in_flight -= len(answers)
                return answers

    def withdraw(self, unwanted: Callable[[Any], bool]) -> list[Any]:
        """Take back requests that wait and have not begun, by their tickets; `poll` tells nothing of them."""
        withdrawn = []
        for origin in self._origins.values():
            waiting = list(origin.waiting)
            origin.waiting.clear()
            for request, ticket in waiting:
                if unwanted(ticket):
                    withdrawn.append(ticket)
                else:
                    origin.waiting.append((request, ticket))
        self._in_flight -= len(withdrawn)
        return withdrawn

    def close(self) -> None:
        """Break off everything under way and close all connections."""
        for origin in [*self._origins.values(), *self._retired]:
            origin.close()
        self._origins.clear()
        self._retired.clear()
        self._timers.clear()
        self._unsent.clear()
        self._selector.close()
        self._in_flight = 0

    def _turn(self, wait: float) -> set[Origin]:
        """Start what waits, and let libcurl do what is due: timers and ready sockets.

        Returns the origins where something may have ended.
        """
        touched = set()
        for origin in self._origins.values():
            self._refill(origin)
        if self._unsent:
            wait = 0.0
        elif self._timers:
            wait = min(wait, min(self._timers.values()) - monotonic())
        for key, events in self._selector.select(max(wait, 0.0)):
            # What was done for the socket before it may have closed this one.
            owner = self._sockets.get(key.fd)
            if owner is not None:
                owner.multi.socket_action(key.fd, events)
                touched.add(owner)
        now = self._turned_at = monotonic()
        self._gathered = 0
        for origin in [origin for origin, due in self._timers.items() if due <= now]:
            self._timers.pop(origin, None)
            origin.multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            touched.add(origin)
        return touched

    def _read_again(self) -> set[Origin]:
        """Before a wait, have libcurl look for what it has read off its sockets already.

        It leaves that to the transfer it was reading for, which may be over: the others on that connection would hear
        of it with the next packet, or after as long as a connect may take (libcurl 8.23).
        """
        touched = set()
        for fd, origin in list(self._sockets.items()):
            if self._sockets.get(fd) is origin and self._selector.get_key(fd).events & selectors.EVENT_READ:
                origin.multi.socket_action(fd, pycurl.CSELECT_IN)
                touched.add(origin)
        return touched

    def _collect(self, origins: Iterable[Origin], answers: list[tuple[Any, Answer]]) -> None:
        for origin in origins:
            left = 1
            while left:
                left, done, failed = origin.multi.info_read(self._window)
                for handle in done:
                    self._finish(origin, handle, None, answers)
                for handle, code, _ in failed:
                    self._finish(origin, handle, code, answers)
            if origin in self._retired and not origin.active:
                self._retired.discard(origin)
                self._close(origin)

    def _finish(self, origin: Origin, handle: Any, code: int | None, answers: list[tuple[Any, Answer]]) -> None:
        exchange = handle.exchange
        answer = exchange.answer(code)
        answers.append((exchange.ticket, answer))
        if answer.status:
            origin.answered_at = monotonic()
            if origin.multiplexed is None:
                origin.multiplexed = exchange.over_http2()
        elif answer.error in UNREACHABLE and origin.answered_at < exchange.started_at:
            self._give_up_waiting(origin)
            if answer.error == "timeout_after_write":
                self._retire(origin)
        origin.give_back(exchange)

    def _start(self, origin: Origin, request: PushRequest, ticket: object) -> None:
        try:
            error = None if origin.start(request, ticket) else "address_refused"
        except (pycurl.error, UnicodeError):
            error = "failed"
        if error:
            self._unsent.append((ticket, Answer(0, {}, b"", error, 0.0)))

    def _refill(self, origin: Origin) -> None:
        while origin.waiting and origin.has_room(self._window):
            self._start(origin, *origin.waiting.popleft())

    def _give_up_waiting(self, origin: Origin) -> None:
        """While a push service is out of reach, what waits for it comes back unsent, instead of a timeout each."""
        while origin.waiting:
            _, ticket = origin.waiting.popleft()
            self._unsent.append((ticket, Answer(0, {}, b"", "out_of_reach", 0.0)))

    def _open(self, endpoint: Endpoint) -> Origin:
        if len(self._origins) >= MAX_IDLE_ORIGINS:
            for key in [key for key, origin in self._origins.items() if not origin.active and not origin.waiting]:
                self._close(self._origins.pop(key))
        origin = Origin(endpoint, self._settings, self._on_socket, self._on_timer)
        self._origins[endpoint.origin] = origin
        return origin

    def _retire(self, origin: Origin) -> None:
        """Nothing came back on these connections for a whole timeout: what follows gets new ones."""
        for key, current in list(self._origins.items()):
            if current is origin:
                self._origins[key] = origin.successor()
                self._retired.add(origin)

    def _close(self, origin: Origin) -> None:
        origin.close()
        self._timers.pop(origin, None)

    def _on_socket(self, origin: Origin, fd: int, events: int) -> None:
        """libcurl's wish for a socket; its numbers for reading and writing are those of `selectors`."""
        if events == pycurl.POLL_REMOVE:
            if self._sockets.pop(fd, None) is not None:
                self._selector.unregister(fd)
        elif fd in self._sockets:
            self._selector.modify(fd, events)
        else:
            self._selector.register(fd, events)
            self._sockets[fd] = origin

    def _on_timer(self, origin: Origin, milliseconds: int) -> None:
        if milliseconds < 0:
            self._timers.pop(origin, None)
        else:
            self._timers[origin] = monotonic() + milliseconds / 1000
