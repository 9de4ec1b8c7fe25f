"""From the start of the program to its first page, beside a Streamlit script of one line."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import page
from benchmarks.row import Row, middle
from benchmarks.tab import ROOT, Tab, connected, serving

RUNS = 5


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`, in turns."""
    keys = folder / "keys"
    page.stored(keys, page.FEW)
    line = folder / "line.py"
    line.write_text("import streamlit as st\n\nst.write('Hello')\n")
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(_first_page(ROOT / "app.py", keys, page.PAGE))
        theirs.append(_first_page(line, keys, ""))
    return [Row("start to first page", middle(ours), middle(theirs), "a one-line script", 1.3)]


def _first_page(app: Path, keys: Path, name: str) -> float:
    began = time.perf_counter()
    with serving(app, keys) as port, connected(port) as line:
        Tab(line, name).rerun()
        return time.perf_counter() - began
