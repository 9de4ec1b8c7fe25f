"""Notices when the selected key changes elsewhere, and draws the chat anew, without a reload."""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import StoreError
from mohet_keys.ui.chosen import Chosen, chosen

EVERY = 1.0
"""Seconds between two looks; each costs two small questions to the store."""


def show(now: Chosen | None) -> None:
    """Watch for a change of what is drawn."""
    _watch(now.mark if now else None)


@st.fragment(run_every=EVERY)
def _watch(drawn: tuple[object, ...] | None) -> None:
    try:
        now = chosen()
    except StoreError:
        return  # the next run of the page says it
    if (now.mark if now else None) != drawn:
        st.rerun()
