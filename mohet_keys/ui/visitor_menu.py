"""The visitor's name at the end of the header, and the way out. Nothing in a local run."""

from __future__ import annotations

import streamlit as st

from mohet_keys.entrance import Mode
from mohet_keys.ui import resources, sign_in
from mohet_keys.ui.text import escape, literal

OPEN = "header.visitor"
SHOWN = 24
"""Letters of a name that the header has room for."""


def show() -> None:
    """Draw the name, and the menu once it is open."""
    if resources.entrance().mode is Mode.LOCAL:
        return
    person = resources.person()
    box = st.popover(
        escape(short(person.name)), icon=":material/account_circle:", key=OPEN, on_change="rerun"
    )
    if box.open:
        with box:
            st.markdown(f"{literal(person.name)}  \n:small[:gray[{escape(person.id)}]]")
            sign_in.sign_out()


def short(name: str) -> str:
    """A name as the header has room for."""
    return name if len(name) <= SHOWN else f"{name[: SHOWN - 1].rstrip()}…"
