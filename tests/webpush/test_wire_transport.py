"""The transport against real push services on this machine: what comes back, and how much at once."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pushplatform.webpush.outcome import Answer
from pushplatform.webpush.request import Endpoint, PushRequest, PushService, build_request, parse_endpoint
from pushplatform.webpush.transport import Transport
from tests.localpush.conftest import eventually
from tests.webpush.conftest import Certificate, PushServer
from tests.webpush.sending import PATIENCE, all_answers, answer_of, request_to

StartServer = Callable[..., PushServer]


def test_the_request_arrives_as_it_was_built(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    server = push_server()

    answer = answer_of(transport(), f"{server.base}/201/./abc?token=x%2fy")

    assert (answer.status, answer.error, answer.body) == (201, None, b"")
    assert answer.seconds > 0
    [received] = server.received
    assert received.path == "/201/./abc?token=x%2fy"
    assert received.body == b"encrypted"
    sent = {"ttl": "60", "urgency": "high", "topic": "abcd", "authorization": "vapid t=a, k=b"}
    sent |= {"content-encoding": "aes128gcm", "content-type": "application/octet-stream", "content-length": "9"}
    assert sent.items() <= received.headers.items()


def test_it_arrives_over_tls_too(
    push_server: StartServer, transport: Callable[..., Transport], certificate: Certificate
) -> None:
    server = push_server(certificate)

    assert answer_of(transport(), f"{server.base}/201").status == 201
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404, 410, 413, 500, 503])
def test_a_status_and_its_body_are_handed_on(
    push_server: StartServer, transport: Callable[..., Transport], status: int
) -> None:
    answer = answer_of(transport(), f"{push_server().base}/{status}/x")

    assert (answer.status, answer.error) == (status, None)
    assert answer.body == (b"" if status == 202 else f"body of {status}".encode())


def test_headers_are_found_by_lower_case_name(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    answer = answer_of(transport(), f"{push_server().base}/throttled")

    assert answer.status == 429
    assert answer.headers["retry-after"] == "17"
    assert answer.headers.get("location") is None
    assert "content-length" in set(answer.headers)
    assert len(answer.headers) == len(set(answer.headers))


def test_an_interim_answer_is_not_the_answer(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    answer = answer_of(transport(), f"{push_server().base}/early")

    assert answer.status == 201
    assert answer.headers["location"] == "/m/1"
    assert "link" not in answer.headers


def test_an_answer_takes_nothing_over_from_the_one_before(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server, sender = push_server(), transport()
    before = answer_of(sender, f"{server.base}/404")

    answer = answer_of(sender, f"{server.base}/201")

    assert (before.status, before.body) == (404, b"body of 404")
    assert (answer.status, answer.body) == (201, b"")
    assert server.connections == 1


def test_a_body_that_gets_stuck_does_not_undo_the_status(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    for seconds in PATIENCE:
        answer = answer_of(transport(connect_timeout=1.0, answer_timeout=seconds), f"{push_server().base}/stuck")
        if answer.status:
            break

    assert (answer.status, answer.body) == (410, b"half")


def test_no_answer_in_time_is_a_timeout_after_the_write(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    for seconds in PATIENCE:
        server = push_server()
        answer = answer_of(transport(connect_timeout=1.0, answer_timeout=seconds), f"{server.base}/hang")
        if answer.error == "timeout_after_write":
            break

    assert (answer.status, answer.error) == (0, "timeout_after_write")
    assert answer.seconds >= 1.0 + seconds
    eventually(lambda: len(server.received) == 1)


def test_a_handshake_that_never_ends_is_a_timeout_before_the_write(
    silent_port: int, transport: Callable[..., Transport]
) -> None:
    answer = answer_of(transport(connect_timeout=0.3), f"https://localhost:{silent_port}/201")

    assert (answer.status, answer.error) == (0, "timeout_before_write")


def test_what_waits_behind_requests_that_hang_comes_back_unsent(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    for seconds in PATIENCE:
        server, sender = push_server(), transport(connect_timeout=1.5, answer_timeout=seconds)
        for number in range(50):
            sender.submit(request_to(f"{server.base}/hang/{number}"), number)
        errors = Counter(answer.error for _, answer in all_answers(sender))
        if errors["timeout_after_write"] == 32:  # all that there are connections for were written in time
            break

    assert errors == {"timeout_after_write": 32, "out_of_reach": 18}
    eventually(lambda: len(server.received) == 32)


@pytest.mark.parametrize(("kind", "error"), [("reset", "reset"), ("close", "reset"), ("garbage", "protocol")])
def test_a_broken_answer_is_an_error_and_the_next_request_is_fine(
    push_server: StartServer, transport: Callable[..., Transport], kind: str, error: str
) -> None:
    server, sender = push_server(), transport()

    answer = answer_of(sender, f"{server.base}/{kind}")

    assert (answer.status, answer.headers, answer.body, answer.error) == (0, {}, b"", error)
    assert answer_of(sender, f"{server.base}/201").status == 201


def test_a_port_where_nobody_listens_is_a_failed_connection(transport: Callable[..., Transport]) -> None:
    assert answer_of(transport(), "http://localhost:1/x").error == "connect_failed"


def test_a_name_that_does_not_resolve_is_a_failed_lookup(transport: Callable[..., Transport]) -> None:
    endpoint = Endpoint("https://nowhere.invalid/x", "https://nowhere.invalid", "nowhere.invalid", PushService.OTHER)
    sender = transport(connect_timeout=3.0)
    sender.submit(PushRequest(endpoint, (), b""), 1)

    [(_, answer)] = all_answers(sender)

    assert answer.error in ("dns_failed", "timeout_before_write")


def test_an_origin_that_hangs_holds_up_no_other(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    hanging, well = push_server(), push_server()
    sender = transport(connect_timeout=30.0, answer_timeout=30.0, max_in_flight=20)
    for number in range(100):
        sender.submit(request_to(f"{hanging.base}/hang"), ("hanging", number))
        sender.submit(request_to(f"{well.base}/201"), ("well", number))
    answers: list[tuple[Any, Answer]] = []
    while len(answers) < 100:
        answers += sender.poll(10)

    assert {name for (name, _), _ in answers} == {"well"}
    assert {answer.status for _, answer in answers} == {201}
    assert sender.in_flight == 100


def test_a_request_that_cannot_start_is_answered_without_waiting_for_those_under_way(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    sender = transport(answer_timeout=60.0)
    sender.submit(request_to(f"{push_server().base}/hang"), "hangs")
    assert sender.poll(0.2) == []
    sender.submit(
        PushRequest(Endpoint("https://localhost/ä", "https://localhost", "localhost", PushService.LOCAL), (), b""),
        "cannot",
    )

    assert [(ticket, answer.error) for ticket, answer in sender.poll(30)] == [("cannot", "failed")]
    assert sender.in_flight == 1


def test_each_request_carries_its_own_headers_over_connections_used_before(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server = push_server()
    sender = transport()
    endpoint = parse_endpoint(f"{server.base}/201", allow_loopback=True)
    ways = [("60", "abcd"), ("60", None), ("5", None), ("60", "abcd"), ("60", "abcd")]
    for ttl, topic in ways:
        sender.submit(
            build_request(endpoint, b"", authorization="vapid t=a, k=b", ttl=int(ttl), urgency="low", topic=topic), 1
        )
        all_answers(sender)

    assert [(one.headers["ttl"], one.headers.get("topic")) for one in server.received] == ways


def test_no_more_than_the_window_is_under_way_at_once(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server, sender = push_server(), transport(max_in_flight=3)
    for number in range(60):
        sender.submit(request_to(f"{server.base}/201"), number)

    assert sender.in_flight == 60
    assert sorted(ticket for ticket, _ in all_answers(sender)) == list(range(60))
    assert server.busiest <= 3
    assert sender.in_flight == 0


def test_connections_are_few_and_kept_between_batches(
    push_server: StartServer, transport: Callable[..., Transport], certificate: Certificate
) -> None:
    server, sender = push_server(certificate), transport()
    for _ in range(3):
        for number in range(50):
            sender.submit(request_to(f"{server.base}/201"), number)
        assert {answer.status for _, answer in all_answers(sender)} == {201}

    assert server.connections <= 32


def test_bodies_and_tickets_stay_together(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    server, sender = push_server(), transport()
    kinds = ["201", "404", "410", "503"]
    for number in range(200):
        sender.submit(request_to(f"{server.base}/{kinds[number % 4]}/{number}", f"body {number}".encode()), number)

    answers = dict(all_answers(sender))

    assert {number: answer.status for number, answer in answers.items()} == {
        number: int(kinds[number % 4]) for number in range(200)
    }
    assert {received.path.rpartition("/")[2]: received.body for received in server.received} == {
        str(number): f"body {number}".encode() for number in range(200)
    }


def test_polling_while_submitting_lets_answers_come_in(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server, sender = push_server(), transport()
    early = 0
    for number in range(500):
        sender.submit(request_to(f"{server.base}/201"), number)
        early += len(sender.poll(0 if sender.in_flight < 50 else 5))

    assert early >= 450
    assert early + len(all_answers(sender)) == 500


def test_polling_with_nothing_under_way_returns_at_once(transport: Callable[..., Transport]) -> None:
    sender = transport()

    assert sender.poll(60) == []
    assert sender.in_flight == 0


def test_closing_breaks_off_what_is_under_way(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    server, sender = push_server(), transport(max_in_flight=5)
    for number in range(20):
        sender.submit(request_to(f"{server.base}/hang"), number)
    sender.poll(0.1)

    sender.close()

    assert sender.in_flight == 0


def test_a_service_that_is_out_of_reach_costs_one_timeout_and_not_one_each(
    silent_port: int, transport: Callable[..., Transport]
) -> None:
    for seconds in PATIENCE:
        sender = transport(connect_timeout=seconds)
        for number in range(100):
            sender.submit(request_to(f"https://localhost:{silent_port}/201"), number)
        errors = Counter(answer.error for _, answer in all_answers(sender))
        if errors["timeout_before_write"] == 32:  # all that there are connections for had begun in time
            break

    assert errors == {"timeout_before_write": 32, "out_of_reach": 68}
