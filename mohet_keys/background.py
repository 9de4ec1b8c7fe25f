"""The one background event loop, on a thread of its own: network work stays off the script's."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

ENDS_WITHIN = 5.0
"""Seconds that cancelled work gets to tidy up."""


class Background:
    """An event loop on a daemon thread. Cancelling a future cancels its task."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._takes_work = True
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name="mohet-background", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether work is still taken; never in a process that was forked off."""
        return self._takes_work and self._pid == os.getpid() and self._thread.is_alive()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` and come back at once. Raises RuntimeError when the loop is closed."""
        with self._lock:
            if not self.is_running:
                work.close()
                raise RuntimeError("The background loop is closed.")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Start `work` and wait for it, `timeout` seconds at most. Raises what it raises.

        TimeoutError when the time is up, and the work is then cancelled, as it is when the wait
        is interrupted. RuntimeError on the loop's own thread, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("The background loop cannot wait for itself.")
        future = self.submit(work)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Take no more work, cancel what runs and end the thread. Again does nothing."""
        with self._lock:
            if not self.is_running:
                return
            self._takes_work = False
            self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(ENDS_WITHIN + 1)

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=ENDS_WITHIN))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


_lock = threading.Lock()
_shared: Background | None = None
_inherited: list[Background | None] = []


def shared() -> Background:
    """The process-wide loop, made on first use, and anew after a fork or a close."""
    global _shared
    with _lock:
        if _shared is None or not _shared.is_running:
            _shared = Background()
        return _shared


def _after_fork() -> None:
    """A child has neither the thread of its parent's loop nor whoever held the lock.

    The parent's loop is kept and left alone: closing it would reach into the parent's.
    """
    global _lock, _shared
    _inherited.append(_shared)
    _lock, _shared = threading.Lock(), None


if hasattr(os, "register_at_fork"):  # everywhere but on Windows
    os.register_at_fork(after_in_child=_after_fork)
