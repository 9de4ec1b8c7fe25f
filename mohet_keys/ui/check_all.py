"""All keys at once: checked, with how far that is, and cleared of those that were rejected."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import check_all_actions, check_all_watch, remove_invalid
from mohet_keys.ui.state import ui


def buttons() -> None:
    """Draw the two buttons beside each other; `show` has what comes of them."""
    state = ui().every
    state.watched = state.run is not None and not state.run.is_over
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.button(
            "Check all",
            type="primary",
            icon=":material/sync:",
            key="check-all.start",
            disabled=state.watched,
            on_click=check_all_actions.start,
            help="Asks the provider of each key, with requests that spend nothing",
        )
        remove_invalid.button()


def show() -> None:
    """Draw how far a check of all keys is, in full width, and the dialog before a delete."""
    check_all_watch.show()
    remove_invalid.show()
