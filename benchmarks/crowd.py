"""Fifty people at once for a minute, each of whom does something every five seconds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from websockets.exceptions import WebSocketException

from benchmarks import page
from benchmarks.row import Row
from benchmarks.tab import ROOT, Tab, connected, serving

PEOPLE = 50
EVERY = 5.0
"""Seconds between two things that one of them does."""
LASTS = 60.0
"""Seconds."""
MOST = 1.0
"""Seconds that nineteen of twenty runs may take."""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    keys = folder / "keys"
    page.stored(keys, page.FEW)
    with ExitStack() as until_done:
        port = until_done.enter_context(serving(ROOT / "app.py", keys))
        lines = [until_done.enter_context(connected(port)) for _ in range(PEOPLE)]
        tabs = [Tab(line, page.PAGE, page.TAB) for line in lines]
        for tab in tabs:
            tab.rerun()
        times, errors = _a_minute(tabs)
    slowest = sorted(times)[int(len(times) * 0.95)]
    what = f"{PEOPLE} people, each every {EVERY:.0f} s: 19 of 20 within"
    note = f"{len(times)} runs, {errors} errors"
    return [Row(what, slowest, MOST, "promised", 1.0 if not errors else 0.0, note)]


def _a_minute(tabs: Sequence[Tab]) -> tuple[list[float], int]:
    """What each run took, and how many failed."""
    times: list[float] = []
    failed: list[Exception] = []
    ends = time.monotonic() + LASTS

    def live(tab: Tab, first: float) -> None:
        time.sleep(first)
        while time.monotonic() < ends:
            try:
                took = tab.rerun()
            except (OSError, RuntimeError, WebSocketException) as error:
                failed.append(error)
                return
            times.append(took)
            time.sleep(max(0.0, EVERY - took))

    chance = random.Random(1)  # noqa: S311  # nothing here is secret
    people = [threading.Thread(target=live, args=(t, chance.uniform(0, EVERY))) for t in tabs]
    for person in people:
        person.start()
    for person in people:
        person.join()
    return times, len(failed)
