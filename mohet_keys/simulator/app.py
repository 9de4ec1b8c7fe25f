"""The simulated providers as one ASGI app, each below a path of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mohet_keys.simulator import chat, wire
from mohet_keys.simulator.behaviours import behaviour_of

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ROOTS: dict[str, str] = {
    "openai": "/openai",
    "groq": "/groq/openai",
    "lmstudio": "/lmstudio",
    "lmstudio-auth": "/lmstudio-auth",
    "ollama": "/ollama",
    "ollama-cloud": "/ollama-cloud",
    "openrouter": "/openrouter/api",
    "mistral": "/mistral",
}
"""Where each server has its API, before `/v1`."""
_OPEN = {"lmstudio", "ollama"}


@dataclass(slots=True)
class Request:
    """One request as the simulator saw it."""

    server: str
    method: str
    path: str
    route: str
    """The path below the server's root."""
    secret: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = b""

    @property
    def provider(self) -> str:
        """The provider this server plays."""
        return self.server.partition("-")[0]


@dataclass(slots=True)
class World:
    """What a test or the demo can see and change while the providers run."""

    requests: list[Request] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    delay: float = 0.0
    down: bool = False
    active: int = 0
    most_active: int = 0
    redirect_to: str = "https://elsewhere.invalid/"


class Reply(Exception):  # noqa: N818  # an answer, raised to leave early
    """What to answer: status, JSON or text, and headers."""

    def __init__(self, status: int, body: wire.Json | bytes, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, bytes) else "application/json"
        self.headers = {
            "content-type": kind,
            **{n.replace("_", "-"): v for n, v in headers.items()},
        }


