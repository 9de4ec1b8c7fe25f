"""The question before rejected keys are deleted, which lists exactly those."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from mohet_keys.model import KeyEntry
from mohet_keys.standing import standing, vendor_label
from mohet_keys.ui import check_all_actions, clock, resources
from mohet_keys.ui.state import ui
from mohet_keys.ui.text import brief, code, escape, literal

_HIGH = 10
"""Keys that are listed without scrolling."""


def button() -> None:
    """Draw the button, which is of use while some key is rejected."""
    found = resources.keys().rejected(owner=resources.owner(), limit=1)
    st.button(
        "Remove invalid",
        icon=":material/delete_sweep:",
        key="remove-invalid.ask",
        disabled=not found,
        on_click=check_all_actions.ask_remove,
        help="Lists the keys that their providers rejected, and asks before it deletes them"
        if found
        else "No key is rejected by its provider",
    )


def show() -> None:
    """Open the dialog when it was asked for."""
    if ui().every.removing:
        _dialog(ui().every.removing)


@st.dialog(
    "Remove invalid keys",
    width="medium",
    icon=":material/warning:",
    on_dismiss=check_all_actions.keep,
)
def _dialog(entries: tuple[KeyEntry, ...]) -> None:
    if ui().every.removing != entries:
        st.rerun()  # answered: a dialog's buttons run only the dialog again, so close it here
    _ask(entries)


def _ask(entries: tuple[KeyEntry, ...]) -> None:
    one = len(entries) == 1
    st.markdown(
        f"{'This key was' if one else f'These {len(entries)} keys were'} rejected by "
        f"{'its provider' if one else 'their providers'}. Deleting cannot be undone."
    )
    with st.container(
        height=340 if len(entries) > _HIGH else "content", border=True, key="remove-invalid.list"
    ):
        now, zone = clock.now(), clock.zone()
        st.markdown("\n".join(_line(entry, now, zone) for entry in entries))
    if ui().every.more:
        st.caption("There are more. They can be removed after these.")
    if any(entry.selected for entry in entries):
        st.markdown(
            ":red[**Your currently selected key is among them.** Deleting it stops the chat until "
            "another key is selected.]"
        )
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", key="remove-invalid.cancel", on_click=check_all_actions.keep)
        st.button(
            f":red[Delete {'1 key' if one else f'{len(entries)} keys'}]",
            icon=":material/delete:",
            key="remove-invalid.confirm",
            on_click=check_all_actions.remove,
        )


def _line(entry: KeyEntry, now: datetime, zone: ZoneInfo) -> str:
    """Name, provider, hint, reason and when it was rejected."""
    parts = [literal(entry.name), escape(vendor_label(entry.provider))]
    parts += [code(entry.hint)] if entry.hint else []
    parts += [f":red[{escape(standing(entry).reason)}]"]
    if entry.check is not None:
        parts.append(f":gray[rejected {brief(entry.check.checked_at, now, zone)}]")
    return f"- {' · '.join(parts)}"
