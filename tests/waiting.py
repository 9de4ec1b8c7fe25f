"""Waiting for what happens elsewhere, on a machine that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY = 5.0
"""Seconds that something may come later than promised because the machine has other things to do.
What a test rules out takes longer than that."""


def until(holds: Callable[[], object], seconds: float = 2 * BUSY) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.005)
