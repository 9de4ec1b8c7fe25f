"""A rerun of the API Keys page as a browser waits for it: from its request to the last message.

Two servers are asked in turns. They are the same but for the script: ours, and its floor.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import page
from benchmarks.row import Row, middle
from benchmarks.tab import ROOT, Tab, connected, serving

RUNS, WARM_UP = 60, 5
PAUSE = 0.1
"""Seconds between two reruns, in which a server can tidy up as it would between two clicks."""
_APP = """from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from mohet_keys.ui.server import SecurityHeaders, lifespan

app = st.App(
    Path(__file__).with_name("shell.py"),
    lifespan=lifespan,
    middleware=[Middleware(SecurityHeaders)],
)
"""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    keys = folder / "keys"
    scripts = page.write_floor(page.stored(keys, page.FEW), folder)
    (scripts / "app.py").write_text(_APP)
    with ExitStack() as until_done:
        ports = [
            until_done.enter_context(serving(app, keys))
            for app in (ROOT / "app.py", scripts / "app.py")
        ]
        lines = [until_done.enter_context(connected(port)) for port in ports]
        tabs = [Tab(line, page.PAGE, page.TAB) for line in lines]
        ours, constants = _in_turns(tabs)
    what = f"API Keys page, {page.FEW} keys, served"
    return [Row(what, ours, constants, "same from constants", 1.15)]


def _in_turns(tabs: Sequence[Tab]) -> list[float]:
    """The middle of each tab's times."""
    times: list[list[float]] = [[] for _ in tabs]
    for _ in range(WARM_UP + RUNS):
        for tab, found in zip(tabs, times, strict=True):
            time.sleep(PAUSE)
            found.append(tab.rerun())
    assert len({tab.drawn for tab in tabs}) == 1, "the two servers draw different pages"
    return [middle(found[WARM_UP:]) for found in times]
