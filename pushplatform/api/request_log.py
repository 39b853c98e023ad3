"""A line for each call of the API, for operators: who, what, when, how it ended. No bodies, no personal data.

Lines are written by a thread of the web process, many at a time and after the answers: no call waits for its line or
fails because of it. What does not fit into memory while the database is away is dropped, and counted.
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from pushplatform.api.models import RequestLine
from pushplatform.api.request_id import request_id_of

PATH: Final = "/api/"
WRITE_SECONDS: Final = 1.0
MOST_WAITING: Final = 10_000
"""Lines in memory; beyond, new ones are dropped."""
AT_ONCE: Final = 1_000
DELETED_AT_ONCE: Final = 10_000

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")

log = logging.getLogger(__name__)


class RequestLogMiddleware:
    """Notes each call under PATH where a log is open."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        log_ = _open_log
        if log_ is None or not request.path.startswith(PATH):
            return self.get_response(request)
        begun = monotonic()
        response = self.get_response(request)
        log_.note(_line(request, response.status_code, monotonic() - begun))
        return response


def _line(request: HttpRequest, status: int, seconds: float) -> RequestLine:
    caller = getattr(request, "caller", None)
    match = request.resolver_match
    return RequestLine(
        at=timezone.now(),
        request_id=request_id_of(request),
        site_id=caller.site.pk if caller else None,
        client_id=caller.client.pk if caller else None,
        key_prefix=caller.key_prefix if caller else "",
        method=(request.method or "")[:8],
        # The pattern, never the path: that may hold a customer's id.
        route=route_of(match.route) if match else "",
        status=status,
        ms=min(round(seconds * 1000), 2**31 - 1),
        items=getattr(request, "items", 0),
    )


def route_of(pattern: str) -> str:
    """A URL pattern as the documentation writes it: `/api/v1/messages/{id}`."""
    return _PARAMETER.sub(r"{\1}", f"/{pattern}")[:100]


class RequestLog:
    """Lines that wait, and the thread that writes them. `write`: stores lines or raises DatabaseError."""

    def __init__(self, write: Callable[[Sequence[RequestLine]], None] | None = None):
        self._write = write or _write
        self._waiting: list[RequestLine] = []
        self._dropped = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def note(self, line: RequestLine) -> None:
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(line)
            else:
                self._dropped += 1

    def stop(self, seconds: float = 2.0) -> None:
        """Writes what waits, for at most so long."""
        self._ending.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._ending.wait(WRITE_SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Writes everything that waits; what cannot be written now stays, as far as there is room."""
        while True:
            with self._lock:
                lines, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                dropped, self._dropped = self._dropped, 0
            if dropped:
                log.warning("%s lines of the request log were dropped: too many waited to be written", dropped)
            if not lines:
                return
            try:
                self._write(lines)
            except DatabaseError as error:
                log.warning("the request log cannot be written now (%s)", type(error).__name__)
                with self._lock:
                    self._waiting = [*lines, *self._waiting][:MOST_WAITING]
                return
            except Exception:  # a line that no database takes must not end the log
                log.exception("%s lines of the request log were dropped", len(lines))


def _write(lines: Sequence[RequestLine]) -> None:
    try:
        RequestLine.objects.bulk_create(lines)
    finally:
        connection.close()  # back to the pool until the next lines


_open_log: RequestLog | None = None


def begin() -> None:
    """Opens the log of this process; before that nothing is noted."""
    global _open_log
    _open_log = RequestLog()
    _open_log.start()


def end() -> None:
    """Writes what waits and closes the log."""
    global _open_log
    log_, _open_log = _open_log, None
    if log_ is not None:
        log_.stop()


def forget_old(now: datetime) -> int:
    """Deletes lines older than REQUEST_LOG_DAYS, some at a time; returns how many."""
    deleted = 0
    oldest = now - timedelta(days=settings.REQUEST_LOG_DAYS)
    while (some := _delete_some(oldest)) > 0:
        deleted += some
    return deleted


def _delete_some(oldest: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from request_line where id in (select id from request_line where at < %s order by at limit %s)",
            [oldest, DELETED_AT_ONCE],
        )
        return int(cursor.rowcount)
