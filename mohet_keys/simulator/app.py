"""The simulated providers as one ASGI app, each below a path of its own."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from ipaddress import ip_address

from mohet_keys.simulator import chat, lists, wire
from mohet_keys.simulator.asgi import Receive, Reply, Request, Scope, Send, answer, read
from mohet_keys.simulator.behaviours import behaviour_of
from mohet_keys.simulator.rude import RUDE
from mohet_keys.simulator.servers import Server


@dataclass(slots=True)
class World:
    """What a test or the demo can see and change while the providers run. Times in seconds."""

    requests: list[Request] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set, repr=False)
    forced: dict[str, str] = field(default_factory=dict)
    """Behaviour of a server by its name, whatever the secret: for servers that need none."""
    delay: float = 0.0
    """Before each answer."""
    delays: dict[str, float] = field(default_factory=dict)
    """The same for a server by its name, where it differs."""
    slow: float = 3.0
    drip: float = 0.3
    pace: float = 0.0
    """Between two events of a stream."""
    down: bool = False
    redirect_to: str = "https://elsewhere.invalid/"
    active: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Requests under way, by the port they came in at."""
    most_at_once: int = 0
    most_at_a_port: int = 0

    def behaviour(self, request: Request) -> str | None:
        """How to treat a request."""
        if request.secret in self.revoked:
            return "revoked"
        forced = self.forced.get(request.server.name) if request.server else None
        return forced or behaviour_of(request.secret)

    def delay_of(self, request: Request) -> float:
        """Seconds before the answer to a request."""
        name = request.server.name if request.server else ""
        return self.delays.get(name, self.delay)

    def enter(self, request: Request) -> None:
        """Count a request that begins."""
        self.requests.append(request)
        self.active[request.port] += 1
        self.most_at_a_port = max(self.most_at_a_port, self.active[request.port])
        self.most_at_once = max(self.most_at_once, sum(self.active.values()))

    def leave(self, request: Request) -> None:
        """Count a request that is over."""
        self.active[request.port] -= 1


class SimulatedProviders:
    """The ASGI app. `world` may be changed at any time. Only loopback is answered."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and _is_stranger(scope):
            await answer(send, Reply(403, b"Only this machine is answered.", kind="text/plain"))
        elif scope["type"] == "http":
            request = await read(scope, receive)
            self.world.enter(request)
            try:
                await _unless_dropped(
                    request, self._answer(request, _noting(request, send)), receive
                )
            finally:
                self.world.leave(request)

    async def _answer(self, request: Request, send: Send) -> None:
        world = self.world
        await asyncio.sleep(world.delay_of(request))
        behaviour = world.behaviour(request)
        if world.down:
            behaviour = "down"
        if behaviour in RUDE:
            await RUDE[behaviour](request, send, world.drip)
            return
        if behaviour == "slow":
            await asyncio.sleep(world.slow)
        reply = self._of_the_server(request, behaviour) or _of_the_key(request, behaviour)
        if reply is None:
            await chat.reply(request, behaviour, send, pace=world.pace, slow=world.slow)
            return
        await answer(send, reply)

    def _of_the_server(self, request: Request, behaviour: str | None) -> Reply | None:
        """Answers that come before any look at path or key."""
        match behaviour:
            case "down":
                return wire.down(request)
            case "loading":
                return wire.loading(request)
            case "html":
                return Reply(200, wire.LOGIN_PAGE, kind="text/html")
            case "garbage":
                return Reply(200, {"hello": "world"})
            case "redirect":
                return Reply(302, b"", {"location": self.world.redirect_to})
        return None


def _of_the_key(request: Request, behaviour: str | None) -> Reply | None:
    """The answer for this key at this path; None for a chat that may go on."""
    server, below = request.server, request.below
    is_chat = (request.method, below) == ("POST", "/v1/chat/completions")
    found = _found(server, request.method, below, behaviour) if server and below else None
    if server is None or (found is None and not is_chat):
        return wire.no_path(request)
    refusal = None
    if server.keyed and below not in server.open_paths:
        refusal = wire.judged(request, behaviour)
    return refusal or found


def _found(server: Server, method: str, below: str, behaviour: str | None) -> Reply | None:
    """What is at a path, were the key good."""
    if method != "GET":
        return None
    name = server.list_at(below)
    if name:
        return Reply(200, lists.model_list(name, empty=behaviour == "empty"))
    match (server.provider, below):
        case ("openrouter", "/v1/key" | "/v1/auth/key"):
            return Reply(200, lists.key_info(behaviour))
        case ("ollama", "/"):
            return Reply(200, b"Ollama is running", kind="text/plain")
        case ("ollama", "/api/version"):
            return Reply(200, {"version": "0.34.4"})
        case ("ollama", "/api/balance") if server.keyed:
            return Reply(200, lists.balance(behaviour))
    return None


# --- ASGI ----------------------------------------------------------------------------------------


def _is_stranger(scope: Scope) -> bool:
    """Whether the caller is on another machine."""
    client = scope.get("client")
    try:
        return client is not None and not ip_address(client[0]).is_loopback
    except ValueError:
        return True


def _noting(request: Request, send: Send) -> Send:
    """`send` that marks the request as answered with the last byte."""

    async def noted(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            request.answered = True
        await send(message)

    return noted


async def _unless_dropped(
    request: Request, work: Coroutine[object, object, None], receive: Receive
) -> None:
    """Do the work of answering until it is done or the caller hangs up."""
    answering = asyncio.create_task(work)
    leaving = asyncio.create_task(_until_gone(receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        request.dropped = not answering.done() and not request.answered
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)
    if not answering.cancelled():
        answering.result()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def create_app(world: World | None = None) -> SimulatedProviders:
    """The app over a world of its own, or over `world`."""
    return SimulatedProviders(world)


app = create_app()
