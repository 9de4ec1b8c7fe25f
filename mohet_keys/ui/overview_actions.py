"""What the Overview's buttons do, and where they lead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import streamlit as st

from mohet_keys.model import KeyEntry
from mohet_keys.ui import actions, key_list, places, replace_actions, resources
from mohet_keys.ui.state import act, marked, put, ui


@act
def show_concerns(everything: bool) -> None:
    """List all keys that need attention, or only the first."""
    ui().overview.all_concerns = everything
    put("overview.concerns", 1)


def table(turn: int) -> str:
    """The widget of the table in this turn: in each it is another one, with no row marked."""
    return f"overview-table-{turn}"


def open_drawer(turn: int, key_ids: Sequence[str]) -> None:
    """Open the drawer of the row that was marked: the table may have other rows by now.

    The mark of an earlier turn opens nothing. A browser that has not seen yet that a drawer was
    closed sends the mark of its row along with the next click.
    """
    state = ui().overview
    if turn != state.turn:
        return
    row = marked(table(turn))
    state.open = key_ids[row] if row is not None and row < len(key_ids) else None


def close_drawer() -> None:
    """Close the drawer; its row is marked no more."""
    state = ui().overview
    state.open = None
    state.turn += 1


# --- to the key's own page: it is switched by the script, never by a callback ---------------------


def lead_to_form(entry: KeyEntry, endpoint: str | None = None) -> NoReturn:
    """Lead to the key's form, with the address that answered where one did."""
    actions.open_edit(entry, endpoint)
    _lead(entry)


def lead_to_replace(entry: KeyEntry) -> NoReturn:
    """Lead to the form for a new secret."""
    replace_actions.open_form(entry)
    _lead(entry)


def _lead(entry: KeyEntry) -> NoReturn:
    close_drawer()
    count = resources.keys().counts(owner=resources.owner()).get(entry.provider, 0)
    if count > key_list.PAGE:  # its card may stand on another page of the list
        put(f"list.search:{entry.provider}", entry.name)
        put(f"list.page:{entry.provider}", 1)
    st.switch_page(places.API_KEYS.file, query_params={"provider": entry.provider})
    raise AssertionError("a page that is switched draws no more")


def check_button(entry: KeyEntry, place: str, words: str) -> None:
    """Draw the button that asks the provider now, for whoever may."""
    if not entry.may_change:
        return
    checking = entry.id in ui().running
    st.button(
        "Checking…" if checking else words,
        icon="spinner" if checking else ":material/refresh:",
        key=f"{place}:{entry.id}",
        on_click=actions.check,
        args=(entry.id,),
        disabled=checking or bool(entry.locked or entry.looks_like),
    )
