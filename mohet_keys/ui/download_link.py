"""Files to take along: made when asked for, then fetched once, within a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.ui import clock
from mohet_keys.ui.downloads import DOWNLOADS
from mohet_keys.ui.state import Ready, Said, act, redraw, ui
from mohet_keys.ui.text import escape

EVERY = 5.0
"""Seconds between two looks at whether the file still waits."""


@dataclass(frozen=True, slots=True)
class Made:
    """A table to take along, and what is to be said when it does not hold everything."""

    content: bytes
    left_out: str = ""


def table(what: str, name: str, make: Callable[[], Made]) -> None:
    """Draw the button that makes a table, or the link to it once it waits.

    `what` says which part of which page it is of, and `name` what the file is called, before the
    day. A MohetError of `make` is told.
    """
    if is_ready(what):
        show()
        return
    st.button(
        "Download CSV",
        icon=":material/download:",
        key=f"{what}.download",
        on_click=_make,
        args=(what, name, make),
    )


@act
def _make(what: str, name: str, make: Callable[[], Made]) -> None:
    try:
        made = make()
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
        return
    file = f"{name}-{clock.now().astimezone(clock.zone()):%Y-%m-%d}.csv"
    offer(what, made.content, file, "text/csv; charset=utf-8")
    if made.left_out:
        ui().said.append(Said("warning", escape(made.left_out)))


def offer(what: str, content: bytes, name: str, kind: str) -> None:
    """Have a file wait for this visitor. `what` says which part of which page made it.

    `name` is that of the saved file, `kind` its media type.
    """
    ui().ready = Ready(what, name, DOWNLOADS.offer(content, name, kind))


def is_ready(what: str) -> bool:
    """Whether a file of this part waits."""
    ready = ui().ready
    return ready is not None and ready.what == what and DOWNLOADS.is_open(ready.address)


def show() -> None:
    """Draw the link to the file that waits."""
    ready = ui().ready
    if ready is not None:
        with st.container(width="content"):
            _link(ready)


@st.fragment(run_every=EVERY)
def _link(ready: Ready) -> None:
    if ui().ready != ready or not DOWNLOADS.is_open(ready.address):
        ui().ready = None
        redraw()
    st.link_button(
        f"Save {ready.name}",
        ready.address,
        type="primary",
        icon=":material/download:",
        key="download.link",
        on_click=_fetched,
    )


def _fetched() -> None:
    ui().ready = None
