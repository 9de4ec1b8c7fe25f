"""Headings: the top of a page, and the mark with a title and a line under it."""

from __future__ import annotations

import streamlit as st

from mohet_keys.providers import PROVIDERS
from mohet_keys.ui import marks


def show(title: str, subtitle: str) -> None:
    """Draw the top of the page."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        titled("key", f"### {title}", subtitle)
        st.caption(f"{len(PROVIDERS)} providers available", width="content")


def titled(glyph: str, title: str, subtitle: str) -> None:
    """Draw a mark and beside it a title (Markdown) over a smaller line."""
    row = st.container(horizontal=True, vertical_alignment="center", width="content", wrap=False)
    with row:
        st.markdown(marks.tile(glyph), width="content")
        with st.container(gap=None, width="content"):
            st.markdown(title)
            st.caption(subtitle)
