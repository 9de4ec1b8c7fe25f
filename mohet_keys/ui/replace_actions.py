"""What the form for a new secret does, and the way back to the former one."""

from __future__ import annotations

import logging
from concurrent.futures import Future

from mohet_keys.errors import ConflictError, InputError, MohetError, NotFoundError
from mohet_keys.model import Diagnosis, KeyEntry, Verdict
from mohet_keys.replacing import Replaced
from mohet_keys.service import Saved
from mohet_keys.ui import actions, clock, resources
from mohet_keys.ui.actions import field
from mohet_keys.ui.state import Replacing, Said, act, take, ui
from mohet_keys.ui.text import escape, literal, moment

_log = logging.getLogger(__name__)


def form_of(entry_id: str) -> str:
    """The name of a key's form, to which the names of its fields are added."""
    return f"replace:{entry_id}"


@act
def open_form(entry: KeyEntry) -> None:
    """Open the form for a new secret, with its field empty."""
    state = ui()
    state.close_forms()
    state.replacing.setdefault(entry.id, Replacing(entry.version))


@act
def cancel(entry_id: str) -> None:
    """Close the form; a test that still runs is given up, and what was typed is dropped."""
    take(field(form_of(entry_id), "secret"))
    form = ui().replacing.pop(entry_id, None)
    if form is not None and form.test is not None:
        form.test.cancel()


@act
def start(entry_id: str) -> None:
    """Test what was typed; it is swapped in as soon as it proves good."""
    typed = take(field(form_of(entry_id), "secret"))
    form = ui().replacing.get(entry_id)
    if form is None or form.test is not None:
        return
    form.problem, form.failed = "", None
    owner = resources.owner()
    try:
        trial = resources.keys().trial(entry_id, typed, owner=owner, version=form.version)
    except MohetError as error:
        _refuse(entry_id, error)
        return
    work = resources.replacer().replace(trial, owner=owner)
    form.test = resources.background().submit(work)


def settle(entry_id: str, test: Future[Replaced]) -> None:
    """Take in the end of a test."""
    form = ui().replacing.get(entry_id)
    if form is None or test.cancelled():
        return
    form.test = None
    error = test.exception()
    if isinstance(error, MohetError):
        _refuse(entry_id, error)
    elif error is not None:
        _log.error("A test of a new secret broke off with %s.", type(error).__name__)
        said = "The test broke off."
        form.failed = Diagnosis(Verdict.UNCHECKED, "not carried out", said, "Try again.")
    else:
        _end(entry_id, form, test.result())


def _end(entry_id: str, form: Replacing, done: Replaced) -> None:
    state = ui()
    if done.entry is None:
        form.failed = done.diagnosis
        return
    del state.replacing[entry_id]
    actions.stop_check(entry_id)  # one that still runs is about the former secret
    state.said.append(Said("success", f"{literal(done.entry.name)} has its new secret."))
    if done.notes:
        state.notes[entry_id] = done.notes


@act
def undo(entry: KeyEntry) -> None:
    """Bring the former secret back and check it."""
    saved = actions.attempt(
        lambda: resources.keys().undo_swap(entry.id, owner=resources.owner(), version=entry.version)
    )
    if isinstance(saved, Saved):
        ui().said.append(Said("success", f"{literal(entry.name)} has its former secret again."))
        if not saved.entry.looks_like:
            actions.start_check(entry.id)


# --- what was refused -------------------------------------------------------------------------


def _refuse(entry_id: str, error: MohetError) -> None:
    state = ui()
    if isinstance(error, InputError):
        state.replacing[entry_id].problem = str(error)
    elif isinstance(error, ConflictError):
        _explain_conflict(entry_id, error)
    else:
        if isinstance(error, NotFoundError):
            del state.replacing[entry_id]
        state.said.append(Said("error", escape(str(error))))


def _explain_conflict(entry_id: str, error: ConflictError) -> None:
    """Say who was faster and when; the next try is made over the version there is now."""
    now = actions.attempt(lambda: resources.keys().entry(entry_id, owner=resources.owner()))
    if not isinstance(now, KeyEntry):
        return
    ui().replacing[entry_id].version = now.version
    when = moment(error.changed_at, clock.zone())
    ui().said.append(
        Said(
            "warning",
            f"{literal(error.name)} was changed by {escape(error.changed_by)} on {when}, while "
            "this form was open, so its secret was not replaced. Enter the new secret again to "
            "replace it all the same, or Cancel to keep theirs.",
        )
    )
