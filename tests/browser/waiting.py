"""Waiting for what happens outside of the browser, on a machine that may be busy."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 30.0
"""Seconds after which something is not going to happen any more, on a busy machine either."""


class Stopwatch:
    """Counts the seconds since it was made, but none in which a process of the test, the server's
    and the browser's among them, stood in line for a processor that something else had."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._stood = _standing_in_line()

    @property
    def seconds(self) -> float:
        """How many they are."""
        passed = time.monotonic() - self._began
        return max(0.0, passed - max(0.0, _standing_in_line() - self._stood))


def until(holds: Callable[[], bool], within: float = PATIENCE) -> None:
    """Wait until something holds: so many seconds of the stopwatch, and never beyond patience."""
    watch, end = Stopwatch(), time.monotonic() + PATIENCE
    while not holds():
        assert watch.seconds < within, f"not within {within} seconds"
        assert time.monotonic() < end, "not at all"
        time.sleep(0.02)


def _standing_in_line() -> float:
    """Seconds that all threads of this process and its descendants have waited to run, in all."""
    waited = 0
    for pid in _family(os.getpid()):
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it has just ended
                waited += int(thread.read_text().split()[1])
    return waited / 1e9


def _family(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in thread.read_text().split():
                yield from _family(int(child))
