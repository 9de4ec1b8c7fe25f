"""One person of the team: who they are, what they have and sent, and what can be done."""

from __future__ import annotations

import streamlit as st

from mohet_keys.model import Person, Role
from mohet_keys.team import Member
from mohet_keys.ui import clock, resources, team_actions
from mohet_keys.ui.state import TeamAsk
from mohet_keys.ui.text import ago, escape, literal


def show(member: Member) -> None:
    """Draw the card."""
    person = member.person
    st.markdown(f"{literal(person.name)} {_badges(person)}")
    st.markdown("  \n".join(f":small[{line}]" for line in _facts(member)))
    st.space("stretch")  # the buttons of all cards in a row stand in one line
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        administers = person.role is Role.ADMINISTRATOR
        _button(person, "role", "Make member" if administers else "Make administrator")
        _button(person, "able", "Enable" if person.disabled else "Disable")
        if member.private_keys or member.team_keys:
            _button(person, "hand_over", "Hand keys over")


def _badges(person: Person) -> str:
    badges = []
    if person.disabled:
        badges.append(":red-badge[:material/block: Disabled]")
    elif person.is_administrator:
        badges.append(":blue-badge[:material/shield_person: Administrator]")
    else:
        badges.append(":gray-badge[Member]")
    if person.id == resources.owner():
        badges.append(":green-badge[You]")
    return " ".join(badges)


def _facts(member: Member) -> list[str]:
    person, here = member.person, clock.Here()
    seen = ago(person.last_seen, here.now) if person.last_seen else "never"
    return [
        f":material/mail: {escape(person.id)}",
        f":material/schedule: Last seen {seen}",
        f":material/key: {keys(member)}",
        f":material/chat: {_use(member)}",
    ]


def keys(member: Member) -> str:
    """How many keys somebody has, as plain text."""
    parts = ((member.private_keys, "private key"), (member.team_keys, "team key"))
    told = [f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in parts if count]
    return ", ".join(told) or "No keys"


def _use(member: Member) -> str:
    use = member.use
    if not use.requests:
        return "No request this month"
    requests = f"{use.requests:,} request{'' if use.requests == 1 else 's'} this month"
    tokens = use.tokens_in + use.tokens_out
    return f"{requests}, {tokens:,} tokens" if tokens else requests


def _button(person: Person, what: TeamAsk, words: str) -> None:
    st.button(
        words,
        type="tertiary",
        key=f"team.{what}:{person.id}",
        on_click=team_actions.ask,
        args=(what, person.id),
    )
