"""From the start of the program to its first page, beside a Streamlit script of one line.

Both are started alike, with the same settings, and Python has compiled both before. What a browser
does by itself is the same for both and left out: the first page is there when all of it was sent.
"""

from __future__ import annotations

import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from benchmarks import page
from benchmarks.row import Row, middle
from benchmarks.tab import ROOT, Tab, connected, serving

RUNS, WARM_UP = 7, 1


class Started:
    """A program with the times of its starts, on the clock and on the processor, in seconds."""

    def __init__(self, app: Path, keys: Path, page: str = "") -> None:
        self._app, self._keys, self._page = app, keys, page
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def start(self) -> None:
        """Start it once more, and keep its times until its page is there."""
        spent, began = _spent(), time.perf_counter()
        with serving(self._app, self._keys) as port, connected(port) as line:
            Tab(line, self._page).rerun()
            self.wall.append(time.perf_counter() - began)
        self.cpu.append(_spent() - spent)


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`, in turns."""
    keys = folder / "keys"
    page.stored(keys, page.FEW)
    line = folder / "line.py"
    line.write_text("import streamlit as st\n\nst.write('Hello')\n")
    ours, theirs = Started(ROOT / "app.py", keys, page.PAGE), Started(line, keys)
    for _ in range(WARM_UP + RUNS):
        ours.start()
        theirs.start()
    times = [middle(found[WARM_UP:]) for found in (ours.wall, theirs.wall)]
    processor = middle(ours.cpu[WARM_UP:]) / middle(theirs.cpu[WARM_UP:])
    note = f"processor {processor:.2f} ×"
    return [Row("start to first page", *times, "a one-line script", 1.3, note)]


def _spent() -> float:
    """Seconds of processor that programs which ended took."""
    spent = getrusage(RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
