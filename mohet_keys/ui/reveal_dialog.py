"""The dialog that shows a secret for some seconds, after asking.

The secret is opened where it is drawn and kept nowhere: the arguments of a dialog or a fragment
stay in the server's memory, so it is never one of them.
"""

from __future__ import annotations

import math
from datetime import datetime

import streamlit as st

from mohet_keys.errors import MohetError, RefusedError
from mohet_keys.model import KeyEntry
from mohet_keys.service import SHOWN_FOR
from mohet_keys.ui import clock, resources, reveal_actions
from mohet_keys.ui.state import redraw, ui
from mohet_keys.ui.text import literal

EVERY = 1.0
"""Seconds between two steps of the countdown."""


def show() -> None:
    """Open the dialog when a secret was asked for. It closes itself when the time is over."""
    state = ui()
    asked = state.revealing
    if asked is None or state.deleting is not None:
        return
    try:
        entry = resources.keys().entry(asked.key_id, owner=resources.owner())
    except MohetError:
        state.revealing = None  # deleted elsewhere in the meantime
        return
    _dialog(entry)


def _left(until: datetime) -> int:
    """Seconds that are left, begun ones counted; none when the clock was set back meanwhile."""
    left = math.ceil((until - clock.now()).total_seconds())
    return left if 0 < left <= SHOWN_FOR.total_seconds() else 0


@st.dialog("Reveal secret", icon=":material/visibility:", on_dismiss=reveal_actions.hide)
def _dialog(entry: KeyEntry) -> None:
    asked = ui().revealing
    if asked is None or asked.key_id != entry.id:
        st.rerun()  # a dialog's buttons run only the dialog again, so close it here
    if asked.until is None:
        _ask(entry)
    else:
        _shown(entry, asked.until)


def _ask(entry: KeyEntry) -> None:
    seconds = int(SHOWN_FOR.total_seconds())
    st.markdown(
        f"Show the secret of “{literal(entry.name)}”? It will be visible on this screen for "
        f"{seconds} seconds, and that it was shown is recorded."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", key="reveal.cancel", on_click=reveal_actions.hide)
        st.button(
            "Show",
            type="primary",
            icon=":material/visibility:",
            key="reveal.show",
            on_click=reveal_actions.reveal,
            args=(entry.id,),
        )


def _shown(entry: KeyEntry, until: datetime) -> None:
    st.markdown(f"The secret of “{literal(entry.name)}”:")
    try:
        st.code(
            resources.keys().revealed(entry.id, owner=resources.owner()),
            language=None,
            wrap_lines=True,
        )
    except RefusedError:
        ui().revealing = None  # the time is over
        st.rerun()
    except MohetError as error:
        reveal_actions.refuse(error)
        st.rerun()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        _countdown(until)
        st.button(
            "Hide now",
            icon=":material/visibility_off:",
            key="reveal.hide",
            on_click=reveal_actions.hide,
        )


@st.fragment(run_every=EVERY)
def _countdown(until: datetime) -> None:
    left = _left(until)
    if not left:
        ui().revealing = None
        redraw()
    st.caption(f"Hidden again in {left} {'second' if left == 1 else 'seconds'}.", width="content")
