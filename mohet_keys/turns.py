"""Whose turn it is: how many checks may be under way at once, in all and at one server, and how
long a server that asked for it is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mohet_keys import endpoints
from mohet_keys.errors import InputError
from mohet_keys.model import Diagnosis, KeyEntry, Verdict

PATIENCE = 60.0
"""Seconds that one run waits at most for a server that asked for it, in all its turns together."""
REMEMBERED = 3600.0
"""Seconds that a server is left alone at most, however long it asked for."""


class NotNowError(Exception):
    """A server asked to be left alone for longer than a run waits; `seconds` are left of that."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The server asked to be left alone for another {seconds:.0f} seconds.")
        self.seconds = seconds


def server_of(endpoint: str) -> str:
    """The server that an address belongs to; an address altered in the store belongs to none."""
    try:
        return endpoints.origin(endpoint)
    except InputError:
        return ""  # the check will find the key locked


class Rests:
    """Until when each server asked to be left alone. `monotonic` tells seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: dict[str, float] = {}

    def told(self, endpoint: str, said: Diagnosis) -> None:
        """Remember the wait that an answer names, if any.

        An allowance that is used up is that of one account: the server takes other keys.
        """
        if not said.retry_after or said.verdict is Verdict.LIMITED:
            return
        now = self._monotonic()
        until = now + min(said.retry_after, REMEMBERED)
        known = {server: at for server, at in self._until.items() if at > now}
        server = server_of(endpoint)
        self._until = {**known, server: max(until, known.get(server, 0.0))}

    def left(self, server: str) -> float:
        """Seconds for which it is to be left alone; 0 when it may be asked."""
        return max(0.0, self._until.get(server, 0.0) - self._monotonic())


@dataclass(slots=True)
class _Host:
    server: str
    seats: asyncio.Semaphore
    patient_until: float | None = None
    """When the run has waited for it long enough; None before the first wait."""


class Turns:
    """The turns of one run: `cap` checks at once in all, and `per_host` at one server.

    `patience` is in seconds. `on_wait` hears of each key that waits for a server's sake, and how
    many seconds.
    """

    def __init__(
        self,
        rests: Rests,
        *,
        cap: int,
        per_host: int,
        patience: float,
        monotonic: Callable[[], float],
        on_wait: Callable[[KeyEntry, float], None],
    ) -> None:
        self._rests = rests
        self._everywhere = asyncio.Semaphore(cap)
        self._per_host = per_host
        self._patience = patience
        self._monotonic = monotonic
        self._on_wait = on_wait
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def of(self, entry: KeyEntry) -> AsyncIterator[None]:
        """The turn of a key, which ends with the block.

        Raises NotNowError when its server is to be left alone for longer than this run waits.
        """
        host = self._host(entry)
        async with host.seats:
            while True:
                await self._until_rested(entry, host)
                async with self._everywhere:
                    if self._rests.left(host.server):
                        continue  # another answer asked for a wait while this key stood in line
                    yield
                    return

    async def _until_rested(self, entry: KeyEntry, host: _Host) -> None:
        """Wait outside of the line for all servers, so that nobody waits for another's sake."""
        while left := self._rests.left(host.server):
            now = self._monotonic()
            if host.patient_until is None:
                host.patient_until = now + self._patience
            if now + left > host.patient_until:
                raise NotNowError(left)
            self._on_wait(entry, left)
            await asyncio.sleep(left)

    def _host(self, entry: KeyEntry) -> _Host:
        server = server_of(entry.endpoint)
        if server not in self._hosts:
            self._hosts[server] = _Host(server, asyncio.Semaphore(self._per_host))
        return self._hosts[server]
