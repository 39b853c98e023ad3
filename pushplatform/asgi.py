"""The web process: Django, and in front of it what Django is too slow for.

Connections are pooled: views run in threads.
"""

import asyncio
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushplatform.settings")
os.environ.setdefault("DATABASE_POOL_SIZE", "10")

from django.core.asgi import get_asgi_application

import pushplatform.celery  # noqa: F401  (tasks are sent by this app)

_django = get_asgi_application()  # before the imports below: they need the apps

from campaigns import receipts_endpoint  # noqa: E402
from pushplatform import health  # noqa: E402
from pushplatform.api import request_log  # noqa: E402
from pushplatform.api.request_body import BoundedBody, Receive, Scope, Send  # noqa: E402

_pages = BoundedBody(_django)
_receipts: receipts_endpoint.ReceiptsEndpoint | None = None
_health = health.Health()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One ASGI application: receipts by path, the life of the process, Django for all the rest."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    elif scope["path"] == receipts_endpoint.PATH:
        await _receipts_of_this_loop()(scope, receive, send)
    elif scope["path"] == health.PATH:
        await _health(scope, receive, send)
    else:
        await _pages(scope, receive, send)


def _receipts_of_this_loop() -> receipts_endpoint.ReceiptsEndpoint:
    global _receipts
    if _receipts is None:
        _receipts = receipts_endpoint.ReceiptsEndpoint()
    return _receipts


async def _live(receive: Receive, send: Send) -> None:
    """Startup and shutdown: what waits to be written is written before the process ends."""
    opening = asyncio.create_task(_health.open_broker())
    request_log.begin()
    while True:
        event = await receive()
        if event["type"] == "lifespan.shutdown":
            opening.cancel()
            if _receipts is not None:
                await _receipts.close()
            await asyncio.to_thread(request_log.end)
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "lifespan.startup.complete"})
