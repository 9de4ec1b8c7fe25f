"""What the buttons of Import and export do."""

from __future__ import annotations

from collections.abc import Sequence

from mohet_keys.errors import InputError, MohetError
from mohet_keys.model import KeyEntry
from mohet_keys.transfer import Exported, Imported, LeftOut, needs_passphrase
from mohet_keys.ui import clock, download_link, resources, uploads
from mohet_keys.ui.state import Said, act, chosen_of, put, take, ticked, ui
from mohet_keys.ui.text import escape

EXPORT = "transfer.export"
CHOSEN = f"{EXPORT}.keys"
ALL = f"{EXPORT}.all"
OPEN = "transfer.open"
RENAME = "transfer.rename"
WHAT = "export"


def uploader() -> str:
    """The widget key of the uploader; another one after each file, so that it is empty again."""
    return f"transfer.file:{ui().transfer.turn}"


# --- out ----------------------------------------------------------------------------------------


@act
def export(entries: Sequence[KeyEntry]) -> None:
    """Make a file of the chosen keys."""
    ui().transfer.refused_at = EXPORT
    passphrase, again = take(f"{EXPORT}.passphrase"), take(f"{EXPORT}.again")
    known = {entry.id for entry in entries}
    ids = [key for key in chosen_of(CHOSEN) if key in known]
    if ticked(ALL):
        ids = [entry.id for entry in entries]
    try:
        if passphrase != again:
            raise InputError("passphrase", "The two passphrases differ. Enter the same one twice.")
        made = resources.transfer().export(ids, owner=resources.owner(), passphrase=passphrase)
    except MohetError as error:
        _refuse(error)
        return
    _offer(made)


def _offer(made: Exported) -> None:
    name = f"mohet-keys-{clock.now().astimezone(clock.zone()):%Y-%m-%d}.json"
    download_link.offer(WHAT, made.content, name, "application/json")
    count = len(made.entries)
    keys = "1 key is" if count == 1 else f"{count} keys are"
    told = f"{keys} in the file. It opens with the passphrase alone, so keep that one apart."
    ui().said.append(Said("success", told))
    _tell_left_out(made.left_out)


# --- in -----------------------------------------------------------------------------------------


def received() -> None:
    """Look into the file that was handed in, or ask for its passphrase first.

    A browser may tell of the same file once more, with what it sends before it has drawn what
    came of it. That file was taken already, and changes nothing.
    """
    handed = uploads.take(uploader())
    if handed is None:
        return
    ui().begin()
    state = ui().transfer
    state.turn += 1
    state.forget()
    state.name, content = handed
    try:
        if needs_passphrase(content):
            state.content = content
            return
        state.plan = resources.transfer().plan(content, owner=resources.owner())
    except MohetError as error:
        _refuse(error)


@act
def open_file() -> None:
    """Open a protected file with the passphrase that was typed."""
    state = ui().transfer
    state.refused_at = OPEN
    passphrase = take(f"{OPEN}.passphrase")
    if state.content is None:
        return
    try:
        state.plan = resources.transfer().plan(
            state.content, owner=resources.owner(), passphrase=passphrase
        )
    except InputError as error:
        _refuse(error)
    except MohetError as error:
        ui().problems = {"passphrase": str(error)}
    else:
        state.content = None


@act
def bring_in() -> None:
    """Save what the plan brings in."""
    state = ui().transfer
    if state.plan is None:
        return
    try:
        done = resources.transfer().carry_out(
            state.plan, owner=resources.owner(), renamed=ticked(RENAME)
        )
    except MohetError as error:
        _refuse(error)
        return
    put(RENAME, False)
    state.forget()
    _tell(done)


@act
def put_away() -> None:
    """Forget the file; nothing was written."""
    ui().transfer.forget()


def _tell(done: Imported) -> None:
    count = len(done.saved)
    keys = "1 key was" if count == 1 else f"{count} keys were"
    if count:
        ui().said.append(Said("success", f"{keys} brought in, not checked yet."))
    else:
        ui().said.append(Said("info", "Nothing was brought in."))
    _tell_left_out(done.left_out)


def _tell_left_out(left_out: Sequence[LeftOut]) -> None:
    """Say which keys were left out and why, the first few by name."""
    for each in left_out[:5]:
        ui().said.append(Said("warning", f"{escape(each.name)} was left out. {escape(each.why)}"))
    if len(left_out) > 5:
        ui().said.append(Said("warning", f"{len(left_out) - 5} more were left out."))


def _refuse(error: MohetError) -> None:
    state = ui()
    if isinstance(error, InputError):
        state.problems = error.by_field()
    else:
        state.said.append(Said("error", escape(str(error))))
