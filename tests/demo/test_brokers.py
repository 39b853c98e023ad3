"""A poke reaches the worker over each of the brokers, from a web process that has opened its connection."""

import json
import time
import urllib.error
import urllib.request

import pytest
from celery import Celery

from tests.parts.stack import Stack


def health(stack: Stack) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"{stack.web_url}/health", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)


@pytest.mark.parametrize("broker", ["pgmq", "redis", "rabbitmq"])
def test_a_task_sent_over_this_broker_is_done_by_the_worker(begin_stack, monkeypatch, broker):
    stack = begin_stack(broker=broker, web=True, worker=True)
    assert health(stack) == (200, {"database": True, "broker": True})
    monkeypatch.setenv("CELERY_BROKER_URL", stack.env["CELERY_BROKER_URL"])  # Celery prefers it to what it is told
    with Celery("elsewhere", set_as_current=False) as sender:
        sender.conf.broker_transport_options = stack.broker_options
        sender.conf.task_ignore_result = True
        sender.send_task("celery.accumulate", args=[1, 2], queue="campaign")
    deadline = time.monotonic() + 120
    while "celery.accumulate" not in (log := stack.log("worker")) or "succeeded" not in log:
        assert time.monotonic() < deadline, log
        time.sleep(0.05)


def test_without_a_database_the_web_process_says_so(begin_stack):
    stack = begin_stack(broker="redis")
    stack.programs.env["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    stack.start(web=True)
    assert health(stack) == (503, {"database": False, "broker": True})
