"""Whether a message may be sent now, and the notice that says why not and what helps."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import KeyEntry, Verdict
from mohet_keys.providers import BY_SLUG
from mohet_keys.standing import may_send, standing
from mohet_keys.ui import actions, chat_actions, clock, places, resources
from mohet_keys.ui.chosen import Chosen
from mohet_keys.ui.state import ui
from mohet_keys.ui.team_words import who_may
from mohet_keys.ui.text import code, escape, literal

OFFERED = 3
"""Keys that work that a notice names."""
LOOKED_AT = 200
_WARNS = {Verdict.LIMITED, Verdict.UNREACHABLE}


def is_open(now: Chosen | None) -> bool:
    """Whether a message may be sent."""
    return now is not None and may_send(now.entry) and now.model.id is not None


def show(now: Chosen | None) -> None:
    """Draw the notice, if there is something to say."""
    if now is None:
        _nothing_selected()
    elif not may_send(now.entry):
        _blocked(now.entry)
    elif now.model.id is None:
        st.info(
            "No model of this key is known yet. Choose or type one above, or check the key.",
            icon=":material/info:",
        )
        _check(now.entry)
    else:
        _warn(now)


def _nothing_selected() -> None:
    st.info("No key is selected. Select one to start.", icon=":material/key:")
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_others(None)
        st.page_link(places.API_KEYS.file, label="Manage API Keys", icon=":material/settings:")


def _blocked(entry: KeyEntry) -> None:
    said = standing(entry, clock.zone())
    st.error(
        f"{literal(entry.name)} cannot be used: {escape(said.reason)}. "
        f"{escape(said.explanation)} {escape(said.remedy)}",
        icon=":material/block:",
    )
    with st.container(horizontal=True):
        _fix(entry)
        _check(entry)
        offer_others(entry)


def _warn(now: Chosen) -> None:
    entry = now.entry
    said = standing(entry, clock.zone())
    if now.model.gone:
        st.info(
            f"{code(now.model.gone)} is not offered any more, so {code(now.model.id or '')} is "
            "used. Choose another model above.",
            icon=":material/swap_horiz:",
        )
    if said.verdict not in _WARNS:
        return
    st.warning(
        f"{literal(entry.name)}: {escape(said.explanation)} {escape(said.remedy)}",
        icon=":material/warning:",
    )
    with st.container(horizontal=True):
        if said.link:
            st.link_button("Provider’s page", said.link, icon=":material/open_in_new:")
        _check(entry)


def _fix(entry: KeyEntry) -> None:
    """Lead to the key's form. A page is switched by the script, never by a callback."""
    if not entry.may_change:
        st.caption(who_may(entry))
        return
    if st.button("Fix this key", type="primary", key="gate.fix", icon=":material/build:"):
        actions.open_edit(entry)
        st.switch_page(places.API_KEYS.file, query_params={"provider": entry.provider})


def _check(entry: KeyEntry) -> None:
    if entry.locked or not entry.may_change:
        return
    checking = entry.id in ui().running
    st.button(
        "Checking…" if checking else "Try again",
        icon="spinner" if checking else ":material/refresh:",
        key="gate.check",
        on_click=actions.check,
        args=(entry.id,),
        disabled=checking,
    )


def offer_others(but: KeyEntry | None) -> None:
    """Draw other keys that work, each with one click."""
    for entry in _working(but):
        row = BY_SLUG.get(entry.provider)
        st.button(
            f"Use {literal(entry.name)} ({row.label if row else escape(entry.provider)})",
            key=f"gate.use:{entry.id}",
            on_click=chat_actions.use_key,
            args=(entry,),
        )


def _working(but: KeyEntry | None) -> list[KeyEntry]:
    found = resources.keys().list(owner=resources.owner(), sort="name", limit=LOOKED_AT).entries
    able = [
        entry
        for entry in found
        if may_send(entry) and standing(entry).verdict in {Verdict.VALID, Verdict.LIMITED}
    ]
    able.sort(key=lambda entry: standing(entry).verdict is not Verdict.VALID)
    return [entry for entry in able if but is None or entry.id != but.id][:OFFERED]
