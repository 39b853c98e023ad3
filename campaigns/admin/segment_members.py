"""Members of a segment as a CSV file, sent while they are read."""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from campaigns import saved_segments
from subscribers.models import Segment

AT_ONCE: Final = 2_000
"""Rows in one part of the answer."""


def download(request: HttpRequest, segment: Segment) -> StreamingHttpResponse:
    """Its members under MEMBER_COLUMNS; raises segments.DefinitionError. The caller notes it in the audit log."""
    members = saved_segments.members(segment)
    first = next(members, None)  # what cannot be worked out is told before the answer begins
    parts = _parts(first, members)
    # A plain iterator would be read to its end before the first byte goes out under ASGI.
    response = StreamingHttpResponse(
        _unblocked(parts) if isinstance(request, ASGIRequest) else parts, content_type="text/csv; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="segment-{segment.pk}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _parts(first: Sequence[str] | None, rest: Iterator[Sequence[str]]) -> Iterator[bytes]:
    rows: list[Sequence[str]] = [saved_segments.MEMBER_COLUMNS, *([first] if first else [])]
    for row in rest:
        rows.append(row)
        if len(rows) >= AT_ONCE:
            yield _written(rows)
            rows = []
    yield _written(rows)


def _written(rows: list[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def _unblocked(parts: Iterator[bytes]) -> AsyncIterator[Any]:
    while (part := await sync_to_async(lambda: next(parts, None))()) is not None:
        yield part
