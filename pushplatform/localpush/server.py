"""The process: one port for HTTP and WebSocket, a ready line, a quick and clean end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pushplatform.localpush.application import Application
from pushplatform.localpush.push_service import LocalPush

_GRACE = 1  # seconds that requests under way get when the process is asked to end


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `port` 0 takes a free one; `public_url` None is http://host:port; `state_dir` None keeps nothing."""

    host: str = "127.0.0.1"
    port: int = 9700
    public_url: str | None = None
    state_dir: Path | None = None
    keep: int = 5000
    certificate: Path | None = None
    private_key: Path | None = None
    log_level: str = "warning"


class _ConnectionInScope(HttpToolsProtocol):
    """Hands the connection to the application, for faults that break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"localpush.connection": self.transport}  # type: ignore[dict-item]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, application: Application, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._application = application
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._application.service.stopping.is_set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not handed to the class above: that would raise the signal again after the clean end.
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._application.service.stopping.set)


def run(options: Options, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called with the public address once requests are answered.

    Raises OSError when the port cannot be had, StateUnusable when the state directory cannot.
    """
    listener = _listen(options.host, options.port)
    port = listener.getsockname()[1]
    scheme = "https" if options.certificate else "http"
    base = (options.public_url or f"{scheme}://{_bracketed(options.host)}:{port}").rstrip("/")
    origins = tuple(dict.fromkeys([_origin(base), *_local_origins(scheme, port)]))
    application = Application(
        LocalPush(base, origins, state_dir=options.state_dir, keep=options.keep),
        local_only=_is_loopback(options.host),
        hosts=frozenset({urlsplit(base).hostname or ""}),
    )
    config = uvicorn.Config(
        application,
        http=_ConnectionInScope,
        ws="websockets-sansio",
        ws_max_size=65_536,
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level=options.log_level,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE,
        backlog=2048,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.private_key,
    )
    logging.basicConfig(format="%(levelname)s %(message)s", level=options.log_level.upper())
    _Server(config, application, lambda: ready(base)).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _local_origins(scheme: str, port: int) -> list[str]:
    """The names that senders on this machine may call us by."""
    return [f"{scheme}://{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
