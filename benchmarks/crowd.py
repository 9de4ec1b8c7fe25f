"""Fifty people at once for a minute, each of whom does something every five seconds.

On one process with SQLite, and beside it on two processes with PostgreSQL, with half of the people
on each and everybody always on the same one. Both run all the time, and are measured in turns.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from websockets.exceptions import WebSocketException

from benchmarks import page, store
from benchmarks.row import Row, middle
from benchmarks.tab import ROOT, Tab, connected, serving
from mohet_keys import copying
from tests import postgres

PEOPLE = 50
EVERY = 5.0
"""Seconds between two things that one of them does."""
LASTS = 60.0
"""Seconds that each of the two is measured for."""
TURNS = 3
"""Parts that this time comes in."""
MOST = 1.0
"""Seconds that nineteen of twenty runs may take."""
_PROCESSES = 2
_CAREFUL = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "128MB"}
"""A server as it is where nothing may be lost, and not as quick as the tests have it."""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    keys = folder / "keys"
    page.stored(keys, page.FEW)
    with ExitStack() as until_done:
        server = until_done.enter_context(postgres.serving(**_CAREFUL))
        url = server.url(server.create())
        copying.copy(store.settings(keys).store_url, url)
        crowds = [
            Crowd(until_done, keys, "one process, SQLite"),
            Crowd(until_done, keys, "two, PostgreSQL", _PROCESSES, MOHET_DATABASE_URL=url),
        ]
        for _ in range(TURNS):
            for crowd in crowds:
                crowd.live(LASTS / TURNS)
        return [crowd.row() for crowd in crowds]


class Crowd:
    """Fifty people on the processes of one store, and what each run took them."""

    def __init__(
        self, until_done: ExitStack, keys: Path, on: str, processes: int = 1, **environment: str
    ) -> None:
        self._on = on
        ports = [
            until_done.enter_context(serving(ROOT / "app.py", keys, **environment))
            for _ in range(processes)
        ]
        lines = [until_done.enter_context(connected(ports[n % processes])) for n in range(PEOPLE)]
        self._tabs = [Tab(line, page.PAGE, page.TAB) for line in lines]
        for tab in self._tabs:
            tab.rerun()
        drawn = {tab.drawn for tab in self._tabs}
        assert len(drawn) == 1, "not everybody sees the same page"
        self._times: list[float] = []
        self._errors: list[Exception] = []

    def live(self, seconds: float) -> None:
        """Have everybody be there for so long. Who had an error is gone from then on."""
        ends = time.monotonic() + seconds
        lost: list[Tab] = []

        def be_there(tab: Tab, first: float) -> None:
            time.sleep(first)
            while time.monotonic() < ends:
                try:
                    took = tab.rerun()
                except (OSError, RuntimeError, WebSocketException) as error:
                    self._errors.append(error)
                    lost.append(tab)
                    return
                self._times.append(took)
                time.sleep(max(0.0, EVERY - took))

        _all_at_once(be_there, self._tabs)
        self._tabs = [tab for tab in self._tabs if tab not in lost]

    def row(self) -> Row:
        """Its line of the table; one error is as good as over."""
        slowest = sorted(self._times)[int(len(self._times) * 0.95)]
        what = f"{PEOPLE} people every {EVERY:.0f} s, {self._on}: 19 of 20 within"
        half = f"half within {middle(self._times) * 1000:.1f} ms"
        note = f"{half}, {len(self._times)} runs, {len(self._errors)} errors"
        return Row(what, slowest, MOST, "promised", 0.0 if self._errors else 1.0, note)


def _all_at_once(be_there: Callable[[Tab, float], None], tabs: Sequence[Tab]) -> None:
    chance = random.Random(1)  # noqa: S311  # nothing here is secret
    people = [
        threading.Thread(target=be_there, args=(tab, chance.uniform(0, EVERY))) for tab in tabs
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
