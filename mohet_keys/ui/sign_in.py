"""What is seen by whoever is not let in: a way to sign in, or the reason why not."""

from __future__ import annotations

import streamlit as st

from mohet_keys.entrance import Mode
from mohet_keys.ui import marks, resources, visitor_actions
from mohet_keys.ui.text import escape

WIDTH = 320
"""Pixels."""


def show(note: str = "") -> None:
    """Draw the sign-in, with a word on why the last one is over."""
    entrance = resources.entrance()
    with _page(note or "Sign in to use your keys and those of your team."):
        for provider in entrance.providers:
            st.button(
                provider.label,
                key=f"sign-in:{provider.name}",
                icon=":material/login:",
                type="primary",
                width="stretch",
                on_click=st.login,
                args=(provider.name,),
            )
        if entrance.mode is Mode.HEADER:
            st.caption("Open this by the address at which you sign in.", text_alignment="center")


def turn_away(reason: str) -> None:
    """Say why somebody who is signed in may not come in."""
    with _page(f"{reason} Ask whoever runs this for access."):
        sign_out(width="stretch")


def sign_out(*, width: str = "content") -> None:
    """Draw the way out; nothing where only the proxy knows one."""
    entrance = resources.entrance()
    if entrance.mode is Mode.OIDC:
        st.button(
            "Sign out",
            key="visitor.sign_out",
            icon=":material/logout:",
            width=width,  # type: ignore[arg-type]
            on_click=visitor_actions.sign_out,
        )
    elif entrance.sign_out_url:
        st.link_button("Sign out", entrance.sign_out_url, icon=":material/logout:")


def _page(words: str) -> st.delta_generator.DeltaGenerator:
    st.space("large")
    with st.container(horizontal_alignment="center", key="sign-in"):
        st.markdown(marks.tile("key"), width="content")
        st.markdown("## Mohet Keys", width="content", anchors=False)
        st.markdown(escape(words), text_alignment="center", width=WIDTH)
        return st.container(width=WIDTH)
