"""The form for what is allowed to all."""

from __future__ import annotations

import streamlit as st

from mohet_keys.rulebook import HIGHEST_LIMIT
from mohet_keys.rules import TeamRules
from mohet_keys.ui import team_actions
from mohet_keys.ui.state import fill, ui
from mohet_keys.ui.team_actions import ALL, field
from mohet_keys.ui.text import escape


def show(rules: TeamRules) -> None:
    """Draw the form, filled with the rules as they are."""
    state = ui().team
    if state.rules != rules:  # fields that are drawn for the first time take their value from here
        state.rules, state.turn, state.problems = rules, state.turn + 1, {}
    st.markdown("#### Rules for all")
    with st.form("team.rules", border=True):
        left, right = st.columns(2, gap="medium")
        with left:
            _where(rules)
        with right:
            _how_much(rules)
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.form_submit_button(
                "Save rules",
                type="primary",
                icon=":material/save:",
                key="team.save_rules",
                on_click=team_actions.save_rules,
                args=(rules,),
            )


def _where(rules: TeamRules) -> None:
    allowed = set(ALL.values()) if rules.providers is None else rules.providers
    st.pills(
        "Providers",
        list(ALL),
        selection_mode="multi",
        default=[label for label, slug in ALL.items() if slug in allowed],
        key=field("providers"),
        wrap=True,
    )
    _problem("providers")
    st.text_area(
        "Further hosts",
        value="\n".join(sorted(rules.hosts)),
        key=field("hosts"),
        placeholder="llm.example.com",
        height=110,
    )
    _problem("hosts")
    st.caption(
        "One a line, besides those of the providers themselves. A host on a private network, such "
        "as a server in your office, can be used only when it stands here."
    )
    st.checkbox("Allow no other hosts", value=rules.only_these_hosts, key=field("only"))


def _how_much(rules: TeamRules) -> None:
    _limit("Requests a month for each person", "person", rules.person_limit)
    _limit("Requests a month through each key", "key", rules.key_limit)
    st.caption(
        "A month begins on its first day at midnight UTC. People are told when four fifths are "
        "used, and when nothing is left."
    )
    st.checkbox(
        "Members may save keys of their own", value=rules.private_keys, key=field("private")
    )
    st.caption("Without it only administrators save keys, and share them.")


def _limit(label: str, name: str, present: int | None) -> None:
    fill(field(name), present)
    st.number_input(
        label,
        min_value=0,
        max_value=HIGHEST_LIMIT,
        value=None,
        step=1,
        key=field(name),
        placeholder="No limit",
    )


def _problem(name: str) -> None:
    """What was refused in a field, right below it."""
    words = ui().team.problems.get(name)
    if words:
        st.markdown(f":red[:material/error: {escape(words)}]")
