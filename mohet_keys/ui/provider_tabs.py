"""One tab for each provider. The open one is in the address: `?provider=groq`."""

from __future__ import annotations

import streamlit as st

from mohet_keys.providers import BY_SLUG, PROVIDERS, Provider
from mohet_keys.ui import actions, heading, key_form, key_list, messages, places, resources
from mohet_keys.ui.state import peek, put, ui

_PARAMETER = "provider"
_WIDGET = "api_keys.tab"


def show() -> None:
    """Draw the tabs, and of them only the open one."""
    counts = resources.keys().counts(owner=resources.owner())
    labels = {row.slug: _label(row, counts.get(row.slug, 0)) for row in PROVIDERS}
    put(_WIDGET, labels[_open_slug()])
    tabs = st.tabs(list(labels.values()), key=_WIDGET, on_change=_opened)
    for row, tab in zip(PROVIDERS, tabs, strict=True):
        if tab.open:
            with tab:
                _panel(row, counts.get(row.slug, 0), first_key=not counts)


def _open_slug() -> str:
    slug = st.query_params.get(_PARAMETER, "")
    return slug if slug in BY_SLUG else PROVIDERS[0].slug


def _opened() -> None:
    """Another tab was opened: put it in the address, which the next run reads.

    A label has a count, so a browser may still name the open tab by its former one.
    """
    chosen = peek(_WIDGET)
    slug = next((row.slug for row in PROVIDERS if chosen.startswith(_title(row))), None)
    if slug is None or slug == _open_slug():
        return
    st.query_params[_PARAMETER] = slug
    state = ui()
    state.begin()
    state.close_forms()


def _title(row: Provider) -> str:
    return f"{row.icon} **{row.label}**"


def _label(row: Provider, count: int) -> str:
    return f"{_title(row)} :gray-badge[{count}]  \n:small[:gray[{row.tagline}]]"


def _panel(row: Provider, count: int, *, first_key: bool) -> None:
    with st.container(
        border=True,
        horizontal=True,
        vertical_alignment="center",
        horizontal_alignment="distribute",
        key=f"head-{row.slug}",
    ):
        heading.titled(
            row.slug,
            f"#### {row.label} Keys",
            f"Manage your {row.label} API keys and configurations",
        )
        st.button(
            "Add New Key",
            type="primary",
            icon=":material/add:",
            key=f"head.add:{row.slug}",
            on_click=actions.open_add,
            args=(row,),
        )
    messages.show()
    if first_key:
        st.page_link(
            places.SETUP.file,
            label="New here? Set up your first key, test it and start to chat",
            icon=":material/rocket_launch:",
        )
    if ui().adding == row.slug:
        key_form.show_add(row)
    key_list.show(row, count)
