"""What of all that happened is looked at: the fields above the table."""

from __future__ import annotations

import streamlit as st

from mohet_keys import activity
from mohet_keys.activity import ACTIONS, PERIODS, RESULTS
from mohet_keys.journal import Wanted
from mohet_keys.providers import PROVIDERS
from mohet_keys.ui import clock, filters
from mohet_keys.ui.state import act, peek, ui

SEARCH = "activity.search"
ACTION = "activity.action"
PROVIDER = "activity.provider"
RESULT = "activity.result"
PERIOD = "activity.period"
ALWAYS = "All"

_PROVIDERS = {row.label: row.slug for row in PROVIDERS}


def show() -> None:
    """Draw what narrows the table, except the period."""
    grid = st.grid(4, min_column_width=150, key="activity-filters")
    with grid.cell():
        filters.search("Search activity", SEARCH, "Name, host or person", narrow)
    for label, widget, words in (
        ("Action", ACTION, list(ACTIONS.values())),
        ("Provider", PROVIDER, list(_PROVIDERS)),
        ("Result", RESULT, list(RESULTS.values())),
    ):
        with grid.cell():
            filters.choice(label, widget, words, narrow)


def show_period() -> None:
    """Draw the choice of the period."""
    st.segmented_control(
        "Period",
        list(PERIODS),
        default=ALWAYS,
        required=True,
        key=PERIOD,
        label_visibility="collapsed",
        on_change=narrow,
    )


@act
def narrow() -> None:
    """Something else is asked for: begin at its first page."""
    ui().activity.before.clear()
    ui().ready = None


def wanted() -> Wanted:
    """What is asked for now, of what the visitor may see."""
    action = _word(ACTIONS, peek(ACTION)) or ""
    return Wanted(
        action=action,
        but=() if action else activity.QUIET,
        provider=_PROVIDERS.get(peek(PROVIDER), ""),
        result=_word(RESULTS, peek(RESULT)),
        search=peek(SEARCH),
        since=activity.since(peek(PERIOD, ALWAYS), clock.now()),
    )


def is_narrowed() -> bool:
    """Whether anything is left out of what there is."""
    return any(map(peek, (SEARCH, ACTION, PROVIDER, RESULT))) or peek(PERIOD, ALWAYS) != ALWAYS


def _word(table: dict[str, str], said: str) -> str | None:
    return next((word for word, words in table.items() if words == said), None)