class SimulatedProviders:
    """The ASGI app. `world` may be changed at any time."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        world = self.world
        world.requests.append(request)
        world.active += 1
        world.most_active = max(world.most_active, world.active)
        try:
            await self._answer(request, send)
        finally:
            world.active -= 1

    async def _answer(self, request: Request, send: Send) -> None:
        if self.world.delay:
            await asyncio.sleep(self.world.delay)
        behaviour = self._behaviour(request)
        if behaviour in _RUDE:
            await _RUDE[behaviour](request, send)
            return
        try:
            self._refuse(request, behaviour)
            await _route(request, behaviour, send)
        except Reply as reply:
            await _send(send, reply)

    def _behaviour(self, request: Request) -> str | None:
        if request.secret in self.world.revoked:
            return "revoked"
        return behaviour_of(request.secret)

    def _refuse(self, request: Request, behaviour: str | None) -> None:
        provider = request.provider
        if self.world.down or behaviour == "down":
            raise Reply(503, wire.error(provider, 503, "Service Unavailable", "server_error"))
        if behaviour == "redirect":
            raise Reply(302, b"", location=self.world.redirect_to)
        if behaviour == "html":
            raise Reply(200, b"<!doctype html><title>Sign in</title><form></form>")
        if behaviour == "garbage":
            raise Reply(200, {"hello": "world"})
        if behaviour == "loading":
            raise Reply(503, {"error": {"message": "Loading model", "code": 503}})


# --- the routes ----------------------------------------------------------------------------------


async def _route(request: Request, behaviour: str | None, send: Send) -> None:
    if behaviour == "slow":
        await asyncio.sleep(3)
    route, method = request.route, request.method
    if (
        request.server == "ollama-cloud"
        and method == "GET"
        and route in {"/v1/models", "/api/tags"}
    ):
        raise Reply(200, wire.model_list("ollama" if route == "/v1/models" else "ollama-native"))
    if request.provider == "openrouter" and (method, route) == ("GET", "/v1/models"):
        raise Reply(200, wire.model_list("openrouter"))
    known = _known(request)
    if known is None:
        raise _no_path(request)
    _authorise(request, behaviour)
    if route.endswith("/chat/completions"):
        await chat.reply(request.provider, request.body, behaviour, send)
        return
    raise known


def _known(request: Request) -> Reply | None:
    """The answer of a route that exists, were the key good."""
    provider, route = request.provider, request.route
    behaviour = behaviour_of(request.secret)
    get: dict[str, Callable[[], wire.Json]] = {"/v1/models": lambda: _models(provider, behaviour)}
    if provider == "openrouter":
        get["/v1/key"] = get["/v1/auth/key"] = lambda: _key_info(behaviour)
        get["/v1/models/user"] = lambda: wire.model_list("openrouter")
    if provider == "lmstudio":
        get["/api/v1/models"] = lambda: _models("lmstudio-native", behaviour)
    if provider == "ollama":
        get["/api/tags"] = lambda: _models("ollama-native", behaviour)
        get["/api/version"] = lambda: {"version": "0.34.4"}
    if request.server == "ollama-cloud":
        get["/api/balance"] = lambda: wire.SPENT if behaviour == "nocredit" else wire.BALANCE
    if request.method == "GET" and route in get:
        return Reply(200, get[route]())
    if request.method == "POST" and route == "/v1/chat/completions":
        return Reply(200, {})
    return None


def _models(name: str, behaviour: str | None) -> wire.Json:
    if behaviour == "empty":
        return {"models": []} if name.endswith("native") else {"object": "list", "data": None}
    return wire.model_list(name)


def _key_info(behaviour: str | None) -> wire.Json:
    changes: dict[str | None, dict[str, Any]] = {
        "nocredit": {"limit_remaining": 0},
        "expired": {"expires_at": "2026-01-01T00:00:00Z"},
        "management": {"is_management_key": True},
        "freetier": {"is_free_tier": True, "limit": None, "limit_remaining": None},
    }
    return wire.key_info(**changes.get(behaviour, {}))


def _no_path(request: Request) -> Reply:
    status, message, code = wire.NO_PATH[request.provider]
    said = message.format(method=request.method, path=request.path)
    if request.provider == "ollama":
        return Reply(status, said.encode(), content_type="text/plain")
    if request.provider == "lmstudio":
        return Reply(status, {"error": said})
    if request.provider == "mistral":
        return Reply(status, {"detail": said})
    return Reply(status, wire.error(request.provider, status, said, code))


def _authorise(request: Request, behaviour: str | None) -> None:
    """Refuse what the provider would refuse before looking at the request."""
    provider = request.provider
    if request.server in _OPEN:
        return
    if not request.secret:
        code = "invalid_api_key" if provider in {"groq", "lmstudio"} else None
        raise Reply(401, wire.error(provider, 401, wire.NO_KEY[provider], code))
    if behaviour == "echo":
        said = f"Incorrect API key provided: {request.secret}."
        raise Reply(401, wire.error(provider, 401, said), x_debug=f"Bearer {request.secret}")
    if behaviour in {None, "revoked"}:
        said = wire.WRONG_KEY[provider]
        raise Reply(401, wire.error(provider, 401, said, "invalid_api_key"))
    refusal = _REFUSALS.get(behaviour or "")
    if refusal:
        status, said, code = refusal
        headers = {"retry_after": "12"} if status == 429 else {}
        raise Reply(status, wire.error(provider, status, said, code), **headers)


_REFUSALS = {
    "restricted": (
        403,
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        None,
    ),
    "deactivated": (401, "The account of this key has been deactivated.", "account_deactivated"),
    "ratelimited": (429, "Rate limit reached. Please try again in 12s.", "rate_limit_exceeded"),
    "region": (
        403,
        "Country, region, or territory not supported",
        "unsupported_country_region_territory",
    ),
    "wronghost": (
        401,
        "This project must be accessed through eu.api.openai.com.",
        "incorrect_hostname",
    ),
}


# --- rude servers --------------------------------------------------------------------------------


async def _drip(_request: Request, send: Send) -> None:
    await _start(send, 200)
    for _ in range(10_000):
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.3)


async def _huge(_request: Request, send: Send) -> None:
    await _start(send, 200)
    for _ in range(10_000):
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})


async def _cut(request: Request, send: Send) -> None:
    body = json.dumps(wire.model_list(request.provider)).encode()
    await _start(send, 200, {"content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body[:40], "more_body": True})
    raise ConnectionResetError("cut on purpose")


async def _gzip(request: Request, send: Send) -> None:
    body = gzip.compress(json.dumps(wire.model_list(request.provider)).encode())
    await _start(send, 200, {"content-encoding": "gzip", "content-length": str(len(body))})
    await send({"type": "http.response.body", "body": body})


_RUDE: dict[str | None, Callable[[Request, Send], Awaitable[None]]] = {
    "drip": _drip,
    "huge": _huge,
    "cut": _cut,
    "gzip": _gzip,
}


# --- ASGI ----------------------------------------------------------------------------------------


async def _read(scope: Scope, receive: Receive) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    path = scope["path"]
    server = next((s for s, root in ROOTS.items() if path.startswith(f"{root}/")), "openai")
    secret = headers.get("authorization", "").removeprefix("Bearer ")
    route = path.removeprefix(ROOTS[server])
    return Request(server, scope["method"], path, route, secret, headers, body)


async def _start(send: Send, status: int, headers: dict[str, str] | None = None) -> None:
    given = {"content-type": "application/json", **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send(send: Send, reply: Reply) -> None:
    await _start(send, reply.status, {**reply.headers, "content-length": str(len(reply.body))})
    await send({"type": "http.response.body", "body": reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
