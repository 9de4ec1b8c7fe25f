"""The form for a new secret in the place of a key's card, and the way back on the card."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from mohet_keys.model import Diagnosis, KeyEntry
from mohet_keys.service import UNDO_FOR
from mohet_keys.ui import clock, replace_actions
from mohet_keys.ui.actions import field
from mohet_keys.ui.state import Replacing
from mohet_keys.ui.text import ago, code, escape, literal


def show(entry: KeyEntry, state: Replacing) -> None:
    """Draw the form, or how its test goes."""
    form, busy = replace_actions.form_of(entry.id), state.test is not None
    _heading(entry, form)
    with st.form(form, border=False):
        st.text_input(
            "API Key",
            type="password",
            key=field(form, "secret"),
            placeholder="Being tested" if busy else "The new secret",
            autocomplete="new-password",
            disabled=busy,
        )
        if state.problem:
            st.markdown(f":red[:material/error: {escape(state.problem)}]")
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.form_submit_button(
                "Testing…" if busy else "Test and replace",
                type="primary",
                icon="spinner" if busy else ":material/autorenew:",
                key=field(form, "start"),
                on_click=replace_actions.start,
                args=(entry.id,),
                disabled=busy,
            )
    if state.failed is not None:
        _failure(state.failed)


def _heading(entry: KeyEntry, form: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", wrap=False):
        st.markdown("#### Replace secret")
        # Outside of the form: the browser sends a form by the button that was drawn first, and
        # takes one that changed, as the one that tests does, for drawn last.
        st.button(
            "Cancel",
            icon=":material/close:",
            type="tertiary",
            key=field(form, "cancel"),
            on_click=replace_actions.cancel,
            args=(entry.id,),
        )
    present = f"the present one ({code(entry.hint)})" if entry.hint else "the present one"
    st.markdown(
        f"{literal(entry.name)}  \n:small[:material/public: {code(entry.endpoint)}]  \n"
        f":small[:gray[A new secret is tested there first. Until it proves good, {present} "
        "stays in use.]]"
    )


def _failure(said: Diagnosis) -> None:
    """Why the new secret was not taken, and what helps."""
    reason = escape(said.reason[:1].upper() + said.reason[1:])
    st.error(
        f"**{reason}.** {escape(said.explanation)} {escape(said.remedy)}  \n"
        "Nothing was replaced. Enter the new secret again to test it once more.",
        icon=":material/error:",
    )


def show_undo(entry: KeyEntry, until: datetime, here: clock.Here) -> None:
    """Say on a card that its secret was replaced, and offer the way back while there is one."""
    if not here.now < until <= here.now + UNDO_FOR:
        return  # its time is over, or the clock was put back: the service would refuse
    replaced = ago(until - UNDO_FOR, here.now)
    ends = until.astimezone(here.zone)
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        wrap=False,
        key=f"card.undo-{entry.id}",
    ):
        st.caption(
            f"Secret replaced {replaced}. The former one can be brought back until {ends:%H:%M}."
        )
        st.button(
            "Undo",
            icon=":material/undo:",
            key=f"card.undo:{entry.id}",
            on_click=replace_actions.undo,
            args=(entry,),
        )
