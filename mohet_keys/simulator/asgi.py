"""Requests as the simulator sees them, and answers on their way out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mohet_keys.simulator.servers import Server, server_of

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Json = dict[str, Any] | list[Any] | str


@dataclass(slots=True)
class Request:
    """One request as the simulator saw it."""

    server: Server | None
    port: int
    method: str
    path: str
    """The whole path, with the name of the server."""
    route: str
    """The path as the real server would see it."""
    secret: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    answered: bool = False
    """Whether the whole answer went out."""
    dropped: bool = False
    """Whether the caller hung up before that."""

    @property
    def provider(self) -> str:
        """The provider this server plays."""
        return self.server.provider if self.server else "openai"

    @property
    def below(self) -> str | None:
        """The path below the server's base, such as `/v1/models`; None outside of it."""
        base = self.server.base if self.server else ""
        if base and not self.route.startswith(f"{base}/"):
            return None
        return self.route.removeprefix(base)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: a status, JSON (or bytes as they are), and headers."""

    status: int
    body: Json | bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"

    @property
    def content(self) -> bytes:
        """The body as it goes out."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


async def read(scope: Scope, receive: Receive) -> Request:
    """The whole request."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    path: str = scope["path"]
    server = server_of(path)
    route = (path.removeprefix(f"/{server.name}") or "/") if server else path
    secret = headers.get("authorization", "").removeprefix("Bearer ")
    port = (scope.get("server") or ("", 0))[1]
    return Request(server, port, scope["method"], path, route, secret, headers, body)


async def begin(send: Send, status: int, headers: dict[str, str]) -> None:
    """Send status and headers."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def part(send: Send, body: bytes, *, last: bool = False) -> None:
    """Send a piece of the body."""
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def answer(send: Send, reply: Reply) -> None:
    """Send a whole answer."""
    content = reply.content
    length = {"content-type": reply.kind, "content-length": str(len(content))}
    await begin(send, reply.status, {**length, **reply.headers})
    await part(send, content, last=True)
