"""The cards of one provider: three across, twelve a page, with search, sort and paging."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import KeyEntry
from mohet_keys.providers import Provider
from mohet_keys.repository import Sort
from mohet_keys.ui import actions, clock, key_card, key_form, marks, replace_form, resources
from mohet_keys.ui.state import number, peek, put, ui

PAGE = 12
SORTS: dict[str, Sort] = {
    "Newest first": "newest",
    "Oldest first": "oldest",
    "By name": "name",
    "By status": "status",
}


def show(row: Provider, count: int) -> None:
    """Draw the keys of this provider, or an invitation when there are none."""
    if not count:
        _invite(row)
        return
    search, sort = _tools(row) if count > PAGE else ("", "newest")
    page = number(f"list.page:{row.slug}", 1)
    found = resources.keys().list(
        owner=resources.owner(),
        provider=row.slug,
        search=search,
        sort=sort,
        offset=(page - 1) * PAGE,
        limit=PAGE,
        in_all=count,
    )
    if not found.total:
        st.caption("No key here matches this search.")
    _cards(found.entries, row)
    if count > PAGE:
        _pages(row, found.total)


def _cards(entries: tuple[KeyEntry, ...], row: Provider) -> None:
    state, here = ui(), clock.Here()
    nexts = resources.next_looks(entries)
    grid = st.grid(3, min_column_width=300, border=True, key=f"cards-{row.slug}")
    for entry in entries:
        with grid.container(gap="xsmall", height="stretch", key=f"keycard-{entry.id}"):
            if entry.id in state.replacing and entry.may_change:
                replace_form.show(entry, state.replacing[entry.id])
            elif state.editing == entry.id and entry.may_change:
                key_form.show_edit(entry, row)
            else:
                key_card.show(entry, state, here, nexts.get(entry.id))


def _tools(row: Provider) -> tuple[str, Sort]:
    first = f"list.page:{row.slug}"
    search, sort = f"list.search:{row.slug}", f"list.sort:{row.slug}"
    left, right = st.columns([3, 1])
    left.text_input(
        "Search keys",
        key=search,
        type="search",
        placeholder="Search by name, endpoint or end of the key",
        label_visibility="collapsed",
        on_change=put,
        args=(first, 1),
    )
    right.selectbox(
        "Sort keys",
        list(SORTS),
        key=sort,
        label_visibility="collapsed",
        on_change=put,
        args=(first, 1),
    )
    return peek(search), SORTS.get(peek(sort), "newest")


def _pages(row: Provider, total: int) -> None:
    pages = max(1, -(-total // PAGE))
    widget = f"list.page:{row.slug}"
    if number(widget, 1) > pages:
        put(widget, pages)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.caption(f"{total} keys", width="content")
        st.pagination(pages, key=widget)


def _invite(row: Provider) -> None:
    with st.container(border=True, horizontal_alignment="center", key=f"empty-{row.slug}"):
        st.space("small")
        st.markdown(marks.tile("key"), width="content")
        st.markdown("#### No API keys yet", width="content")
        st.markdown(f":gray[Add your first {row.label} API key to get started]", width="content")
        st.button(
            "Add API Key",
            type="primary",
            icon=":material/add:",
            key=f"empty.add:{row.slug}",
            on_click=actions.open_add,
            args=(row,),
        )
        st.link_button(
            f"About keys in {row.label}" if row.is_local else f"Get a key from {row.label}",
            row.keys_url,
            type="tertiary",
            icon=":material/open_in_new:",
        )
        st.space("small")
