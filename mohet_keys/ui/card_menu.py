"""What can be done to a key besides checking it: in the card's menu, and as buttons below its form.

The menu does not always let the keyboard in, so nothing is to be had there alone.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from mohet_keys.model import LOCAL_OWNER, KeyEntry, Verdict
from mohet_keys.standing import standing
from mohet_keys.ui import actions, replace_actions, resources, reveal_actions, team_share_actions
from mohet_keys.ui.state import peek
from mohet_keys.ui.team_share_dialog import SHARE, UNSHARE

EDIT, REPLACE, USE, REVEAL, DELETE = "Edit", "Replace secret", "Use in chat", "Reveal", "Delete"

_STEPS: dict[str, tuple[str, Callable[..., None]]] = {
    EDIT: (":material/edit:", actions.open_edit),
    REPLACE: (":material/autorenew:", replace_actions.open_form),
    USE: (":material/chat:", actions.use_in_chat),
    REVEAL: (":material/visibility:", reveal_actions.ask),
    SHARE: (":material/group:", team_share_actions.ask),
    UNSHARE: (":material/person:", team_share_actions.ask),
    DELETE: (":material/delete:", actions.ask_delete),
}


def offered(entry: KeyEntry) -> list[str]:
    """The names of what can be done to this key now, in their order."""
    if not entry.may_change:
        return [USE]
    opens = entry.has_secret and standing(entry).verdict is not Verdict.LOCKED
    there = {
        EDIT: True,
        REPLACE: opens,
        USE: True,
        REVEAL: opens and entry.mine and resources.settings().allow_reveal,
        SHARE: entry.owner != LOCAL_OWNER and not entry.shared,
        UNSHARE: entry.shared,
        DELETE: True,
    }
    return [name for name, is_there in there.items() if is_there]


def show(entry: KeyEntry) -> None:
    """Draw the menu of a card."""
    menu = f"card.menu:{entry.id}"
    st.menu_button(
        "Actions",  # in words: a picture's address would be read aloud as the menu's name
        offered(entry),
        type="tertiary",
        key=menu,
        on_click=_choose,
        args=(entry, menu),
    )


def _choose(entry: KeyEntry, widget: str) -> None:
    """Do what was chosen. A choice that is not offered does nothing, whoever sent it."""
    choice = peek(widget)
    if choice in offered(entry):
        _STEPS[choice][1](entry)


def buttons(entry: KeyEntry, form: str) -> None:
    """Draw the rest of the menu as buttons below the edit form."""
    names = [name for name in offered(entry) if name != EDIT]
    with st.container(horizontal=True, gap="xsmall"):
        for name in names:
            icon, step = _STEPS[name]
            st.button(
                name,
                icon=icon,
                type="tertiary",
                key=actions.field(form, name.split()[0].lower()),
                on_click=step,
                args=(entry,),
            )
