"""The models of the selected key: the recommended one marked, the others found by typing."""

from __future__ import annotations

import streamlit as st

from mohet_keys.ui import chat_actions
from mohet_keys.ui.chosen import Chosen
from mohet_keys.ui.text import escape

OPEN = "header.models"
FIND = "header.find_model"
SHOWN = 6
"""Models that stand in the list at once."""


def show(now: Chosen | None) -> None:
    """Draw the button, and the list once it is open."""
    if now is None:
        return
    label = escape(now.model.id) if now.model.id else "Select AI Model"
    box = st.popover(label, key=OPEN, on_change="rerun")
    if box.open:
        with box:
            _list(now)


def _list(now: Chosen) -> None:
    st.markdown("**Select AI Model**  \n:small[:gray[Choose the best model for your task]]")
    check = now.entry.check
    models = list(check.models) if check else []
    best = check.recommended_model if check else None
    _finder(now, models)
    with st.container(gap=None):
        for model in _first(models, best, now.model.id):
            mark = " :blue-badge[Recommended]" if model == best else ""
            st.button(
                f"{escape(model)}{mark}",
                key=f"header.model:{model}",
                type="secondary" if model == now.model.id else "tertiary",
                icon=":material/bolt:",
                on_click=chat_actions.use_model,
                args=(now.entry.id, model),
            )
    if not models:
        st.caption(
            "Which models this key has shows when it was checked. Any id can be typed above."
        )


def _first(models: list[str], best: str | None, used: str | None) -> list[str]:
    """The one in use and the recommended one, then the others as they are listed."""
    wanted = [model for model in (used, best, *models) if model]
    return list(dict.fromkeys(wanted))[:SHOWN]


def _finder(now: Chosen, models: list[str]) -> None:
    st.selectbox(
        "Find a model",
        models,
        index=None,
        key=FIND,
        placeholder="Type to search, or enter any model id",
        label_visibility="collapsed",
        filter_mode="contains",
        accept_new_options=True,
        on_change=chat_actions.found_model,
        args=(now.entry.id,),
    )
