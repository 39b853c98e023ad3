"""Google's messaging service as far as Chromium's push needs it, on this machine.

Three faces: `checkin` and `register3` over HTTP, where Chromium gets its identity and its subscriptions; MCS over
TLS, the connection on which it waits for messages; and RFC 8030 over HTTP, where a sender posts. The sender's VAPID
token is checked as the real one does it: signed by the key the subscription was made with, for this audience.
"""

import asyncio
import base64
import datetime
import hashlib
import json
import secrets
import ssl
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from tests.browser.protobuf import bytes_field, fields, fixed64_field, number_field, varint

#: Where Debian's Chromium says its endpoints are; a sender reaches this fake by routing the host.
HOST = "jmt17.google.com"
MCS_VERSION = 41
HEARTBEAT_PING, HEARTBEAT_ACK, LOGIN_REQUEST, LOGIN_RESPONSE, IQ_STANZA, DATA_MESSAGE = 0, 1, 2, 3, 7, 8
LAST_STREAM_ID = {HEARTBEAT_PING: 2, HEARTBEAT_ACK: 2, IQ_STANZA: 9, DATA_MESSAGE: 11}


@dataclass
class Subscription:
    """One registration of a browser: the app's name there and the VAPID key it was made with."""

    android_id: int
    subtype: str
    sender: str


@dataclass
class Stored:
    """A message until the browser has said that it has it."""

    persistent_id: str
    subscription: Subscription
    body: bytes
    expires: float
    stream_id: int | None = None


@dataclass
class Connection:
    writer: asyncio.StreamWriter
    sent: int = 0

    def send(self, tag: int, message: bytes) -> int:
        """Write one frame; returns its stream id, by which the browser will acknowledge it."""
        self.writer.write(bytes([tag]) + varint(len(message)) + message)
        self.sent += 1
        return self.sent


