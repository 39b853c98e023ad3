"""No log line holds an endpoint, a key, a row of the database or the path of a request, whoever prints it."""

import io
import logging

import pytest
from celery import shared_task
from celery.app.log import TaskFormatter
from celery.utils.log import ColorFormatter
from django.db import connection
from django.test import Client
from django.urls import include, path
from uvicorn.logging import DefaultFormatter

from pushplatform.log_lines import cut

ENDPOINT = "https://fcm.googleapis.com/fcm/send/dGhlLXNlY3JldA:APA91b"
SECRETS = ("dGhlLXNlY3JldA", "APA91b", "fcm/send", "Failing row", "+49 170", "second line")


def insert_what_is_refused():
    """A row without a device, which PostgreSQL quotes in its answer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into subscription (device_id, site_id, endpoint, endpoint_hash, p256dh, auth, secret_hash, page)"
            " values (null, 1, %s, '', '', '', '', %s)",
            [ENDPOINT, "/call +49 170\n\nsecond line"],
        )


urlpatterns = [
    path("refused", lambda _request: insert_what_is_refused()),
    path("refused/<str:id>", lambda _request, id: insert_what_is_refused()),
    path("", include("pushplatform.urls")),
]


@shared_task(name="tests.insert_what_is_refused")
def refused_task():
    try:
        insert_what_is_refused()
    except Exception as error:
        raise RuntimeError(f"could not store {ENDPOINT}") from error


@pytest.fixture
def printed():
    """What each kind of formatter that runs in our processes prints of all that is logged."""
    handlers = []
    for formatter in (
        logging.Formatter("%(message)s"),
        ColorFormatter("%(message)s", use_color=False),
        TaskFormatter("%(message)s", use_color=False),
        DefaultFormatter("%(message)s"),
    ):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter)
        handlers.append(handler)
        logging.getLogger().addHandler(handler)
    yield lambda: [handler.stream.getvalue() for handler in handlers]
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


def assert_cut(texts, *wanted):
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text]
        assert all(word in text for word in wanted), text


def test_a_task_whose_insert_fails_logs_where_and_why_and_nothing_of_the_row(module_database, printed):
    result = refused_task.apply()
    assert "Failing row" in str(result.result.__cause__)  # so there was something to cut
    assert_cut(
        printed(),
        "null value in column",
        "NotNullViolation",
        "insert_what_is_refused()",
        "direct cause of the following",
        "RuntimeError: could not store https://fcm.googleapis.com/…",
    )


def test_a_view_whose_insert_fails_logs_nothing_of_the_row(module_database, printed, settings):
    settings.ROOT_URLCONF = __name__
    assert Client(raise_request_exception=False).get("/refused").status_code == 500
    assert_cut(printed(), "Internal Server Error: /refused", "null value in column", "NotNullViolation")


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/api/v1/contacts/CRM-Kowalska/export", "Unauthorized: /api/v1/contacts/<str:external_id>/export"),
        ("/api/v1/contact/CRM-Kowalska", "Not Found: /api/…"),
        ("/CRM-Kowalska", "Not Found: /…"),
        ("/c/CRM-Kowalska", "Not Found: /c/<str:token>"),
        ("/refused/CRM-Kowalska", "Internal Server Error: /refused/<str:id>"),
    ],
)
def test_a_request_that_is_refused_or_fails_logs_its_route_and_not_its_path(
    module_database, printed, settings, path, logged
):
    settings.ROOT_URLCONF = __name__
    assert Client(raise_request_exception=False).get(path).status_code >= 400
    for text in printed():
        assert logged in text
        assert "Kowalska" not in text


@pytest.mark.parametrize("show", [str, repr], ids=["text", "repr"])
def test_an_error_in_the_message_itself_is_cut_too(module_database, printed, show):
    with pytest.raises(Exception, match="Failing row") as caught:
        insert_what_is_refused()
    logging.getLogger("tests").warning("%s: could not be stored, tried %s", show(caught.value), ENDPOINT)
    assert_cut(printed(), "null value in column")


def test_what_is_no_secret_stays():
    for text in ("Uvicorn running on http://0.0.0.0:8000", "DETAIL of a thing", "redis://localhost:6379/0", "a: b"):
        assert cut(text) == text
