"""Requests to the tests' push services, and the answers that come back."""

from typing import Any, Final

from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.request import PushRequest, build_request, parse_endpoint
from pushplatform.webpush.transport import Transport

PATIENCE: Final = (0.5, 2.0, 8.0, 32.0)
"""Seconds of one try after the other, where one must be long enough for whoever is well and not for who hangs: how long
that is depends on the machine and on what else it does."""


def request_to(url: str, body: bytes = b"encrypted") -> PushRequest:
    endpoint = parse_endpoint(url, allow_loopback=True)
    return build_request(endpoint, body, authorization="vapid t=a, k=b", ttl=60, urgency="high", topic="abcd")


def all_answers(transport: Transport) -> list[tuple[Any, Answer]]:
    answers: list[tuple[Any, Answer]] = []
    while transport.in_flight:
        answers += transport.poll(10)
    return answers


def answer_of(transport: Transport, url: str) -> Answer:
    ticket = object()
    transport.submit(request_to(url), ticket)
    [(returned, answer)] = all_answers(transport)
    assert returned is ticket
    return answer
