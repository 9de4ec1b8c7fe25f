"""Tells each process within a second that keys changed, whoever changed them.

What changed is not told: whoever listens reads the store again. Only a server can call; a SQLite
file is looked at some times a second, for as long as somebody listens. Both happen on a thread of
its own, for a database may let one wait.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import threading
import time
from contextlib import suppress
from typing import Protocol

from mohet_keys.database import Database, Ear

GATHER = 0.1
"""Seconds that changes are gathered for, so that many in a row are told as one."""
RETRY = 0.5
"""Seconds after which a database that cannot be listened to is tried again."""
LINGER = 30.0
"""Seconds that are listened on after somebody last asked."""
_log = logging.getLogger(__name__)


class Waits(Protocol):
    """What those need who wait for a change."""

    @property
    def revision(self) -> int:
        """Another number once anything may have changed since it was last read. Costs nothing."""

    async def wait(self, since: int, seconds: float) -> int:
        """Come back when the revision is no longer `since`, after `seconds` at most, with
        the revision there is then."""


class Unheard:
    """Of changes that nobody tells of: each wait takes its time."""

    revision = 0

    async def wait(self, since: int, seconds: float) -> int:
        """Come back after so long."""
        await asyncio.sleep(seconds)
        return since


class Changes:
    """The changes of one store. Threads and event loops may share it; forks may not.

    Read `revision` first, then the store, then wait with it: so no change is missed. There may be
    a call without a change, as there is whenever the listening begins.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision = 0
        self._told = threading.Condition()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = set()
        self._threads_waiting = 0
        self._asked_at = time.monotonic()
        self._thread: threading.Thread | None = None
        self._bell: tuple[socket.socket, socket.socket] | None = None
        """Wakes the thread: what is sent into the second can be read at the first."""
        self._is_closed = False

    @property
    def revision(self) -> int:
        """See Waits."""
        with self._told:
            self._listen()
            return self._revision

    async def wait(self, since: int, seconds: float) -> int:
        """See Waits."""
        loop = asyncio.get_running_loop()
        place = (loop, loop.create_future())
        with self._told:
            self._listen()
            if self._revision != since:
                return self._revision
            self._waiting.add(place)
        try:
            await asyncio.wait({place[1]}, timeout=seconds)
        finally:
            with self._told:
                self._waiting.discard(place)
        return self.revision

    def wait_here(self, since: int, seconds: float) -> int:
        """The same for a thread, which waits."""
        with self._told:
            self._listen()
            self._threads_waiting += 1
            try:
                self._told.wait_for(lambda: self._revision != since or self._is_closed, seconds)
            finally:
                self._threads_waiting -= 1
            return self._revision

    def close(self) -> None:
        """Listen no more; whoever waits waits to the end of its time. Again does nothing."""
        with self._told:
            thread, self._is_closed = self._thread, True
            self._told.notify_all()
            if self._bell:
                self._bell[1].send(b"!")
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    # --- on the thread --------------------------------------------------------------------------

    def _listen(self) -> None:
        """Have a thread listen, while holding the lock."""
        self._asked_at = time.monotonic()
        if self._thread is None and not self._is_closed:
            self._bell = socket.socketpair()
            run = threading.Thread(
                target=self._run, args=(self._bell[0],), name="mohet-changes", daemon=True
            )
            self._thread = run
            run.start()

    def _run(self, bell: socket.socket) -> None:
        while not self._ends():
            try:
                with self._database.listening() as ear:
                    self._tell()  # what happened before was heard by nobody
                    self._follow(ear, bell.fileno())
            except Exception as error:  # noqa: BLE001  # whatever it is, it has to be tried again
                _log.warning("Changes cannot be listened to: %s.", type(error).__name__)
                select.select([bell], [], [], RETRY)

    def _ends(self) -> bool:
        """Whether this thread is over; the next who asks begins another one."""
        with self._told:
            if self._is_wanted():
                return False
            for end in self._bell or ():
                end.close()
            self._bell = self._thread = None
            return True

    def _is_wanted(self) -> bool:
        is_asked = self._waiting or self._threads_waiting
        is_asked = is_asked or time.monotonic() - self._asked_at < LINGER
        return bool(is_asked) and not self._is_closed

    def _follow(self, ear: Ear, bell: int) -> None:
        while self._is_wanted():
            select.select([*ear.handles, bell], [], [], min(ear.every, LINGER))
            if ear.has_heard():
                self._tell()
                select.select([bell], [], [], GATHER)

    def _tell(self) -> None:
        with self._told:
            self._revision += 1
            self._told.notify_all()
            waiting = list(self._waiting)
        for loop, future in waiting:
            with suppress(RuntimeError):  # its loop was closed meanwhile
                loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
