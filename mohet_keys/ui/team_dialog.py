"""The question before something is changed about a person, which says what it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from mohet_keys.errors import MohetError
from mohet_keys.model import Person, Role
from mohet_keys.team import Member
from mohet_keys.ui import resources, team_actions, team_card
from mohet_keys.ui.state import ui
from mohet_keys.ui.text import escape, literal


def show() -> None:
    """Open the dialog when it was asked for."""
    asking = ui().team.asking
    if asking is None:
        return
    what, person_id = asking
    try:
        members = resources.team().members(owner=resources.owner())
    except MohetError:
        members = []
    found = next((each for each in members if each.person.id == person_id), None)
    if found is None:
        ui().team.asking = None
        return
    title = _title(what, found.person)
    drawn = st.dialog(title, icon=":material/group:", on_dismiss=team_actions.leave)
    drawn(_dialog)(what, found, members)


def _title(what: str, person: Person) -> str:
    if what == "role":
        return "Make member" if _administers(person) else "Make administrator"
    if what == "able":
        return "Enable" if person.disabled else "Disable"
    return "Hand keys over"


def _dialog(what: str, member: Member, members: Sequence[Member]) -> None:
    if ui().team.asking != (what, member.person.id):
        st.rerun()  # answered: a dialog's buttons run only the dialog again, so close it here
    st.markdown(f"{literal(member.person.name)}  \n:small[:gray[{escape(member.person.id)}]]")
    person, title = member.person, _title(what, member.person)
    if what == "role":
        st.markdown(_of_role(person))
        _answers(title, team_actions.change_role, person)
    elif what == "able":
        st.markdown(_of_ability(member))
        _answers(title, team_actions.change_able, person)
    else:
        _handing_over(member, members)


def _of_role(person: Person) -> str:
    if _administers(person):
        mine = " You will not see this page any more." if _is_me(person) else ""
        return f"A member uses team keys and manages only keys of their own.{mine}"
    return (
        "An administrator sees this page and everybody’s activity, changes roles and rules, and "
        "may edit and delete every team key. Nobody’s secrets are shown to them."
    )


def _of_ability(member: Member) -> str:
    if member.person.disabled:
        return "They can sign in again, as what they were, and find their keys as they left them."
    lines = ["They are put out of every tab within seconds, and cannot sign in until enabled."]
    if _is_me(member.person):
        lines.append(":red[**This is you.**]")
    if member.team_keys:
        lines.append("Keys they share stay with the team.")
    if member.private_keys:
        lines.append("Their private keys stay and are used by nobody until you hand them over.")
    return " ".join(lines)


def _handing_over(member: Member, members: Sequence[Member]) -> None:
    giver = member.person
    takers = {
        each.person.id: each.person
        for each in members
        if each.person.id != giver.id and not each.person.disabled
    }
    st.markdown(
        f"{escape(team_card.keys(member))}. Private ones stay private, team keys stay shared. The "
        "new owner can use them and replace their secrets, and cannot read those that others "
        "typed. Both are told."
    )
    st.selectbox(
        "New owner",
        list(takers),
        index=None,
        format_func=lambda each: f"{takers[each].name} · {each}",
        key=team_actions.TAKER,
        placeholder="Choose a person",
    )
    _answers("Hand over", team_actions.hand_over, giver, takers)


def _answers(words: str, step: Callable[..., None], *args: object) -> None:
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Cancel", key="team.cancel", on_click=team_actions.leave)
        st.button(words, type="primary", key="team.confirm", on_click=step, args=args)


def _administers(person: Person) -> bool:
    """By their role, whether or not they may come in just now."""
    return person.role is Role.ADMINISTRATOR


def _is_me(person: Person) -> bool:
    return person.id == resources.owner()
