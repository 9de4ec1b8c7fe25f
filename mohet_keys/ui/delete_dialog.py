"""The question before a key is deleted, with a red warning when it is in use."""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.model import KeyEntry
from mohet_keys.ui import actions, resources
from mohet_keys.ui.state import ui
from mohet_keys.ui.team_words import selected_by
from mohet_keys.ui.text import literal


def show() -> None:
    """Open the dialog when a delete was asked for."""
    asked = ui().deleting
    if asked is None:
        return
    try:
        entry = resources.keys().entry(asked, owner=resources.owner())
    except MohetError:
        ui().deleting = None  # deleted elsewhere in the meantime: nothing is left to ask
        return
    _dialog(entry)


@st.dialog("Delete API Key", icon=":material/warning:", on_dismiss=actions.keep)
def _dialog(entry: KeyEntry) -> None:
    if ui().deleting != entry.id:
        st.rerun()  # answered: a dialog's buttons run only the dialog again, so close it here
    _ask(entry)


def _ask(entry: KeyEntry) -> None:
    st.markdown(
        f'Are you sure you want to delete the API key "{literal(entry.name)}"? '
        "This action cannot be undone and will immediately revoke access."
    )
    if told := _loss(entry):
        st.markdown(f":red[**This is a key of the team.** {told}]")
    if entry.selected:
        st.markdown(
            ":red[**This is your currently selected key.** Deleting it stops the chat until "
            "another key is selected.]"
        )
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", key="delete.cancel", on_click=actions.keep)
        st.button(
            ":red[Delete Key]",
            icon=":material/delete:",
            key="delete.confirm",
            on_click=actions.delete,
            args=(entry.id,),
        )


def _loss(entry: KeyEntry) -> str:
    """What it means to others that the key goes; empty for one that nobody else uses."""
    if not entry.shared:
        return ""
    try:
        chosen = resources.keys().chosen_by(entry.id, owner=resources.owner())
    except MohetError:
        return ""  # gone or not theirs to delete any more: the button says so
    return selected_by(chosen) or "Nobody can use it any more."
