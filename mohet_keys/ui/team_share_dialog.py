"""The question before a key is shared with the team, or made private again."""

from __future__ import annotations

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.model import KeyEntry
from mohet_keys.ui import resources, team_share_actions
from mohet_keys.ui.state import ui
from mohet_keys.ui.team_words import selected_by
from mohet_keys.ui.text import escape, literal

SHARE, UNSHARE = "Share with the team", "Make private"


def show() -> None:
    """Open the dialog when it was asked for."""
    asked = ui().sharing
    if asked is None:
        return
    try:
        entry = resources.keys().entry(asked, owner=resources.owner())
    except MohetError:
        ui().sharing = None  # gone in the meantime: nothing is left to ask
        return
    drawn = st.dialog(
        UNSHARE if entry.shared else SHARE,
        icon=":material/person:" if entry.shared else ":material/group:",
        on_dismiss=team_share_actions.leave,
    )
    drawn(_dialog)(entry)


def _dialog(entry: KeyEntry) -> None:
    if ui().sharing != entry.id:
        st.rerun()  # answered: a dialog's buttons run only the dialog again, so close it here
    try:
        words = _unsharing(entry) if entry.shared else _sharing(entry)
    except MohetError:
        st.rerun()
    st.markdown(words)
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", key="share.cancel", on_click=team_share_actions.leave)
        st.button(
            UNSHARE if entry.shared else SHARE,
            type="primary",
            key="share.confirm",
            on_click=team_share_actions.unshare if entry.shared else team_share_actions.share,
            args=(entry,),
        )


def _sharing(entry: KeyEntry) -> str:
    return (
        f"Everybody who signs in here can chat through {literal(entry.name)}, at the expense of "
        "the account it belongs to.\n"
        "- Nobody can read the key itself.\n"
        "- You and administrators can edit, check, replace and delete it; others only use it.\n"
        "- Activity shows you who used it.\n"
        "- You can make it private again at any time."
    )


def _unsharing(entry: KeyEntry) -> str:
    chosen = resources.keys().chosen_by(entry.id, owner=resources.owner(), also_owner=False)
    whose = "you" if entry.mine else escape(entry.owner_name)
    lines = [f"Nobody but {whose} can use {literal(entry.name)} from then on."]
    if not entry.mine:
        lines.append("You do not see it any more either.")
    if told := selected_by(chosen):
        lines.append(f"\n\n:red[{told}] A reply that is coming in for them is broken off.")
    return " ".join(lines)
