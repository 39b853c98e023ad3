"""Whatever goes wrong under /api/ and /push/ is problem+json."""

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory

from pushplatform import urls
from pushplatform.api.problem_codes import PROBLEMS
from pushplatform.api.problems import pointer
from pushplatform.sites.models import Site
from tests.api.callers import Caller, assert_problem
from tests.campaigns.shop import new_client, new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


@pytest.fixture
def crm(site: Site) -> Caller:
    return Caller(new_client(site))


def test_an_address_that_does_not_exist(crm: Caller) -> None:
    assert_problem(crm.get("nothing/here"), 404, "not_found")
    assert_problem(Client().get("/push/v1/nothing"), 404, "not_found")


def test_a_page_that_does_not_exist_is_a_page() -> None:
    answer = Client().get("/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_method_that_an_address_does_not_take(crm: Caller) -> None:
    answer = crm.get("messages/validate")
    assert_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type(crm: Caller, content_type: str) -> None:
    assert_problem(crm.post("messages", b"{}", Content_Type=content_type), 415, "unsupported_media_type")


def test_a_compressed_body_is_not_unpacked(crm: Caller) -> None:
    assert_problem(crm.post("messages", b"{}", Content_Encoding="gzip"), 415, "unsupported_media_type")


def test_a_body_in_another_charset(crm: Caller) -> None:
    answer = crm.post("messages", b"{}", Content_Type="application/json; charset=utf-16")
    assert_problem(answer, 415, "unsupported_media_type")
    answer = crm.post("messages", b"[]", Content_Type="application/json; charset=UTF-8")
    assert_problem(answer, 422, "invalid_request", "")


def test_an_answer_that_cannot_be_had_in_that_type(crm: Caller) -> None:
    assert_problem(crm.get("", Accept="text/html"), 406, "not_acceptable")


def test_what_nobody_expected_is_500_and_tells_nothing_but_its_id(crm: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("campaigns.views.root.version", fail)
    answer = crm.get("")
    assert_problem(answer, 500, "internal_error")
    assert b"secret" not in answer.content


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_while_the_database_is_away_it_is_503_and_says_when_to_come_back(
    crm: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    def fail(text: str) -> None:
        raise error("connection refused at a secret place")

    monkeypatch.setattr("pushplatform.api.authentication.find_key", fail)
    answer = crm.get("")
    problem = assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert b"secret" not in answer.content
    assert f"request {problem['request_id']} failed" in caplog.text


def test_an_error_outside_of_every_view_is_problem_json_too() -> None:
    request = RequestFactory().get("/push/v1/sites")
    for handler, status in ((urls.server_error(request), 500), (urls.bad_request(request, ValueError()), 400)):
        assert handler.status_code == status
        assert handler.headers["Content-Type"] == "application/problem+json"


def test_a_sound_request_id_comes_back_and_another_is_replaced(crm: Caller) -> None:
    assert crm.get("", X_Request_Id="").headers["X-Request-Id"]
    sent = {"X-Request-Id": "deal-42.retry_1"}
    assert crm.get("", **sent).headers["X-Request-Id"] == "deal-42.retry_1"
    assert crm.get("", **{"X-Request-Id": "<script>"}).headers["X-Request-Id"] != "<script>"


def test_the_type_of_an_error_leads_to_its_explanation() -> None:
    for code, meaning in PROBLEMS.items():
        page = Client().get(f"/problems/{code}")
        assert page.status_code == 200
        assert meaning.title in page.content.decode()
    assert Client().get("/problems/unheard_of").status_code == 404


def test_pointers_are_written_as_the_rfc_has_it() -> None:
    assert pointer("recipients", 3, "a/b~c") == "/recipients/3/a~1b~0c"
    assert pointer() == ""
