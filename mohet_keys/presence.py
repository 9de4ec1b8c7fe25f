"""A running app says that it runs, which master keys it has, so that none is taken from it, and
when it was last used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from mohet_keys.errors import StoreError
from mohet_keys.leases import name_of_this_process
from mohet_keys.repository import Repository
from mohet_keys.safe import Safe

EVERY = 10.0
"""Seconds between two signs of life; a process counts as running for some of these."""


def _now() -> datetime:
    return datetime.now(UTC)


class Presence:
    """This process among those that have the store open."""

    def __init__(
        self, repository: Repository, safe: Safe, *, clock: Callable[[], datetime] = _now
    ) -> None:
        self._repository = repository
        self._safe = safe
        self._clock = clock
        self._process = name_of_this_process()
        self._has_left = False
        self._used_at: datetime | None = None
        self._turn = threading.Lock()

    def touch(self) -> None:
        """Somebody uses the app just now. Costs nothing: the next sign of life tells it."""
        self._used_at = self._clock()

    async def beat(self, every: float = EVERY) -> None:
        """Give signs of life until cancelled, then say that the process ends.

        What the store cannot take now is tried again with the next one. The store is asked on
        another thread, for a database may let one wait; only the end is waited for, so that
        whoever is cancelled twice has left all the same.
        """
        try:
            while True:
                await asyncio.to_thread(self.announce)
                await asyncio.sleep(every)
        finally:
            self.leave()

    def announce(self) -> None:
        """Give one sign of life, and forget the replaced secrets whose time is over.

        Does nothing any more after `leave`, also for a sign that was under way. Raises nothing.
        """
        with self._turn, suppress(StoreError):
            if not self._has_left:
                now = self._clock()
                self._repository.leases.announce(
                    self._process, self._safe.master_ids, now, used_at=self._used_at
                )
                self._repository.forget_former(now)

    def leave(self) -> None:
        """Say that the process ends. Raises nothing: what is not said is seen before long."""
        with self._turn, suppress(StoreError):
            self._has_left = True
            self._repository.leases.leave(self._process)
