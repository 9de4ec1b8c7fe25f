"""An id for each request, one line in the log about it, and the log as it is set to be."""

from __future__ import annotations

import logging
import time
from typing import Any

import streamlit.logger
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mohet_keys import logs
from mohet_keys.entrance import is_near
from mohet_keys.ui import resources, run_id
from mohet_keys.ui.run_id import HEADER

_QUIET = frozenset({"/healthz", "/readyz", "/_stcore/health", "/favicon.png"})
"""What is asked for all the time, and says nothing of anybody."""
_STATIC = "/static/"
_log = logging.getLogger("mohet_keys.access")


def keep_log() -> None:
    """Have the log be as it was set: plain lines, as Streamlit writes them, or JSON."""
    if not resources.settings().logs_json:
        return
    logs.write_json(run_id.settle)
    # Streamlit gives a handler to each of its loggers, also to those that come later.
    streamlit.logger.setup_formatter = logs.hand_over
    logging.getLogger("uvicorn.access").disabled = True  # its lines have queries and tickets


class Requests:
    """ASGI middleware that gives each request its id, and tells of it when it is over.

    Where a proxy is in front, and nobody else comes in, the id is the one that it gave.
    """

    def __init__(self, app: ASGIApp, *, behind_proxy: bool) -> None:
        self._app = app
        self._behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its id."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request = self._given(scope) or logs.new_id()
        logs.REQUEST.set(request)
        others = [pair for pair in scope["headers"] if pair[0].lower() != HEADER.lower().encode()]
        known = {**scope, "headers": [*others, (HEADER.lower().encode(), request.encode())]}
        course = _Course(known, receive, send, request)
        try:
            await self._app(known, course.receive, course.send)
        except BaseException:
            course.break_off()
            raise
        finally:
            course.end()

    def _given(self, scope: Scope) -> str:
        """The id that a proxy gave; empty for none that could be one or be trusted."""
        server = scope.get("server")
        if not (self._behind_proxy and server and is_near(server[0])):
            return ""
        found = Headers(scope=scope).getlist(HEADER)
        return found[0] if len(found) == 1 and logs.is_well_formed(found[0]) else ""


class _Course:
    """What becomes of one request, and its line in the log; of a WebSocket two, if it opens."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request: str) -> None:
        self._receive = receive
        self._send = send
        self._request = request
        self._is_socket = scope["type"] == "websocket"
        self._method = str(scope.get("method", ""))
        self._path = logs.without_tickets(str(scope["path"]))
        self._began = time.monotonic()
        self._is_open = False
        self.status = 0
        """What the answer began with, or what the socket was closed with."""

    async def receive(self) -> Message:
        """What the visitor sends next."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.status = self.status or int(message.get("code") or 1005)
        return message

    async def send(self, message: Message) -> None:
        """Send what begins an answer with the id."""
        match message["type"]:
            case "websocket.send" | "http.response.body":  # by far the most
                pass
            case "http.response.start" | "websocket.http.response.start":
                self.status = int(message["status"])
                self._mark(message)
            case "websocket.accept":
                self._mark(message)
                self._is_open = True
                self._tell("session opened")
            case "websocket.close":
                is_open = self._is_open
                self.status = self.status or (int(message.get("code") or 1000) if is_open else 403)
        await self._send(message)

    def break_off(self) -> None:
        """Nothing, or nothing more, is answered."""
        self.status = self.status or (1011 if self._is_socket else 500)

    def end(self) -> None:
        """Tell how it went."""
        took = round(1000 * (time.monotonic() - self._began), 1)
        if self._is_socket:
            said = "session closed" if self._is_open else "session refused"
            self._tell(said, status=self.status, milliseconds=took)
        elif not (self._path in _QUIET or self._path.startswith(_STATIC)):
            said = f"{self._method} {self._path} {self.status}"
            self._tell(said, method=self._method, status=self.status, milliseconds=took)

    def _mark(self, message: Message) -> None:
        message.setdefault("headers", [])
        MutableHeaders(scope=message)[HEADER] = self._request

    def _tell(self, said: str, **told: Any) -> None:
        told = {**told, "path": self._path, "request": self._request}
        _log.info("%s", said, extra={logs.TOLD: told})
