"""The list of all keys, to choose the one to chat with. Nothing of it is read until it opens."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import KeyEntry
from mohet_keys.providers import BY_SLUG
from mohet_keys.standing import standing
from mohet_keys.ui import chat_actions, places, resources
from mohet_keys.ui.chosen import Chosen
from mohet_keys.ui.team_words import whose
from mohet_keys.ui.text import code, escape, literal
from mohet_keys.ui.verdict_badge import BADGES, dot, mark

OPEN = "header.keys"
FIND = "header.find_key"
SHOWN = 6
"""Keys that stand in the list at once; all others are found by typing."""
MOST = 1000
"""Keys that typing looks through."""


def show(now: Chosen | None) -> None:
    """Draw the button, and the list once it is open."""
    box = st.popover(_label(now), key=OPEN, on_change="rerun")
    if box.open:
        with box:
            _list(now)


def _label(now: Chosen | None) -> str:
    if now is None:
        return "Select API Key"
    said = standing(now.entry)
    return f"{mark(said.verdict)} {literal(now.entry.name)}"


def _list(now: Chosen | None) -> None:
    st.markdown("**Select API Key**  \n:small[:gray[Choose your AI provider configuration]]")
    page = resources.keys().list(owner=resources.owner(), sort="name", limit=MOST)
    if page.total > SHOWN:
        _finder(page.entries)
    with st.container(gap=None):
        for entry in _first(page.entries, now):
            _button(entry, now)
    st.page_link(places.API_KEYS.file, label="Manage API Keys", icon=":material/settings:")


def _first(entries: tuple[KeyEntry, ...], now: Chosen | None) -> list[KeyEntry]:
    """The selected key, then others by name."""
    chosen_id = now.entry.id if now else None
    ordered = sorted(entries, key=lambda entry: entry.id != chosen_id)
    return ordered[:SHOWN]


def _finder(entries: tuple[KeyEntry, ...]) -> None:
    known = {entry.id: entry for entry in entries}
    st.selectbox(
        "Find a key",
        list(known),
        index=None,
        format_func=lambda key_id: _plain(known[key_id]),
        key=FIND,
        placeholder=f"Type to find one of {len(known)} keys",
        label_visibility="collapsed",
        filter_mode="contains",
        on_change=chat_actions.found_key,
        args=(known,),
    )


def _button(entry: KeyEntry, now: Chosen | None) -> None:
    said = standing(entry)
    hint = code(entry.hint) if entry.hint else ":gray[no key]"
    if entry.shared:
        hint = ""  # whose it is says more, and both do not fit on a phone
    told = (_provider(entry), BADGES[said.verdict][0], whose(entry))
    where = " · ".join(map(escape, filter(None, told)))
    st.button(
        f"{dot(said.verdict)} {literal(entry.name)} :small[:gray[{where}] {hint}]",
        key=f"header.use:{entry.id}",
        type="secondary" if now and now.entry.id == entry.id else "tertiary",
        on_click=chat_actions.use_key,
        args=(entry,),
    )


def _provider(entry: KeyEntry) -> str:
    row = BY_SLUG.get(entry.provider)
    return row.label if row else entry.provider


def _plain(entry: KeyEntry) -> str:
    """One line for a list that shows no Markdown."""
    words = BADGES[standing(entry).verdict][0]
    told = (entry.name, entry.hint, _provider(entry), words, whose(entry))
    return " · ".join(filter(None, told))
