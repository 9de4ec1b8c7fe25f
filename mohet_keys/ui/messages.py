"""What was said about the visitor's last action, and what is told of the selected key."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui.state import Said, act, ui

_DRAW = {"success": st.success, "info": st.info, "warning": st.warning, "error": st.error}
_WIDTH = 736
"""Pixels that a notice takes at most: as many as the chat."""


def show(*, pops_up: bool = False) -> None:
    """Draw the messages; they stay until the visitor does the next thing.

    The notice of a key that turned worse stands at the lower edge of the window: it is seen
    however far the page is scrolled, and covers no button. Where that edge is taken it `pops_up`.
    """
    state = ui()
    for said in state.said:
        _DRAW[said.tone](said.text)
    if state.turned and pops_up:
        st.toast(state.turned.text, icon=_icon(state.turned), duration="long")
        state.turned = None
    elif state.turned:
        _notice(state.turned)


def _notice(told: Said) -> None:
    with (
        st.bottom.container(horizontal_alignment="center"),
        st.container(
            width=_WIDTH, horizontal=True, vertical_alignment="center", wrap=False, key="notice"
        ),
    ):
        _DRAW[told.tone](told.text, icon=_icon(told))
        st.button("Close", type="tertiary", key="notice.close", on_click=_close)


def _icon(told: Said) -> str:
    return f":material/{told.tone}:"


@act
def _close() -> None:
    """End the notice, as every action does."""
