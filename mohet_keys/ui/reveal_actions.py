"""What the dialog that shows a secret does. Of the secret itself nothing passes through here."""

from __future__ import annotations

from mohet_keys.errors import MohetError
from mohet_keys.model import KeyEntry
from mohet_keys.ui import resources
from mohet_keys.ui.state import Revealing, Said, act, ui
from mohet_keys.ui.text import escape


@act
def ask(entry: KeyEntry) -> None:
    """Open the dialog that asks before a secret is shown."""
    state = ui()
    state.deleting = None  # one dialog at a time
    state.revealing = Revealing(entry.id)


@act
def reveal(entry_id: str) -> None:
    """Have the secret shown; that is on record before the dialog can draw it."""
    state = ui()
    asked = state.revealing
    if asked is None or asked.key_id != entry_id or asked.until is not None:
        return
    try:
        asked.until = resources.keys().reveal(entry_id, owner=resources.owner())
    except MohetError as error:
        refuse(error)


@act
def hide() -> None:
    """Close the dialog."""
    ui().revealing = None


def refuse(error: MohetError) -> None:
    """Close the dialog and say why."""
    state = ui()
    state.revealing = None
    state.said.append(Said("error", escape(str(error))))
