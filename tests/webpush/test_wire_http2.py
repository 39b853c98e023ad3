"""The transport against a push service that speaks HTTP/2."""

from collections.abc import Callable

from pushplatform.webpush.transport import Transport
from tests.webpush.sending import PATIENCE, all_answers, answer_of, request_to


def test_over_http2_hundreds_share_a_few_connections(http2_server: str, transport: Callable[..., Transport]) -> None:
    sender = transport(max_in_flight=200)
    before = int(answer_of(sender, f"{http2_server}/201").headers["x-sessions"])
    for number in range(2000):
        sender.submit(request_to(f"{http2_server}/201/{number}"), number)

    answers = all_answers(sender)

    assert sorted(ticket for ticket, _ in answers) == list(range(2000))
    assert {answer.status for _, answer in answers} == {201}
    assert max(int(answer.headers["x-sessions"]) for _, answer in answers) <= before + 3
    assert 60 < max(int(answer.headers["x-busiest"]) for _, answer in answers) <= 200


def test_over_http2_a_stream_that_hangs_or_breaks_leaves_the_others_alone(
    http2_server: str, transport: Callable[..., Transport]
) -> None:
    wanted = {
        ("hang", 0, "timeout_after_write"),
        ("rst", 0, "reset"),
        ("201", 201, None),
        ("huge", 413, None),
        ("refused", 0, "turned_away"),  # tried six times: whoever refuses a stream has not looked at it
    }
    kinds = sorted(kind for kind, *_ in wanted)
    for seconds in PATIENCE:
        sender = transport(connect_timeout=1.5, answer_timeout=seconds)
        for number in range(50):
            sender.submit(request_to(f"{http2_server}/{kinds[number % 5]}"), kinds[number % 5])
        answers = {(kind, answer.status, answer.error) for kind, answer in all_answers(sender)}
        if answers == wanted:
            break

    assert answers == wanted


def test_over_http2_a_service_that_says_goodbye_loses_nothing(
    http2_server: str, transport: Callable[..., Transport]
) -> None:
    sender = transport()
    for number in range(200):
        sender.submit(request_to(f"{http2_server}/{'goaway' if number % 50 == 20 else '201'}"), number)

    assert [answer.status or answer.error for _, answer in all_answers(sender)] == [201] * 200


def test_a_connection_that_has_gone_deaf_is_not_used_again(
    http2_server: str, transport: Callable[..., Transport]
) -> None:
    for seconds in PATIENCE:
        sender = transport(connect_timeout=1.5, answer_timeout=seconds)
        before, deaf, after = (answer_of(sender, f"{http2_server}/{path}") for path in ("201", "deaf", "201"))
        if before.status == after.status == 201:
            break

    assert (before.status, deaf.error, after.status) == (201, "timeout_after_write", 201)
