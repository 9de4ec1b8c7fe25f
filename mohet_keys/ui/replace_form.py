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
    st.markdown(f"#### Replace secret of {literal(entry.name)}")
    present = f"The present one, {code(entry.hint)}," if entry.hint else "The present one"
    st.caption(
        f"The new secret is tested at {code(entry.endpoint)}. {present} stays in use until the "
        "new one proves good."
    )
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
        _buttons(entry, form, busy=busy)
    if state.failed is not None:
        _failure(state.failed)


def _buttons(entry: KeyEntry, form: str, *, busy: bool) -> None:
    # The testing button comes first, so that the Enter key tests and does not cancel.
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
        st.form_submit_button(
            "Cancel",
            key=field(form, "cancel"),
            on_click=replace_actions.cancel,
            args=(entry.id,),
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
    if until <= here.now:
        return
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
