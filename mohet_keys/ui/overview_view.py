"""All keys at a glance: figures, what needs attention, the table, and charts below the fold."""

from __future__ import annotations

import streamlit as st

from mohet_keys.overview import Figures
from mohet_keys.ui import (
    check_all,
    heading,
    marks,
    messages,
    overview_attention,
    overview_charts,
    overview_drawer,
    overview_export,
    overview_figures,
    overview_filters,
    overview_table,
    places,
    resources,
)


def show() -> None:
    """Draw the page."""
    figures = resources.overview().figures(owner=resources.owner())
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        heading.titled("overview", "### Overview", "Every key at a glance")
        with st.container(horizontal=True, width="content", gap="small", key="overview-actions"):
            if figures.keys:
                _actions()
    # What comes and goes has a place of its own, so that nothing below it is drawn anew: a field
    # would lose what is being typed into it.
    with st.container(key="overview-said"):
        messages.show()
    with st.container(key="check-all"):
        check_all.show()
    if not figures.keys:
        _nothing_yet()
        return
    overview_figures.show(figures)
    with st.container(key="overview-attention"):
        overview_attention.show(figures)
    _keys(figures)
    overview_charts.show(figures.verdicts)
    overview_drawer.show()


def _actions() -> None:
    """What is done to all keys at once."""
    check_all.buttons()


def _keys(figures: Figures) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown("#### All keys", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            overview_filters.only_unused(figures.unused)
            overview_export.show(overview_filters.asked())
    overview_filters.show()
    overview_table.show(overview_filters.asked(), figures.verdicts)


def _nothing_yet() -> None:
    with st.container(border=True, horizontal_alignment="center", key="overview-empty"):
        st.space("small")
        st.markdown(marks.tile("key"), width="content")
        st.markdown("#### No API keys yet", width="content")
        st.markdown(
            ":gray[Save a first key, and see here whether it works and what is sent through it]",
            text_alignment="center",
        )
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.page_link(
                places.SETUP.file,
                label="Set up your first key",
                icon=":material/rocket_launch:",
            )
            st.page_link(places.API_KEYS.file, label="Manage API Keys", icon=":material/settings:")
        st.space("small")
