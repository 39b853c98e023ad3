"""Where the transport connects and where it does not, and whom it believes."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from pushplatform.webpush.request import Endpoint, PushRequest, PushService, build_request, parse_endpoint
from pushplatform.webpush.transport import Transport
from tests.webpush.conftest import Certificate, Proxy, PushServer
from tests.webpush.sending import all_answers, answer_of

StartServer = Callable[..., PushServer]


def test_a_redirect_is_not_followed(push_server: StartServer, transport: Callable[..., Transport]) -> None:
    server = push_server()

    answer = answer_of(transport(), f"{server.base}/moved")

    assert answer.status == 307
    assert [received.path for received in server.received] == ["/moved"]


@pytest.mark.parametrize(("kind", "status"), [("huge", 400), ("endless", 201)])
def test_of_a_huge_body_4_kb_are_read_and_the_status_stands(
    push_server: StartServer, transport: Callable[..., Transport], kind: str, status: int
) -> None:
    answer = answer_of(transport(answer_timeout=60.0), f"{push_server().base}/{kind}")

    assert (answer.status, answer.error) == (status, None)
    assert answer.body == b"x" * 4096
    assert answer.seconds < 30, "broken off, not timed out"


def test_a_certificate_nobody_vouches_for_is_refused(
    push_server: StartServer, transport: Callable[..., Transport], certificate: Certificate
) -> None:
    server = push_server(certificate)

    assert answer_of(transport(ca_file=None), f"{server.base}/201").error == "tls"
    assert server.received == []


def test_a_certificate_of_another_name_is_refused(
    push_server: StartServer, transport: Callable[..., Transport], certify: Callable[..., Certificate]
) -> None:
    other = certify("push.example")
    server = push_server(other)

    assert answer_of(transport(ca_file=other.file), f"{server.base}/201").error == "tls"
    assert server.received == []


@pytest.mark.parametrize("host", ["10.1.2.3", "169.254.169.254", "[fd00::1]", "[::ffff:192.168.0.1]", "100.64.0.1"])
@pytest.mark.parametrize("allow_loopback", [True, False])
def test_a_private_address_is_refused_before_anything_is_sent(
    transport: Callable[..., Transport], host: str, allow_loopback: bool
) -> None:
    endpoint = Endpoint(f"https://{host}/x", f"https://{host}", host.strip("[]"), PushService.OTHER)
    sender = transport(allow_loopback=allow_loopback)
    sender.submit(PushRequest(endpoint, (), b"secret"), 1)

    assert [answer.error for _, answer in all_answers(sender)] == ["address_refused"]


def test_a_name_that_leads_to_this_machine_is_refused_unless_allowed(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server = push_server()

    assert answer_of(transport(allow_loopback=False), f"{server.base}/201").error == "address_refused"
    assert server.connections == 0


def test_a_route_takes_the_place_of_the_host_and_the_host_is_still_named(
    push_server: StartServer, transport: Callable[..., Transport]
) -> None:
    server = push_server()
    sender = transport(allow_loopback=False, routed={"jmt17.google.com": server.base})
    endpoint = parse_endpoint("https://jmt17.google.com/201/send?x=1")
    sender.submit(build_request(endpoint, b"b", authorization="a", ttl=1, urgency="low", topic=None), "ticket")

    [(ticket, answer)] = all_answers(sender)

    assert (ticket, answer.status) == ("ticket", 201)
    [received] = server.received
    assert received.path == "/201/send?x=1"
    assert received.headers["host"] == "jmt17.google.com"


def test_the_environments_proxy_is_not_used(
    push_server: StartServer, transport: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://localhost:1")

    assert answer_of(transport(), f"{push_server().base}/201").status == 201


def test_a_proxy_is_asked_for_every_service_but_those_on_this_machine(
    push_server: StartServer,
    connect_proxy: Callable[..., Proxy],
    transport: Callable[..., Transport],
    certificate: Certificate,
) -> None:
    apple, local = push_server(certificate), push_server()
    proxy = connect_proxy({"web.push.apple.com:443": apple.port})
    sender = transport(proxy=proxy.url)

    assert answer_of(sender, f"{local.base}/201").status == 201
    assert answer_of(sender, "https://web.push.apple.com/201/x").status == 201
    assert answer_of(sender, "https://fcm.googleapis.com/201").error == "proxy_failed"
    assert proxy.asked == ["web.push.apple.com:443", "fcm.googleapis.com:443"]
    assert [received.path for received in apple.received] == ["/201/x"]


@pytest.mark.parametrize("host", ["10.1.2.3", "[::1]", "localhost", "127.0.0.1"])
def test_a_proxy_is_not_asked_for_private_addresses(
    connect_proxy: Callable[..., Proxy], transport: Callable[..., Transport], host: str
) -> None:
    proxy = connect_proxy({})
    sender = transport(proxy=proxy.url, allow_loopback=False)
    endpoint = Endpoint(f"https://{host}/x", f"https://{host}", host.strip("[]"), PushService.OTHER)
    sender.submit(PushRequest(endpoint, (), b""), 1)

    assert [answer.error for _, answer in all_answers(sender)] == ["address_refused"]
    assert proxy.asked == []


def test_an_endpoint_libcurl_cannot_read_is_an_answer_and_not_an_exception(transport: Callable[..., Transport]) -> None:
    sender = transport()
    for url in ("https://localhost/ä", "https://local host/", "gopher://localhost/", ""):
        endpoint = Endpoint(url, "https://localhost", "localhost", PushService.LOCAL)
        sender.submit(PushRequest(endpoint, (), b""), url)

    answers = all_answers(sender)

    assert len(answers) == 4
    assert {answer.status for _, answer in answers} == {0}
    assert {answer.error for _, answer in answers} <= {"failed", "protocol"}


def test_importing_the_wire_loads_neither_django_nor_celery() -> None:
    modules = "address connections encryption keys outcome request transport vapid".split()
    code = (
        "import sys\n"
        + "".join(f"import pushplatform.webpush.{name}\n" for name in modules)
        + "print(sorted({name.partition('.')[0] for name in sys.modules} & {'django', 'celery', 'kombu', 'psycopg'}))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
