"""Waits off to the side for tests of new secrets, and redraws the page when one is over."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import replace_actions
from mohet_keys.ui.state import redraw, ui

EVERY = 0.25
"""Seconds between two looks."""


def show() -> None:
    """Watch while something is tested; draw nothing otherwise."""
    if any(form.test for form in ui().replacing.values()):
        _watch()


@st.fragment(run_every=EVERY)
def _watch() -> None:
    tests = {key_id: form.test for key_id, form in ui().replacing.items()}
    over = {key_id: test for key_id, test in tests.items() if test is not None and test.done()}
    for key_id, test in over.items():
        replace_actions.settle(key_id, test)
    if over:
        redraw()
