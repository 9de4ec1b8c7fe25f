"""What the buttons for all keys at once do."""

from __future__ import annotations

from mohet_keys.check_all import CheckAll
from mohet_keys.model import KeyEntry
from mohet_keys.removing import Removed
from mohet_keys.ui import actions, resources
from mohet_keys.ui.state import AllState, Said, act, answers, ui
from mohet_keys.ui.text import literal

MOST = 200
"""Keys that the dialog lists, and so deletes, at once."""
_NAMED = 5


# --- checking -----------------------------------------------------------------------------------


@act
def start() -> None:
    """Check all keys in the background, unless that is being done."""
    state = ui().every
    if state.run is not None and not state.run.is_over:
        return
    state.run = CheckAll(
        resources.keys(), resources.checks(), resources.background(), owner=resources.owner()
    )
    state.drawn = (0, 0.0)


@act
def cancel() -> None:
    """End the check of all keys; what it found out by then stays."""
    run = ui().every.run
    if run is not None:
        run.cancel()


@act
def put_away() -> None:
    """Show no more of a check that is over."""
    state = ui().every
    if state.run is not None and state.run.is_over:
        state.run = None


# --- deleting -----------------------------------------------------------------------------------


@act
def ask_remove() -> None:
    """Open the dialog with the keys that are rejected at this moment."""
    found = actions.attempt(
        lambda: resources.keys().rejected(owner=resources.owner(), limit=MOST + 1)
    )
    if not isinstance(found, list):
        return
    state = ui().every
    state.removing, state.more = tuple(found[:MOST]), len(found) > MOST
    if not found:
        ui().said.append(Said("info", "No key is rejected by its provider any more."))


@answers(lambda state: state.every.removing)
def keep() -> None:
    """Close the dialog and delete nothing."""
    _close(ui().every)


@answers(lambda state: state.every.removing)
def remove() -> None:
    """Delete the keys that the dialog lists, but for those that changed since."""
    state = ui().every
    listed = state.removing
    _close(state)
    done = actions.attempt(
        lambda: resources.keys().remove_rejected(listed, owner=resources.owner())
    )
    if isinstance(done, Removed):
        _tell(done)


def _close(state: AllState) -> None:
    state.removing, state.more = (), False


def _tell(done: Removed) -> None:
    state = ui()
    for entry in done.gone:
        actions.stop_check(entry.id)
        if state.editing == entry.id:
            state.close_forms()
    if done.gone:
        state.said.append(Said("success", f"{_named(done.gone)} deleted."))
    elif not done.kept:
        state.said.append(Said("info", "These keys were deleted already."))
    if done.kept:
        why = "changed or checked again in the meantime"
        state.said.append(Said("info", f"{_named(done.kept)} kept: {why}."))


def _named(entries: tuple[KeyEntry, ...]) -> str:
    """“2 keys (A, B) were”."""
    names = ", ".join(literal(entry.name) for entry in entries[:_NAMED])
    more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
    return (
        f"1 key ({names}) was" if len(entries) == 1 else f"{len(entries)} keys ({names}{more}) were"
    )
