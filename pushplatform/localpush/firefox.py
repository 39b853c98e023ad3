"""Firefox's side: the push WebSocket protocol that an unmodified Firefox speaks (dom.push.serverURL=ws://…)."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from typing import Any

from pushplatform.localpush.exchange import Receive, Send
from pushplatform.localpush.parsing import parse_server_key
from pushplatform.localpush.push_service import LocalPush
from pushplatform.localpush.subscriptions import Browser, Subscription
from pushplatform.localpush.waiting import Message
from pushplatform.webpush.keys import b64url

SUBPROTOCOL = "push-notification"
_SECONDS_TO_SAY_HELLO = 5.0
_CHANNEL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# What an acknowledgement's code means: (state of the message, words for the inbox).
_ACK_CODES = {
    100: ("delivered", None),
    101: ("undecryptable", "the browser could not decrypt it (ack code 101)"),
    102: ("not_delivered", "the browser raised no push event for it (ack code 102)"),
}
_NACK_CODES = {
    301: "the service worker threw an exception (nack code 301)",
    302: "the service worker rejected a promise (nack code 302)",
    303: "the browser failed inside (nack code 303)",
}

_CLOSE_GOING_AWAY = 1001
_CLOSE_PROTOCOL_ERROR = 1002
_CLOSE_REPLACED = 4000

_log = logging.getLogger("localpush")


class Misspoken(Exception):
    """A frame that breaks the protocol; the text names the member and goes into the close frame."""


class Hangup(Exception):
    """The browser closed the connection."""


class FirefoxConnection:
    """One WebSocket of one Firefox. Frames to it go through a queue, so that a slow one blocks nobody."""

    def __init__(self, service: LocalPush, receive: Receive, send: Send) -> None:
        self._service = service
        self._receive = receive
        self._send = send
        self._outgoing: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._close_code = _CLOSE_GOING_AWAY
        self._browser: Browser | None = None

    def carry(self, message_id: str, channel: str | None, body: bytes, encoding: dict[str, str]) -> None:
        """Send a push message down; the browser answers with an ack that names its id as `version`."""
        frame: dict[str, Any] = {"messageType": "notification", "channelID": channel, "version": message_id}
        if body:
            frame["data"] = b64url(body)
            frame["headers"] = encoding
        self._say(frame)

    def close(self, code: int = _CLOSE_GOING_AWAY) -> None:
        self._close_code = code
        self._outgoing.put_nowait(None)

    def _say(self, frame: dict[str, Any]) -> None:
        self._outgoing.put_nowait(frame)

    async def talk(self, offered: list[str]) -> None:
        """The whole conversation, from accepting the socket to its end."""
        accept: dict[str, Any] = {"type": "websocket.accept"}
        if SUBPROTOCOL in offered:
            accept["subprotocol"] = SUBPROTOCOL
        await self._receive()
        await self._send(accept)
        tasks = [
            asyncio.create_task(self._speak()),
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._stop()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leave()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop(self) -> None:
        await self._service.stopping.wait()
        await self._send({"type": "websocket.close", "code": _CLOSE_GOING_AWAY})

    async def _speak(self) -> None:
        while (frame := await self._outgoing.get()) is not None:
            await self._send({"type": "websocket.send", "text": json.dumps(frame)})
        await self._send({"type": "websocket.close", "code": self._close_code})

    async def _listen(self) -> None:
        try:
            async with asyncio.timeout(_SECONDS_TO_SAY_HELLO):
                self._hello(await self._frame())
            while True:
                self._answer(await self._frame())
        except Hangup:
            return
        except TimeoutError:
            await self._send({"type": "websocket.close", "code": _CLOSE_PROTOCOL_ERROR, "reason": "say hello first"})
        except Misspoken as problem:
            _log.warning("a browser broke the push protocol: %s", problem)
            await self._send({"type": "websocket.close", "code": _CLOSE_PROTOCOL_ERROR, "reason": str(problem)[:120]})

    async def _frame(self) -> dict[str, Any]:
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise Hangup
        try:
            frame = json.loads(event.get("text") or "")
        except ValueError as problem:
            raise Misspoken("frames must be JSON texts") from problem
        if not isinstance(frame, dict):
            raise Misspoken("frames must be JSON objects")
        return frame

    def _hello(self, frame: dict[str, Any]) -> None:
        if frame.get("messageType") != "hello":
            raise Misspoken("messageType: the first frame must be hello")
        uaid = frame.get("uaid")
        known = self._service.registry.by_uaid(uaid) if isinstance(uaid, str) else None
        # A uaid nobody knows gets a new one: that makes Firefox drop its subscriptions and tell the page.
        self._browser = known or self._service.registry.new_user_agent(time.time())
        earlier, self._browser.connection = self._browser.connection, self
        if earlier is not None:
            self._service.delivery.connection_lost(self._browser, earlier)
            earlier.close(_CLOSE_REPLACED)
        self._say(
            {
                "messageType": "hello",
                "uaid": self._browser.uaid,
                "status": 200,
                "use_webpush": True,
                "broadcasts": {},
            }
        )
        self._service.delivery.come_online(self._browser)

    def _answer(self, frame: dict[str, Any]) -> None:
        kind = frame.get("messageType", "ping")
        answers = {
            "ping": self._ping,
            "hello": self._refuse_hello,
            "register": self._register,
            "unregister": self._unregister,
            "ack": self._ack,
            "nack": self._nack,
            "broadcast_subscribe": self._ignore,
        }
        answer = answers.get(kind) if isinstance(kind, str) else None
        if answer is None:
            raise Misspoken("messageType: not known")
        answer(frame)

    def _ping(self, _: dict[str, Any]) -> None:
        self._outgoing.put_nowait({})

    def _refuse_hello(self, _: dict[str, Any]) -> None:
        raise Misspoken("messageType: hello was said already")

    def _ignore(self, _: dict[str, Any]) -> None:
        """Broadcasts carry Firefox's remote settings, of which there are none here."""

    def _register(self, frame: dict[str, Any]) -> None:
        channel, browser = self._channel(frame), self._browser
        assert browser is not None
        key_text = frame.get("key")
        try:
            key = None if key_text is None else parse_server_key(key_text)
        except ValueError:
            self._say({"messageType": "register", "channelID": channel, "status": 400})
            return
        subscription = self._subscription(channel)
        if subscription is not None and subscription.key != key:
            self._say({"messageType": "register", "channelID": channel, "status": 409})
            return
        if subscription is None:
            self._service.registry.add(browser)
            subscription = self._service.registry.subscribe(browser, key, time.time(), channel)
        self._say(
            {
                "messageType": "register",
                "channelID": channel,
                "status": 200,
                "pushEndpoint": self._service.registry.endpoint(subscription),
            }
        )

    def _unregister(self, frame: dict[str, Any]) -> None:
        channel, code = self._channel(frame), frame.get("code", 200)
        subscription = self._subscription(channel)
        if subscription is not None:
            reason = code if isinstance(code, int) else None
            self._service.registry.unsubscribe(subscription, time.time(), reason)
            self._service.delivery.end_all(subscription)
        self._say({"messageType": "unregister", "channelID": channel, "status": 200})

    def _ack(self, frame: dict[str, Any]) -> None:
        updates = frame.get("updates")
        if not isinstance(updates, list):
            raise Misspoken("updates: must be a list")
        for update in updates:
            message = self._message(update)
            if message is not None:
                state, note = _ACK_CODES.get(update.get("code", 100), ("delivered", None))
                if state == "undecryptable":
                    self._service.statistics.decrypt_errors += 1
                self._service.delivery.acknowledged(message, state, note)

    def _nack(self, frame: dict[str, Any]) -> None:
        message = self._message(frame)
        if message is not None:
            note = _NACK_CODES.get(frame.get("code", 0), f"the browser refused it (nack code {frame.get('code')})")
            self._service.delivery.acknowledged(message, "not_delivered", note)

    def _channel(self, frame: dict[str, Any]) -> str:
        channel = frame.get("channelID")
        if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
            raise Misspoken("channelID: must be a UUID with dashes")
        return channel.lower()

    def _subscription(self, channel: str) -> Subscription | None:
        assert self._browser is not None
        for subscription in self._browser.subscriptions.values():
            if subscription.channel == channel and subscription.alive:
                return subscription
        return None

    def _message(self, update: object) -> Message | None:
        """The message that an ack names, if it is one of this browser's."""
        version = update.get("version") if isinstance(update, dict) else None
        message = self._service.waiting.get(version) if isinstance(version, str) else None
        return message if message is not None and message.subscription.browser is self._browser else None

    def _leave(self) -> None:
        browser = self._browser
        if browser is not None and browser.connection is self:
            browser.connection = None
            self._service.delivery.connection_lost(browser, self)


async def talk_to_firefox(service: LocalPush, scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve one WebSocket until it ends."""
    await FirefoxConnection(service, receive, send).talk(scope.get("subprotocols", []))
