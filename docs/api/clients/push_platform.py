"""A client of the CRM API in one file, standard library only: copy it into your project."""

import http.client
import json
import random
import time
import urllib.error
import urllib.request
import uuid
from urllib.parse import quote, urlencode


class PushError(Exception):
    """An answer that is an error. Branch on `code`; `errors` say what is wrong with which field."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.code, self.errors = status, problem.get("code"), problem.get("errors", [])
        self.request_id = problem.get("request_id")


class WrongRequest(PushError):
    """Mend the request; sending it again as it is changes nothing."""


class NotAllowed(PushError):
    """The key is missing, wrong, revoked or lacks a scope."""


class NotFound(PushError):
    """There is no such thing in the key's Site."""


class Unavailable(PushError):
    """Busy, out of order or out of reach, through all attempts."""


KINDS = {401: NotAllowed, 403: NotAllowed, 404: NotFound}


class PushPlatform:
    def __init__(self, api, key, attempts=6):
        self.api, self.key, self.attempts = api.rstrip("/"), key, attempts

    def send(self, message, idempotency_key=None):
        """Sends once, however often it has to be tried. The same key again answers the same."""
        return self.call("POST", "/messages", message, key=idempotency_key or str(uuid.uuid4()))

    def deliveries(self, message_id, **filters):
        """What became of a message, device by device."""
        cursor = None
        while True:
            query = {name: value for name, value in {**filters, "cursor": cursor}.items() if value is not None}
            page = self.call("GET", f"/messages/{message_id}/deliveries?{urlencode(query)}")
            yield from page["data"]
            if (cursor := page["next_cursor"]) is None:
                return

    def contact(self, external_id):
        return self.call("GET", f"/contacts/{quote(external_id, safe='')}")

    def put_contact(self, external_id, **members):
        return self.call("PUT", f"/contacts/{quote(external_id, safe='')}", members)

    def event(self, external_id, name, **members):
        """One event; with an `id` it counts once. Raises WrongRequest when it was not taken."""
        event = {"external_id": external_id, "name": name, **members}
        (result,) = self.call("POST", "/events", {"events": [event]})["results"]
        if result["status"] == "failed":
            raise WrongRequest(200, {**result, "detail": result["errors"][0]["detail"]})
        return result["status"]

    def call(self, method, path, body=None, key=None):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, data, headers, method=method)
        for attempt in range(1, self.attempts + 1):
            retry_after, error = 0.0, None
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as answer:
                error = _error(answer)
                if not isinstance(error, Unavailable):
                    raise error from None
                told = answer.headers.get("Retry-After", "")
                retry_after = float(told) if told.isdigit() else 0.0  # a date, of a proxy in between, is left aside
            except (OSError, http.client.HTTPException) as lost:  # refused, reset, timed out, cut off: who knows
                error = Unavailable(0, {"code": "unreachable", "detail": str(lost)})
            if attempt == self.attempts:
                raise error
            time.sleep(max(retry_after, random.uniform(0.5, 1) * min(0.5 * 2**attempt, 30)))


def _error(answer):
    try:
        problem = json.loads(answer.read())
    except (ValueError, OSError, http.client.HTTPException):  # of a proxy in between, or cut off
        problem = {"code": "no_problem", "detail": answer.reason}
    if answer.code == 429 or answer.code >= 500 or problem.get("code") == "idempotency_in_progress":
        return Unavailable(answer.code, problem)
    return KINDS.get(answer.code, WrongRequest)(answer.code, problem)
