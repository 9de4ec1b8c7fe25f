"""What of all that happened is looked at: the fields above the table."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from mohet_keys import activity
from mohet_keys.activity import ACTIONS, PERIODS, RESULTS
from mohet_keys.errors import DeniedError
from mohet_keys.journal import Wanted
from mohet_keys.providers import PROVIDERS
from mohet_keys.ui import clock, filters, resources
from mohet_keys.ui.state import act, peek, ui

SEARCH = "activity.search"
ACTION = "activity.action"
PROVIDER = "activity.provider"
RESULT = "activity.result"
PERSON = "activity.person"
PERIOD = "activity.period"
ALWAYS = "All"

_PROVIDERS = {row.label: row.slug for row in PROVIDERS}


def show() -> None:
    """Draw what narrows the table, except the period."""
    people = list(_people())
    grid = st.grid(5 if people else 4, min_column_width=150, key="activity-filters")
    with grid.cell():
        filters.search("Search activity", SEARCH, "Name, host or person", narrow)
    for label, widget, words in (
        ("Action", ACTION, list(ACTIONS.values())),
        ("Provider", PROVIDER, list(_PROVIDERS)),
        ("Result", RESULT, list(RESULTS.values())),
    ):
        with grid.cell():
            filters.choice(label, widget, words, narrow)
    if people:
        with grid.cell():
            filters.choice("Person", PERSON, people, narrow)


def _people() -> dict[str, str]:
    """The ids of those whose doings the visitor may see, by what they are called: everybody's for
    administrators of a team, who get a choice; nobody else does."""
    if not resources.administers():
        return {}
    try:
        members = resources.team().members(owner=resources.owner())
    except DeniedError:
        return {}  # they were made a member just now
    names = Counter(member.person.name for member in members)
    return {
        f"{person.name} ({person.id})" if names[person.name] > 1 else person.name: person.id
        for person in (member.person for member in members)
    }


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
    person = peek(PERSON)
    return Wanted(
        involving=_people().get(person) if person else None,
        action=action,
        but=() if action else activity.QUIET,
        provider=_PROVIDERS.get(peek(PROVIDER), ""),
        result=_word(RESULTS, peek(RESULT)),
        search=peek(SEARCH),
        since=activity.since(peek(PERIOD, ALWAYS), clock.now()),
    )


def is_narrowed() -> bool:
    """Whether anything is left out of what there is."""
    return (
        any(map(peek, (SEARCH, ACTION, PROVIDER, RESULT, PERSON))) or peek(PERIOD, ALWAYS) != ALWAYS
    )


def _word(table: dict[str, str], said: str) -> str | None:
    return next((word for word, words in table.items() if words == said), None)
