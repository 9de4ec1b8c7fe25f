"""Looks up the addresses of a host without ever holding up the end of the program.

`getaddrinfo` can take half a minute and cannot be stopped. Python waits for the threads of
asyncio's own pool before it ends, so a look-up gets a daemon thread instead. Who asks for a name
that is being looked up gets the same answer: a resolver that hangs costs one thread a name.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Place = tuple[str, int]
Ask = Callable[..., list[tuple[Any, ...]]]


class Lookup:
    """Asks the system's resolver. Nothing is remembered once it has answered."""

    def __init__(self, ask: Ask = socket.getaddrinfo) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: dict[Place, Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """Every address of a host, each once, in the system's order.

        Raises OSError or UnicodeError when there is none. Cancelling gives up the wait; the
        look-up itself ends when the system lets it.
        """
        return await asyncio.wrap_future(self._join((host, port)))

    def _join(self, place: Place) -> Future[list[str]]:
        with self._lock:
            known = self._under_way.get(place)
            if known is not None:
                return known
            future: Future[list[str]] = Future()
            future.set_running_or_notify_cancel()  # one who gives up takes it from no other
            self._under_way[place] = future
        threading.Thread(
            target=self._run, args=(place, future), name="mohet-lookup", daemon=True
        ).start()
        return future

    def _run(self, place: Place, future: Future[list[str]]) -> None:
        try:
            found = self._ask(*place, type=socket.SOCK_STREAM)
        except BaseException as error:  # noqa: BLE001  # it belongs to those who wait
            self._forget(place)
            future.set_exception(error)
        else:
            self._forget(place)
            future.set_result(list(dict.fromkeys(str(item[4][0]) for item in found)))

    def _forget(self, place: Place) -> None:
        with self._lock:
            self._under_way.pop(place, None)
