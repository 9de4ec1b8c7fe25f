"""The Team page: people, and the rules for all. For anybody but administrators a plain sentence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mohet_keys.errors import DeniedError
from mohet_keys.team import Member
from mohet_keys.ui import filters, messages, resources, team_card, team_rules
from mohet_keys.ui.state import number, peek, put

PAGE = 12
"""People on a page."""
FIND = "team.find"
_PAGES = "team.page"


def show() -> None:
    """Draw the page."""
    team, owner = resources.team(), resources.owner()
    if not team.me(owner=owner).is_administrator:
        st.info("This page is for administrators.", icon=":material/info:")
        return
    try:
        members, rules = team.members(owner=owner), team.rules(owner=owner)
    except DeniedError as error:  # they were made a member just now
        st.info(str(error), icon=":material/info:")
        return
    messages.show()
    _people(members)
    if rules is not None:
        team_rules.show(rules)


def _people(members: Sequence[Member]) -> None:
    st.markdown(f"#### People :gray-badge[{len(members):,}]")
    if len(members) > PAGE:
        filters.search("Find a person", FIND, "Name or e-mail address", _found)
    sought = peek(FIND).strip().casefold()
    found = [
        each for each in members if sought in f"{each.person.name} {each.person.id}".casefold()
    ]
    if not found:
        st.caption("Nobody here matches this.")
    pages = max(1, -(-len(found) // PAGE))
    page = min(number(_PAGES, 1), pages)
    grid = st.grid(3, min_column_width=300, border=True, key="team-people")
    for member in found[(page - 1) * PAGE : page * PAGE]:
        with grid.container(gap="xsmall", height="stretch", key=f"person-{member.person.id}"):
            team_card.show(member)
    if pages > 1:
        put(_PAGES, page)
        with st.container(horizontal_alignment="right"):
            st.pagination(pages, key=_PAGES)


def _found() -> None:
    put(_PAGES, 1)
