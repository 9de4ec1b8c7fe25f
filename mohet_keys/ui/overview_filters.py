"""Which of all keys the table shows, and in what order: the fields above it."""

from __future__ import annotations

import streamlit as st

from mohet_keys.overview import Asked
from mohet_keys.providers import PROVIDERS
from mohet_keys.repository import Sort
from mohet_keys.standing import WORDS
from mohet_keys.ui import filters, resources
from mohet_keys.ui.state import act, peek, put, ticked, ui

SEARCH = "overview.search"
PROVIDER = "overview.provider"
VERDICT = "overview.verdict"
SORT = "overview.sort"
UNUSED = "overview.unused"
PAGES = "overview.page"

SORTS: dict[str, Sort] = {
    "Worst first": "status",
    "By name": "name",
    "Newest first": "newest",
    "Oldest first": "oldest",
}
_PROVIDERS = {row.label: row.slug for row in PROVIDERS}
_VERDICTS = {words: verdict for verdict, words in WORDS.items()}


def show() -> None:
    """Draw the fields."""
    grid = st.grid(4, min_column_width=150, key="overview-filters")
    with grid.cell():
        filters.search("Search keys", SEARCH, "Name or endpoint", narrow)
    for label, widget, words in (
        ("Provider", PROVIDER, list(_PROVIDERS)),
        ("Verdict", VERDICT, list(_VERDICTS)),
    ):
        with grid.cell():
            filters.choice(label, widget, words, narrow)
    with grid.cell():
        st.selectbox(
            "Sort keys",
            list(SORTS),
            key=SORT,
            label_visibility="collapsed",
            on_change=narrow,
        )


def only_unused(unused: int) -> None:
    """Draw the switch that leaves the keys nobody uses, while there are some."""
    if unused or ticked(UNUSED):
        days = resources.rules().unused_days
        st.toggle(
            f"Only keys not used for {days:,} {'day' if days == 1 else 'days'} or more",
            key=UNUSED,
            on_change=narrow,
        )


def show_unused() -> None:
    """Show only the keys that nobody uses."""
    put(UNUSED, True)
    narrow()


@act
def narrow() -> None:
    """Something else is asked for: begin at its first page, with no row marked."""
    put(PAGES, 1)
    state = ui()
    state.ready = None
    state.overview.turn += 1


def asked() -> Asked:
    """What is asked for now."""
    return Asked(
        provider=_PROVIDERS.get(peek(PROVIDER)),
        verdict=_VERDICTS.get(peek(VERDICT)),
        search=peek(SEARCH).strip(),
        sort=SORTS.get(peek(SORT), "status"),
        unused_since=resources.overview().unused_since if ticked(UNUSED) else None,
    )
