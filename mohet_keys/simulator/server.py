"""Runs the simulated providers on loopback, in a thread of the calling process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType

import uvicorn

from mohet_keys.simulator.app import ROOTS, Request, SimulatedProviders, World


class Simulator:
    """The six providers on one port of 127.0.0.1 while the `with` block lasts."""

    def __init__(self, port: int = 0, *, delay: float = 0.0) -> None:
        self.world = World(delay=delay)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(512)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            SimulatedProviders(self.world),
            log_level="critical",
            lifespan="off",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="simulator", daemon=True)

    def endpoint(self, server: str) -> str:
        """The base URL of a simulated server, such as `groq` or `ollama-cloud`."""
        return f"http://127.0.0.1:{self.port}{ROOTS[server]}/v1"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, oldest first."""
        return self.world.requests

    def revoke(self, secret: str) -> None:
        """The provider forgets this key from now on."""
        self.world.revoked.add(secret)

    def restore(self, secret: str) -> None:
        """The provider knows this key again."""
        self.world.revoked.discard(secret)

    def __enter__(self) -> Simulator:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(Exception):
            self._server.run(sockets=[self._socket])
