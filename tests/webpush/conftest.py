"""Push services on this machine for the tests of the wire: real sockets, real TLS, every kind of misbehaviour."""

import contextlib
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pushplatform.webpush.transport import Transport
from tests.parts.needs import require_program


@dataclass(frozen=True)
class Certificate:
    """PEM files of a self-signed certificate and its key."""

    file: str
    key: str


@pytest.fixture(scope="session")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Certificate]:
    """Make a self-signed certificate for the names given."""

    def make(*names: str) -> Certificate:
        folder = tmp_path_factory.mktemp("certificate")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        made = Certificate(str(folder / "certificate.pem"), str(folder / "key.pem"))
        Path(made.file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        Path(made.key).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made

    return make


@pytest.fixture(scope="session")
def certificate(certify: Callable[..., Certificate]) -> Certificate:
    return certify("localhost", "web.push.apple.com")


@dataclass
class Received:
    """One request as the push service saw it."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushServer:
    """A push service on this machine; the first part of a path says how it answers."""

    base: str
    port: int
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    busy: int = 0
    busiest: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: PushServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.service.lock:
            self.service.connections += 1

    def log_message(self, *_: object) -> None:
        """Tests are silent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.service.lock:
            self.service.received.append(
                Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            self.service.busy += 1
            self.service.busiest = max(self.service.busiest, self.service.busy)
        try:
            self._answer(self.path.strip("/").partition("/")[0].partition("?")[0])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True
        finally:
            with self.service.lock:
                self.service.busy -= 1

    def _answer(self, kind: str) -> None:
        if kind.isdigit():
            self._say(int(kind), b"" if kind.startswith("2") else f"body of {kind}".encode())
        elif kind == "throttled":
            self._say(429, b"", ("Retry-After", "17"))
        elif kind == "moved":
            self._say(307, b"", ("Location", f"{self.service.base}/201/moved"))
        elif kind == "early":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: <x>; rel=x\r\n\r\n")
            self._say(201, b"", ("Location", "/m/1"))
        elif kind == "huge":
            self._say(400, b"x" * 3_000_000)
        elif kind == "endless":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not self.service.released.is_set():
                self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        elif kind == "stuck":
            self.wfile.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 10\r\n\r\nhalf")
            self.service.released.wait(60)
        elif kind == "hang":
            self.service.released.wait(60)
            self.close_connection = True
        elif kind == "close":
            self.close_connection = True
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif kind == "garbage":
            self.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")
            self.close_connection = True
        else:
            self._say(500, b"no such behaviour")

    def _say(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that breaks off is what some tests are about."""


@pytest.fixture
def push_server() -> Iterator[Callable[..., PushServer]]:
    """Start a push service, with TLS when given a certificate."""
    started: list[tuple[_Server, PushServer]] = []

    def start(certificate: Certificate | None = None) -> PushServer:
        class Handler(_Handler):
            """This service's own."""

        server = _Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.file, certificate.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        service = PushServer(
            f"{'http' if certificate is None else 'https'}://localhost:{server.server_port}", server.server_port
        )
        Handler.service = service
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        started.append((server, service))
        return service

    yield start
    for server, service in started:
        service.released.set()
        server.shutdown()
        server.server_close()


@dataclass
class Proxy:
    """An outbound proxy on this machine and what it was asked to connect to."""

    url: str
    asked: list[str] = field(default_factory=list)


class _ProxyHandler(socketserver.StreamRequestHandler):
    proxy: Proxy
    tunnels: dict[str, int]

    def handle(self) -> None:
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            """The rest of the head does not matter here."""
        self.proxy.asked.append(target)
        if target not in self.tunnels:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.tunnels[target])) as onward:
            there = threading.Thread(target=_pump, args=(self.connection, onward), daemon=True)
            there.start()
            _pump(onward, self.connection)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def connect_proxy() -> Iterator[Callable[..., Proxy]]:
    """Start a proxy that tunnels the targets given, `host:port` → local port, and forbids every other."""
    started: list[socketserver.ThreadingTCPServer] = []

    def start(tunnels: dict[str, int]) -> Proxy:
        class Handler(_ProxyHandler):
            """This proxy's own."""

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        Handler.tunnels = tunnels
        Handler.proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        started.append(server)
        return Handler.proxy

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def http2_server(certificate: Certificate) -> Iterator[str]:
    """Base URL of a push service that speaks HTTP/2 only; its paths are told in http2_server.mjs."""
    node = require_program("node", "nodejs")
    script = Path(__file__).with_name("http2_server.mjs")
    with subprocess.Popen(
        [node, str(script), certificate.key, certificate.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"https://localhost:{int(process.stdout.readline())}"
        process.stdin.close()
        process.wait(30)


@pytest.fixture
def transport(certificate: Certificate) -> Iterator[Callable[..., Transport]]:
    """Make a transport that trusts the tests' certificate and is impatient; closed at the end."""
    made: list[Transport] = []
    usual: dict[str, Any] = {"allow_loopback": True, "connect_timeout": 30.0, "answer_timeout": 30.0}

    def make(**options: Any) -> Transport:
        made.append(Transport(**({"ca_file": certificate.file} | usual | options)))
        return made[-1]

    yield make
    for each in made:
        each.close()
