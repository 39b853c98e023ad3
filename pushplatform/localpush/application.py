"""The ASGI application: which address leads where, and who may ask."""

from __future__ import annotations

import ipaddress
import mimetypes
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pushplatform.localpush import browser_acts, inbox_acts
from pushplatform.localpush.exchange import Receive, Request, Response, Send, TooLarge, problem
from pushplatform.localpush.firefox import talk_to_firefox
from pushplatform.localpush.parsing import BadInput
from pushplatform.localpush.push_service import LocalPush
from pushplatform.localpush.pushing import take_push

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {"/": "index.html", **{f"/{file.name}": file.name for file in _PAGE.iterdir() if file.suffix != ".html"}}
_PAGE_HEADERS = {
    # Notifications name pictures anywhere; scripts and styles come from here alone.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' http: https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}

Act = Callable[..., Awaitable[Response]]

_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Act]], ...] = (
    (re.compile(r"/browsers"), {"GET": browser_acts.list_browsers, "POST": browser_acts.make_browser}),
    (re.compile(r"/browsers/batch"), {"POST": browser_acts.make_browsers}),
    (
        re.compile(r"/browsers/([\w-]+)"),
        {
            "GET": browser_acts.show_browser,
            "PATCH": browser_acts.change_browser,
            "DELETE": browser_acts.delete_browser,
        },
    ),
    (re.compile(r"/inbox\.json"), {"GET": inbox_acts.list_inbox, "DELETE": inbox_acts.clear_inbox}),
    (re.compile(r"/inbox/(\d{1,15})"), {"GET": inbox_acts.show_entry}),
    (re.compile(r"/inbox/(\d{1,15})/click"), {"POST": inbox_acts.click_entry}),
    (re.compile(r"/inbox/(\d{1,15})/close"), {"POST": inbox_acts.close_entry}),
    (
        re.compile(r"/faults"),
        {"GET": inbox_acts.list_faults, "POST": inbox_acts.add_fault, "DELETE": inbox_acts.remove_faults},
    ),
    (re.compile(r"/faults/(\d{1,15})"), {"DELETE": inbox_acts.remove_fault}),
    (re.compile(r"/statistics\.json"), {"GET": inbox_acts.show_statistics, "DELETE": inbox_acts.reset_statistics}),
    (re.compile(r"/health"), {"GET": inbox_acts.health}),
)


class Application:
    """One push service over ASGI. `local_only`: refuse names that a foreign page could point at this machine."""

    def __init__(self, service: LocalPush, *, local_only: bool, hosts: frozenset[str]) -> None:
        """`hosts` are further names this service goes by."""
        self.service = service
        self._local_only = local_only
        self._hosts = hosts

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] == "websocket":
            await talk_to_firefox(self.service, scope, receive, send)
            return
        request = Request.from_scope(scope, receive)
        try:
            answer = await self._answer(self.service, request)
        except ConnectionResetError:
            return
        if answer is not None:
            await answer.send(send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                try:
                    await self.service.start()
                except Exception as failure:  # noqa: BLE001  the server is told, prints it and exits
                    await send({"type": "lifespan.startup.failed", "message": str(failure)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.service.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, service: LocalPush, request: Request) -> Response | None:
        path = request.path
        if path.startswith("/push/") and request.method == "POST":
            return await take_push(service, request, path[6:])
        if path.startswith("/m/"):
            return self._message(service, request, path[3:])
        refused = self._guard(request)
        if refused is not None:
            return refused
        answer = await self._control(service, request)
        origin = request.headers.get("origin")
        if origin is not None:
            answer.headers["access-control-allow-origin"] = origin
            answer.headers["vary"] = "origin"
        return answer

    def _message(self, service: LocalPush, request: Request, message_id: str) -> Response:
        if request.method != "DELETE":
            return _not_allowed(("DELETE",))
        if service.delivery.cancel(message_id):
            return Response(204)
        return problem(404, "unknown_message", "no such message is waiting: it was delivered, replaced or never was")

    def _guard(self, request: Request) -> Response | None:
        """Keep foreign pages out: by their Origin, and by the name they reached us under (DNS rebinding)."""
        host = urlsplit("//" + request.headers.get("host", "")).hostname or ""
        if self._local_only and not self._is_ours(host):
            return problem(421, "unknown_host", f"this service does not go by the name {host!r}; see --public-url")
        origin = request.headers.get("origin")
        if origin is not None and not self._is_ours(urlsplit(origin).hostname or ""):
            return problem(403, "foreign_origin", "only pages of this machine may use this service from a browser")
        return None

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts or host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    async def _control(self, service: LocalPush, request: Request) -> Response:
        if request.path in _PAGE_FILES:
            return _page_file(request)
        for pattern, acts in _ROUTES:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            if request.method == "OPTIONS":
                return _preflight(acts)
            method = "GET" if request.method == "HEAD" else request.method
            if method not in acts:
                return _not_allowed(tuple(acts))
            try:
                return await acts[method](service, request, *match.groups())
            except BadInput as wrong:
                return problem(400, "bad_input", wrong.detail, wrong.pointer)
            except TooLarge:
                return problem(413, "too_large", "the body has more than 8 MB")
        return problem(404, "unknown_address", f"nothing is at {request.path}; docs/localpush.md lists the addresses")


def _page_file(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return _not_allowed(("GET",))
    name = _PAGE_FILES[request.path]
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    return Response(200, (_PAGE / name).read_bytes(), f"{kind}; charset=utf-8", dict(_PAGE_HEADERS))


def _preflight(acts: dict[str, Act]) -> Response:
    return Response(
        204,
        headers={
            "access-control-allow-methods": ", ".join(acts),
            "access-control-allow-headers": "content-type",
            "access-control-max-age": "600",
        },
    )


def _not_allowed(methods: tuple[str, ...]) -> Response:
    answer = problem(405, "method_not_allowed", "use " + " or ".join(methods))
    answer.headers["allow"] = ", ".join(methods)
    return answer
