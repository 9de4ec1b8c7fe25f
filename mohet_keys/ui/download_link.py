"""The link to a file that waits: it goes once the file is fetched, or its minute is over."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui.downloads import DOWNLOADS
from mohet_keys.ui.state import Ready, redraw, ui

EVERY = 5.0
"""Seconds between two looks at whether the file still waits."""


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
