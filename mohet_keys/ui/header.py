"""The top of every page: the mark and name, the key switcher, the model picker, the visitor."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import (
    change_watch,
    key_switcher,
    model_picker,
    places,
    resources,
    team_notices,
    visitor_menu,
)
from mohet_keys.ui.chosen import chosen


def show() -> None:
    """Draw the header."""
    now = chosen()
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="header",
    ):
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", width="content"
        ):
            st.markdown(":material/waves: **Mohet**", width="content")
            for place in _menu():
                st.page_link(place.file, label=place.title)
        with st.container(
            horizontal=True,
            horizontal_alignment="right",
            vertical_alignment="center",
            gap="xsmall",
            width="content",
        ):
            key_switcher.show(now)
            model_picker.show(now)
            visitor_menu.show()
    team_notices.show()
    change_watch.show(now)


def _menu() -> tuple[places.Place, ...]:
    """Where the header leads this visitor."""
    return (*places.IN_MENU, places.TEAM) if resources.administers() else places.IN_MENU