@dataclass
class Post:
    """One accepted or refused request of a sender, for tests to look at."""

    token: str
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class FakeGcm:
    """Runs in a thread of its own until `stop()`; `flags` is what Chromium must be started with."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.posts: list[Post] = []
        self._stored: list[Stored] = []
        self._connections: dict[int, Connection] = {}
        self._certificate, self._spki = _self_signed()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)
        self._thread.start()
        if not self._ready.wait(60):
            raise RuntimeError("the fake GCM did not start within 60 s")

    @property
    def url(self) -> str:
        """Where requests for HOST are to be routed."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def flags(self) -> list[str]:
        return [
            f"--gcm-checkin-url={self.url}/checkin",
            f"--gcm-registration-url={self.url}/register3",
            f"--gcm-mcs-endpoint=https://127.0.0.1:{self._mcs_port}/",
            f"--ignore-certificate-errors-spki-list={self._spki}",
        ]

    def stop(self) -> None:
        """Close every connection and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        application = web.Application()
        application.router.add_post("/checkin", self._checkin)
        application.router.add_post("/register3", self._register)
        application.router.add_post("/{kind:fcm/send|wp|preprod/wp}/{token}", self._post)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._http_port = runner.addresses[0][1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        server = await asyncio.start_server(self._mcs, "127.0.0.1", 0, ssl=context)
        self._mcs_port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in self._connections.values():
            connection.writer.close()
        await runner.cleanup()
        self._certificate.unlink()

    # Chromium's side: identity and subscriptions

    async def _checkin(self, request: web.Request) -> web.Response:
        reply = number_field(1, 1) + fixed64_field(7, secrets.randbits(62)) + fixed64_field(8, secrets.randbits(62))
        return web.Response(body=reply, content_type="application/x-protobuf")

    async def _register(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        if form.get("delete") == "true":
            gone = [t for t, s in self.subscriptions.items() if s.subtype == form.get("X-subtype")]
            for token in gone:
                del self.subscriptions[token]
            return web.Response(text=f"token={form.get('X-subtype', '')}")
        token = secrets.token_urlsafe(24)
        if "X-subtype" not in form:
            return web.Response(text=f"token={token}")  # a service of Chromium's own, nothing will be sent to it
        self.subscriptions[token] = Subscription(int(form["device"]), form["X-subtype"], form["sender"])
        return web.Response(text=f"token={token}")

    # Chromium's side: the waiting connection

    async def _mcs(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, android_id = Connection(writer), 0
        try:
            await reader.readexactly(1)
            writer.write(bytes([MCS_VERSION]))
            while True:
                tag, message = await _read_frame(reader)
                if tag == LOGIN_REQUEST:
                    android_id = self._login(connection, message)
                elif tag == HEARTBEAT_PING:
                    connection.send(HEARTBEAT_ACK, b"")
                self._acknowledge(android_id, tag, message)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the browser went away; what it has not acknowledged stays stored
        finally:
            if self._connections.get(android_id) is connection:
                del self._connections[android_id]
            writer.close()

    def _login(self, connection: Connection, message: bytes) -> int:
        values = list(fields(message))
        text = {key: value for key, value in values if isinstance(value, bytes)}
        android_id = int(text[3])
        received = {value.decode() for key, value in values if key == 10 and isinstance(value, bytes)}
        self._stored = [s for s in self._stored if s.persistent_id not in received]
        connection.send(LOGIN_RESPONSE, bytes_field(1, text[1]))
        self._connections[android_id] = connection
        for stored in self._stored:
            if stored.subscription.android_id == android_id and stored.expires > time.time():
                self._deliver(connection, stored)
        return android_id

    def _acknowledge(self, android_id: int, tag: int, message: bytes) -> None:
        last = next((value for key, value in fields(message) if key == LAST_STREAM_ID.get(tag)), None)
        if isinstance(last, int):
            self._stored = [
                s
                for s in self._stored
                if s.subscription.android_id != android_id or s.stream_id is None or s.stream_id > last
            ]

    def _deliver(self, connection: Connection, stored: Stored) -> None:
        def pair(key: str, value: str) -> bytes:
            return bytes_field(7, bytes_field(1, key) + bytes_field(2, value))

        stanza = (
            bytes_field(3, stored.subscription.sender)
            + bytes_field(5, "org.chromium.linux")
            + pair("subtype", stored.subscription.subtype)
            + pair("content-encoding", "aes128gcm")
            + bytes_field(9, stored.persistent_id)
            + bytes_field(21, stored.body)
        )
        stored.stream_id = connection.send(DATA_MESSAGE, stanza)

    # The sender's side: RFC 8030

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        token = request.match_info["token"]
        status, reason = self._judge(token, request, body)
        self.posts.append(Post(token, status, {k.lower(): v for k, v in request.headers.items()}, body))
        if status != 201:
            return web.Response(status=status, text=reason)
        stored = Stored(
            secrets.token_hex(8), self.subscriptions[token], body, time.time() + int(request.headers["TTL"])
        )
        connection = self._connections.get(stored.subscription.android_id)
        if connection is not None:
            self._deliver(connection, stored)
        self._stored.append(stored)
        return web.Response(status=201, headers={"Location": f"https://{HOST}/0:{stored.persistent_id}"})

    def _judge(self, token: str, request: web.Request, body: bytes) -> tuple[int, str]:
        if not request.headers.get("TTL", "").isdigit():
            return 400, "TTL header must be present and a number of seconds"
        if request.headers.get("Content-Encoding") != "aes128gcm":
            return 400, "Content-Encoding must be aes128gcm"
        if len(body) > 4096:
            return 413, "payload above 4096 octets"
        subscription = self.subscriptions.get(token)
        if subscription is None:
            return 410, "push subscription has unsubscribed or expired"
        return _check_vapid(request.headers.get("Authorization", ""), subscription.sender)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    tag = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return tag, await reader.readexactly(length)
        shift += 7


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _check_vapid(header: str, sender: str) -> tuple[int, str]:
    """RFC 8292 §4.2 with FCM's codes; written anew here so that the platform's own code is not its own judge."""
    scheme, _, rest = header.partition(" ")
    parameters = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if scheme.lower() != "vapid" or not {"t", "k"} <= parameters.keys():
        return 401, "authorization header must be specified"
    key = _unpadded(parameters["k"])
    if key != _unpadded(sender):
        return 403, "the VAPID credentials do not correspond to the credentials used to create the subscription"
    head, _, signature = parameters["t"].rpartition(".")
    raw = _unpadded(signature)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key).verify(
            utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
            head.encode(),
            ec.ECDSA(hashes.SHA256()),
        )
    except InvalidSignature:
        return 403, "invalid JWT provided"
    claims = json.loads(_unpadded(head.partition(".")[2]))
    if claims.get("aud") != f"https://{HOST}":
        return 403, "aud claim in the token MUST include the origin of the endpoint"
    if not time.time() < claims.get("exp", 0) <= time.time() + 86400:
        return 403, "exp claim in the token MUST NOT be more than 24 hours"
    return 201, ""


def _self_signed() -> tuple[Path, str]:
    """A certificate with its key in one PEM file, and the SPKI hash by which Chromium is told to accept it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(private + certificate.public_bytes(serialization.Encoding.PEM))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Path(file.name), base64.b64encode(hashlib.sha256(spki).digest()).decode()
