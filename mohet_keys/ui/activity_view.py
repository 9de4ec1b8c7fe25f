"""What happened to keys: filters, the table, turning its pages, and a file to take along."""

from __future__ import annotations

import streamlit as st

from mohet_keys import activity
from mohet_keys.activity import PAGE
from mohet_keys.ui import (
    activity_export,
    activity_filters,
    activity_table,
    marks,
    messages,
    places,
    resources,
)
from mohet_keys.ui.state import act, ui


def show() -> None:
    """Draw the page."""
    _lead()
    before = ui().activity.before
    wanted = activity_filters.wanted()
    found = resources.record().page(
        wanted, owner=resources.owner(), before=before[-1] if before else None
    )
    is_narrowed = activity_filters.is_narrowed()
    if not (found.entries or before or is_narrowed):
        _nothing_yet()
        return
    activity_filters.show()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        activity_filters.show_period()
        activity_export.show(wanted)
    messages.show()
    if found.entries:
        activity_table.show(found.entries)
    else:
        st.caption("Nothing that happened matches this.")
    _pages(found)


def _lead() -> None:
    """Lead to a key's tab. A page is switched by the script, never by a callback."""
    state = ui().activity
    slug, state.leads_to = state.leads_to, None
    if slug is not None:
        st.switch_page(places.API_KEYS.file, query_params={"provider": slug})


def _pages(found: activity.Page) -> None:
    before = ui().activity.before
    if found.is_last and not before:
        return
    first = len(before) * PAGE + 1
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.caption(f"{first:,} to {first + len(found.entries) - 1:,}", width="content")
        with st.container(horizontal=True, width="content", gap="xsmall"):
            st.button(
                "Newer",
                icon=":material/chevron_left:",
                key="activity.newer",
                on_click=_newer,
                disabled=not before,
            )
            st.button(
                "Older",
                icon=":material/chevron_right:",
                icon_position="right",
                key="activity.older",
                on_click=_older,
                args=(found.entries[-1].id if found.entries else 0,),
                disabled=found.is_last,
            )


@act
def _newer() -> None:
    before = ui().activity.before
    if before:
        before.pop()


@act
def _older(last: int) -> None:
    ui().activity.before.append(last)


def _nothing_yet() -> None:
    with st.container(border=True, horizontal_alignment="center", key="activity-empty"):
        st.space("small")
        st.markdown(marks.tile("activity"), width="content")
        st.markdown("#### Nothing happened yet", width="content")
        st.markdown(
            ":gray[Each time a key is added, changed or used, it is written down here]",
            text_alignment="center",
        )
        st.page_link(places.API_KEYS.file, label="Manage API Keys", icon=":material/settings:")
        st.space("small")
