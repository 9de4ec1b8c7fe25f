"""Headings: the top of a page, and the mark with a title and a line under it."""

from __future__ import annotations

import streamlit as st

from mohet_keys.providers import PROVIDERS
from mohet_keys.ui import marks
from mohet_keys.ui.places import Place

AVAILABLE = f"{len(PROVIDERS)} providers available"


def show(title: str, subtitle: str, *, aside: str = "", leads_to: Place | None = None) -> None:
    """Draw the top of the page, with a word aside and a way to a page that belongs to it."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        titled("key", f"### {title}", subtitle)
        with st.container(
            horizontal=True, vertical_alignment="center", gap="small", width="content"
        ):
            if aside:
                st.caption(aside, width="content")
            if leads_to:
                st.page_link(leads_to.file, label=leads_to.title, icon=":material/swap_vert:")


def titled(glyph: str, title: str, subtitle: str) -> None:
    """Draw a mark and beside it a title (Markdown) over a smaller line."""
    row = st.container(horizontal=True, vertical_alignment="center", width="content", wrap=False)
    with row:
        st.markdown(marks.tile(glyph), width="content")
        # By its content alone it would not break in a narrow window, and be cut off.
        with st.container(gap=None, width="stretch"):
            st.markdown(title)
            st.caption(subtitle)
