"""Runs the simulated providers on loopback, in a thread of the calling process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import uvicorn

from mohet_keys.simulator.app import World, create_app
from mohet_keys.simulator.asgi import Request
from mohet_keys.simulator.servers import SERVERS

STARTS_WITHIN = 10.0
"""Seconds."""


class Simulator:
    """The six providers on a port of 127.0.0.1 while the `with` block lasts.

    `doors` opens the same providers on further ports, which count as further hosts. Raises
    ValueError for a host that is not loopback.
    """

    def __init__(
        self, port: int = 0, *, delay: float = 0.0, host: str = "127.0.0.1", doors: int = 1
    ) -> None:
        if not _is_loopback(host):
            raise ValueError(f"The simulator serves this machine alone, so it cannot use {host}.")
        self.world = World(delay=delay)
        self._host = host
        self._ports = [port, *[0] * (doors - 1)]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def port(self) -> int:
        """The first port."""
        return self._ports[0]

    def endpoint(self, server: str, door: int = 0) -> str:
        """The base URL of a simulated server, such as `groq` or `ollama-cloud`."""
        return f"{self.origin(door)}{SERVERS[server].path}"

    def origin(self, door: int = 0) -> str:
        """Scheme, host and port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._ports[door]}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, oldest first."""
        return self.world.requests

    @property
    def delay(self) -> float:
        """Seconds before each answer."""
        return self.world.delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self.world.delay = seconds

    @property
    def down(self) -> bool:
        """Whether every provider has an outage (503). `stop` refuses connections instead."""
        return self.world.down

    @down.setter
    def down(self, is_down: bool) -> None:
        self.world.down = is_down

    def revoke(self, secret: str) -> None:
        """The provider forgets this key from now on."""
        self.world.revoked.add(secret)

    def restore(self, secret: str) -> None:
        """The provider knows this key again."""
        self.world.revoked.discard(secret)

    def behave(self, server: str, behaviour: str | None) -> None:
        """Have a server behave so whatever the secret; None lets the secret choose again."""
        self.world.forced.pop(server, None)
        if behaviour:
            self.world.forced[server] = behaviour

    # --- on and off ---------------------------------------------------------------------------

    def start(self) -> None:
        """Listen; after a `stop`, on the same ports again. Raises OSError when one is taken."""
        sockets = self._listen()
        config = uvicorn.Config(
            create_app(self.world),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, sockets), name="simulator", daemon=True
        )
        self._thread.start()
        self._wait(self._server, self._thread)

    def stop(self) -> None:
        """Hang up on everybody and refuse connections from now on."""
        if self._server and self._thread:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(5)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self) -> list[socket.socket]:
        sockets: list[socket.socket] = []
        with contextlib.ExitStack() as unless_all:
            for place, port in enumerate(self._ports):
                door = unless_all.enter_context(_door(self._host, port))
                sockets.append(door)
                self._ports[place] = door.getsockname()[1]
            unless_all.pop_all()
        return sockets

    def _serve(self, server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        try:
            server.run(sockets=sockets)
        except BaseException as error:  # noqa: BLE001  # `start` tells it to who is waiting
            self._failure = error
        finally:
            for door in sockets:
                door.close()

    def _wait(self, server: uvicorn.Server, thread: threading.Thread) -> None:
        ends = time.monotonic() + STARTS_WITHIN
        while not server.started:
            if not thread.is_alive() or time.monotonic() > ends:
                raise RuntimeError("The simulator did not start.") from self._failure
            time.sleep(0.002)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _door(host: str, port: int) -> socket.socket:
    """A listening socket."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(512)
    except OSError:
        door.close()
        raise
    return door
