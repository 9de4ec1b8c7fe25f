"""The keys that need something to be done, the worst first, each with the one next step."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import Diagnosis, Verdict
from mohet_keys.overview import Concern, Figures
from mohet_keys.standing import standing, vendor_label
from mohet_keys.ui import clock, overview_actions, overview_filters, resources, team_words
from mohet_keys.ui.state import number, put, ticked, ui
from mohet_keys.ui.text import escape, literal
from mohet_keys.ui.verdict_badge import badge, colour

FIRST = 6
"""Keys that stand there at once."""
PAGE = 12
"""Keys on a page of all of them."""
_PAGES = "overview.concerns"


def show(figures: Figures) -> None:
    """Draw the cards; a sentence when there are none."""
    if resources.keys().locked:
        st.caption("Every key is locked; the way back stands above.")
    elif figures.attention:
        _concerns(figures)
    elif figures.unchecked < figures.keys:
        st.success("No key needs attention.", icon=":material/check_circle:")
    if figures.unused:
        _unused(figures.unused)


def _concerns(figures: Figures) -> None:
    everything = ui().overview.all_concerns
    _head(figures.attention, everything=everything)
    limit = PAGE if everything else FIRST
    offset = (number(_PAGES, 1) - 1) * PAGE if everything else 0
    concerns = resources.overview().concerns(
        figures.verdicts, owner=resources.owner(), offset=offset, limit=limit
    )
    grid = st.grid(3, min_column_width=300, border=True, key="overview-concerns")
    for concern in concerns:
        with grid.container(gap="xsmall", height="stretch", key=f"concern-{concern.entry.id}"):
            _card(concern)
    if everything:
        _pages(figures.attention)


def _unused(count: int) -> None:
    """A reminder and no alarm: a line for all of them, and the way to see which."""
    days = resources.rules().unused_days
    whose = "1 key was" if count == 1 else f"{count:,} keys were"
    with st.container(horizontal=True, vertical_alignment="center", key="overview-unused"):
        st.markdown(
            f":small[:gray[:material/notifications: {whose} not used for {days:,} "
            f"{'day' if days == 1 else 'days'} or more.]]",
            width="content",
        )
        if not ticked(overview_filters.UNUSED):
            st.button(
                "Show in the table",
                type="tertiary",
                key="overview.show_unused",
                on_click=overview_filters.show_unused,
            )


def _head(count: int, *, everything: bool) -> None:
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"#### Needs attention :gray-badge[{count:,}]", width="content")
        if count > FIRST:
            st.button(
                "Show fewer" if everything else f"Show all {count:,}",
                type="tertiary",
                key="overview.concerns_all",
                on_click=overview_actions.show_concerns,
                args=(not everything,),
            )


def _pages(count: int) -> None:
    pages = -(-count // PAGE)
    if number(_PAGES, 1) > pages:
        put(_PAGES, pages)
    if pages > 1:
        with st.container(horizontal_alignment="right"):
            st.pagination(pages, key=_PAGES)


def _card(concern: Concern) -> None:
    entry = concern.entry
    said = standing(entry, clock.zone())
    st.markdown(
        f"{literal(entry.name)} {badge(said.verdict)}  \n"
        f":small[:gray[{escape(vendor_label(entry.provider))}]]"
    )
    tint, why, remedy = _words(concern, said)
    st.markdown(
        f":small[:{tint}[{why}]]  \n:small[:material/arrow_forward: {remedy}]"
        if remedy
        else f":small[:{tint}[{why}]]"
    )
    if not entry.may_change:
        st.caption(team_words.who_may(entry))
        return
    st.space("stretch")  # the buttons of all cards in a row stand in one line
    with st.container(horizontal=True, horizontal_alignment="right"):
        _step(concern, said)


def _words(concern: Concern, said: Diagnosis) -> tuple[str, str, str]:
    """Colour, reason and remedy as Markdown."""
    if concern.why == "verdict":
        reason = escape(said.reason[:1].upper() + said.reason[1:])
        why = f"**{reason}.** {escape(said.explanation)}"
        return colour(said.verdict), why, escape(said.remedy)
    found = resources.overview().reminders(concern.entry)
    told = next((each for each in found if each.kind == concern.why), None)
    if told is None:  # changed a moment ago
        return "gray", "Changed a moment ago\\.", ""
    return "orange", f"**{escape(told.words)}**", escape(told.remedy)


def _step(concern: Concern, said: Diagnosis) -> None:
    """The one button that does what comes next."""
    entry = concern.entry
    if concern.why != "verdict":
        if st.button("Replace secret", icon=":material/key:", key=f"concern.replace:{entry.id}"):
            overview_actions.lead_to_replace(entry)
    elif said.verdict in {Verdict.INVALID, Verdict.MISCONFIGURED, Verdict.LOCKED}:
        if st.button("Fix this key", icon=":material/build:", key=f"concern.fix:{entry.id}"):
            overview_actions.lead_to_form(entry, said.endpoint)
    elif said.verdict is Verdict.LIMITED and said.link:
        st.link_button("Open provider’s page", said.link, icon=":material/open_in_new:")
    else:
        overview_actions.check_button(entry, "concern.check", "Check again")
