"""Refusals in the words and numbers of Mozilla's push service, which senders already know how to read."""

from __future__ import annotations

import json
from http import HTTPStatus

from pushplatform.localpush.exchange import Response

_ERRNO = {400: 110, 401: 109, 403: 109, 404: 102, 410: 106, 413: 104, 429: 201, 500: 999, 502: 901, 503: 201}
_RFC_8030 = "https://www.rfc-editor.org/rfc/rfc8030"


def refusal(status: int, message: str, *, errno: int | None = None) -> Response:
    """An answer to a push that was not accepted: {code, errno, error, message, more_info}."""
    document = {
        "code": status,
        "errno": _ERRNO[status] if errno is None else errno,
        "error": HTTPStatus(status).phrase,
        "message": message,
        "more_info": _RFC_8030,
    }
    answer = Response(status, json.dumps(document).encode(), "application/json")
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["www-authenticate"] = "vapid"
    elif status in (HTTPStatus.GONE, HTTPStatus.NOT_FOUND):
        answer.headers["cache-control"] = "max-age=86400"
    return answer
