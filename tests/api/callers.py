"""Calls the CRM API with a key."""

import json
from itertools import count
from typing import Any

from django.test import Client

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import ApiClient

_numbers = count(1)


class Caller:
    """A CRM with a key of its own. Every call returns Django's response; `.json()` reads it."""

    def __init__(self, client: ApiClient):
        self.client = client
        self.key, self.secret = make_key(client)
        self._http = Client(raise_request_exception=False)

    def get(self, path: str, **headers: str) -> Any:
        return self._http.get(f"/api/v1/{path}", headers=self._headers(headers))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """`body`: JSON, or bytes as they are. Each call has an Idempotency-Key of its own unless it is given."""
        given = {"Idempotency-Key": f"act-{next(_numbers)}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        content_type = given.pop("Content-Type", "application/json")
        return self._http.post(f"/api/v1/{path}", raw, content_type=content_type, headers=self._headers(given))

    def put(self, path: str, body: Any) -> Any:
        raw = json.dumps(body).encode()
        return self._http.put(f"/api/v1/{path}", raw, content_type="application/json", headers=self._headers({}))

    def delete(self, path: str) -> Any:
        return self._http.delete(f"/api/v1/{path}", headers=self._headers({}))

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.secret}", **given}
        return {name: value for name, value in headers.items() if value}


def assert_problem(response: Any, status: int, code: str, *pointers: str) -> dict[str, Any]:
    """The answer is problem+json of this status and code, and names exactly these places of the body."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"].endswith(f"/problems/{code}")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert [error["pointer"] for error in problem.get("errors", [])] == list(pointers)
    return problem
