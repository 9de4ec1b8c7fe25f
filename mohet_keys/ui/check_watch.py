"""Waits for running checks off to the side, and redraws the page when one has an answer."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui.state import ui

EVERY = 0.25
"""Seconds between two looks. A look costs nothing but the fragment itself."""


def show() -> None:
    """Watch while something runs; draw nothing otherwise."""
    if ui().running:
        _watch()


@st.fragment(run_every=EVERY)
def _watch() -> None:
    running = ui().running
    done = [key_id for key_id, future in running.items() if future.done()]
    for key_id in done:
        del running[key_id]
    if done:
        st.rerun()
