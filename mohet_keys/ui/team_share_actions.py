"""What the buttons do that share a key with the team, or take it back."""

from __future__ import annotations

from mohet_keys.model import KeyEntry
from mohet_keys.removing import Gone
from mohet_keys.ui import actions, resources
from mohet_keys.ui.state import Said, act, answers, ui
from mohet_keys.ui.team_words import had_selected
from mohet_keys.ui.text import literal


@act
def ask(entry: KeyEntry) -> None:
    """Open the dialog that says what it means."""
    ui().sharing = entry.id


@answers(lambda state: state.sharing)
def leave() -> None:
    """Close the dialog and leave the key where it is."""
    ui().sharing = None


@answers(lambda state: state.sharing)
def share(entry: KeyEntry) -> None:
    """Share the key that the dialog showed."""
    ui().sharing = None
    done = actions.attempt(
        lambda: resources.keys().share(entry.id, owner=resources.owner(), version=entry.version)
    )
    if isinstance(done, KeyEntry):
        _close_form(entry)
        ui().said.append(Said("success", f"{literal(done.name)} is the team’s to use now."))


@answers(lambda state: state.sharing)
def unshare(entry: KeyEntry) -> None:
    """Make the key private that the dialog showed."""
    ui().sharing = None
    gone = actions.attempt(
        lambda: resources.keys().unshare(entry.id, owner=resources.owner(), version=entry.version)
    )
    if isinstance(gone, Gone):
        _close_form(entry)
        told = had_selected(gone.chosen_by)
        ui().said.append(Said("success", f"{literal(entry.name)} is private now.{told}"))


def _close_form(entry: KeyEntry) -> None:
    """What an open form saw of the key is past."""
    if ui().editing == entry.id:
        ui().close_forms()
