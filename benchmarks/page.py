"""Reruns of the API Keys page: 12 keys against the same widgets from constants, 10,000 against 12.

What counts is the script alone, from its start to its end in Streamlit's own script runner.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from benchmarks import floor, store
from benchmarks.row import Row, middle
from benchmarks.visitor import Visitor
from mohet_keys import wiring
from mohet_keys.ui import resources

SHELL = Path(resources.__file__).with_name("shell.py")
PAGE, TAB = "api_keys", "provider=groq"
GROQ = ("groq", "https://api.groq.com/openai/v1")
FEW, MANY = 12, 10_000
RUNS, WARM_UP = 150, 10
"""Reruns of each page that count, and those before them that do not."""


class Timed:
    """A page with its store, and the times of its reruns on the clock and on the processor."""

    def __init__(self, script: Path, keys: Path | None = None, page: str = PAGE) -> None:
        self.visitor = Visitor(script, page, TAB)
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._parts = _no_parts if keys is None else _cached_parts(keys)

    def rerun(self) -> None:
        """Run the page once more and keep its times."""
        self.enter()
        run = self.visitor.run()
        self.wall.append(run.wall)
        self.cpu.append(run.cpu)

    def enter(self) -> None:
        """Have the pages work on this one's store."""
        resources.parts = self._parts

    def forget(self) -> None:
        """Let the times so far not count."""
        self.wall, self.cpu = [], []


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    few, many = stored(folder / "few", FEW), stored(folder / "many", MANY)
    constants = _floor_of(few, folder)
    pages = (few, constants, many)
    take_turns(pages, WARM_UP)
    gc.freeze()  # after each run Streamlit has all garbage collected, which takes no part in this
    for page in pages:
        page.forget()
    take_turns(pages, RUNS)
    return [
        _row(f"API Keys page, {FEW} keys, script alone", few, constants, "same from constants"),
        _row(f"API Keys page, {MANY:,} keys", many, few, f"with {FEW}", 1.2),
    ]


def take_turns(pages: Sequence[Timed], times: int) -> None:
    """Run each page so many times, one after the other."""
    for _ in range(times):
        for page in pages:
            page.rerun()


def _row(what: str, ours: Timed, other: Timed, other_is: str, most: float | None = None) -> Row:
    processor = middle(ours.cpu) / middle(other.cpu)
    note = f"processor {processor:.2f} ×"
    return Row(what, middle(ours.wall), middle(other.wall), other_is, most, note)


def stored(folder: Path, count: int) -> Timed:
    """The page on a new store of so many keys in `folder`."""
    store.seed(store.settings(folder), count, lambda _: GROQ)
    page = Timed(SHELL, folder)
    page.enter()
    page.visitor.run()
    return page


def write_floor(page: Timed, folder: Path) -> Path:
    """The folder with the scripts of the same widgets from constants."""
    scripts = folder / "floor"
    scripts.mkdir()
    page.enter()
    floor.write(page.visitor, scripts)
    return scripts


def _floor_of(page: Timed, folder: Path) -> Timed:
    """The same widgets from constants; refused unless both draw the same."""
    constants = Timed(write_floor(page, folder) / "shell.py")
    real = page.visitor.run()
    constants.enter()
    constants.visitor.run()
    floor.assert_same(real, constants.visitor.run())
    return constants


def _no_parts() -> wiring.Parts:
    raise AssertionError("The floor runs our code.")


def _cached_parts(folder: Path) -> Callable[[], wiring.Parts]:
    """What `resources.parts` is in the product, on a store of our own."""

    def parts() -> wiring.Parts:
        return wiring.build(store.settings(folder))

    parts.__qualname__ = f"parts of {folder}"  # by which Streamlit tells cached functions apart
    return st.cache_resource(show_spinner=False)(parts)
