"""The one background event loop, on a thread of its own: network work stays off the script's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """An event loop on a daemon thread. Cancelling a future cancels its task."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name="mohet-background", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether work is still taken."""
        return self._thread.is_alive() and not self._loop.is_closed()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` and come back at once."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Start `work` and wait for it, `timeout` seconds at most. Raises what it raises."""
        future = self.submit(work)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        if self.is_running:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()


_lock = threading.Lock()
_shared: Background | None = None


def shared() -> Background:
    """The process-wide loop, made on first use, and anew after a fork or a close."""
    global _shared
    with _lock:
        if _shared is None or _shared.pid != os.getpid() or not _shared.is_running:
            _shared = Background()
        return _shared
