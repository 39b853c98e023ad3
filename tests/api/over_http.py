"""A CRM that calls the running web process, as curl would."""

import json
from typing import Any
from urllib.parse import quote

import requests

from pushplatform.sites.api_keys import make_key
from pushplatform.sites.models import Scope, Site
from tests.campaigns.shop import new_client

ALL = tuple(scope.value for scope in Scope)


class Crm:
    """One client of a Site with a key; every call returns requests' response."""

    def __init__(self, web_url: str, site: Site, *scopes: str):
        self.base = f"{web_url}/api/v1/"
        self.site = site
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {make_key(new_client(site, *(scopes or ALL))).text}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """`body`: JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Content-Type", "application/json")
        return self.session.request(method, self.base + path, data=data, headers=given, timeout=120)

    def get(self, path: str) -> requests.Response:
        return self.call("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any) -> requests.Response:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any) -> requests.Response:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> requests.Response:
        return self.call("DELETE", path)


def of(external_id: str, what: str = "") -> str:
    """The path of a contact, its id percent-encoded."""
    return f"contacts/{quote(external_id, safe='')}{what}"


def problem(response: requests.Response, status: int, code: str, *pointers: str) -> dict[str, Any]:
    """The answer is problem+json of this status and code and names exactly these places."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in body.get("errors", [])] == list(pointers), body
    assert all(error["detail"] and error["code"] for error in body.get("errors", []))
    return body


NASTY = (
    (b"{", 400, "malformed_json"),
    (b'{"tags": ["a"], "tags": []}', 400, "malformed_json"),
    (b'{"a": NaN}', 400, "malformed_json"),
    (b'{"a": 1e999}', 400, "malformed_json"),
    (b"\xff", 400, "malformed_json"),
    (b"[]", 422, "invalid_request"),
    (b"[" * 40 + b"]" * 40, 422, "too_deep"),
    (b'{"tags": ["\\u0000"]}', 422, "invalid_text"),
    (b'{"tags": ["\\ud800"]}', 422, "invalid_text"),
    (b"x" * (1_048_576 + 1), 413, "body_too_large"),
)
"""Bodies that no write takes, with what is answered."""
