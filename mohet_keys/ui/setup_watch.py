"""Waits off to the side for the look around and for the test, and goes on when they are done."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import places, setup_actions
from mohet_keys.ui.state import redraw, ui

EVERY = 0.25
"""Seconds between two looks."""


def show() -> None:
    """Watch while something runs; draw nothing otherwise."""
    setup = ui().setup
    looking = setup.look is not None and not setup.look.done()
    if looking or setup.test is not None:
        _watch(looking=looking)


@st.fragment(run_every=EVERY)
def _watch(*, looking: bool) -> None:
    setup = ui().setup
    if setup.test is not None and setup.test.done():
        if setup_actions.settle(setup.test):
            st.switch_page(places.CHAT.file)
        redraw()
    if looking and setup.look is not None and setup.look.done():
        redraw()
