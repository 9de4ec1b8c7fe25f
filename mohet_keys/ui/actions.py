"""What buttons do. Each action reads its widgets, calls the service, and draws nothing."""

from __future__ import annotations

from pydantic import SecretStr

from mohet_keys import endpoints
from mohet_keys.errors import ConflictError, InputError, MohetError
from mohet_keys.model import KeyChanges, KeyEntry, NewKey
from mohet_keys.providers import BY_SLUG, Provider
from mohet_keys.removing import Gone
from mohet_keys.service import Saved
from mohet_keys.ui import clock, resources
from mohet_keys.ui.state import Said, act, answers, peek, put, take, ticked, ui
from mohet_keys.ui.team_words import had_selected
from mohet_keys.ui.text import escape, literal, moment


def field(form: str, name: str) -> str:
    """The widget key of a form's field. `form` is `add:<slug>` or `edit:<key id>`."""
    return f"{form}.{name}"


# --- opening and closing forms -------------------------------------------------------------


@act
def open_add(row: Provider) -> None:
    """Open the add form of a provider, with its usual address filled in."""
    state = ui()
    state.close_forms()
    state.adding = row.slug
    put(field(f"add:{row.slug}", "endpoint"), row.endpoint)


@act
def open_edit(entry: KeyEntry, endpoint: str | None = None) -> None:
    """Open the edit form of a key, filled with what it has; never with the secret."""
    _open_edit(entry, endpoint)


@act
def cancel(form: str) -> None:
    """Close the form; what was typed as a secret is dropped."""
    take(field(form, "secret"))
    ui().close_forms()


def _open_edit(entry: KeyEntry, endpoint: str | None = None) -> None:
    """Fill the form with the name and the address that is sealed: a secret that is typed again is
    sealed for what stands there, and the column in the database may have been changed."""
    state = ui()
    row = BY_SLUG.get(entry.provider)
    sealed = attempt(lambda: resources.keys().sealed_endpoint(entry.id, owner=resources.owner()))
    usual = row.endpoint if row else ""
    state.close_forms()
    state.editing, state.editing_version = entry.id, entry.version
    form = f"edit:{entry.id}"
    put(field(form, "name"), entry.name)
    put(field(form, "endpoint"), endpoint or (sealed if isinstance(sealed, str) else usual))


# --- saving ----------------------------------------------------------------------------------


@act
def save_new(row: Provider) -> None:
    """Save what the add form holds and check it at once."""
    form = f"add:{row.slug}"
    new = NewKey(
        provider=row.slug,
        name=peek(field(form, "name")),
        secret=SecretStr(take(field(form, "secret"))),
        endpoint=peek(field(form, "endpoint")),
        allow_http=ticked(field(form, "allow_http")),
    )
    try:
        saved = resources.keys().add(new, owner=resources.owner())
    except MohetError as error:
        _refuse(error)
        return
    ui().close_forms()
    _after(saved, "saved")


@act
def save_edit(entry_id: str) -> None:
    """Save what the edit form changed and check the key again where that matters."""
    form = f"edit:{entry_id}"
    changes = KeyChanges(
        name=peek(field(form, "name")),
        secret=SecretStr(take(field(form, "secret"))),
        endpoint=peek(field(form, "endpoint")),
        allow_http=ticked(field(form, "allow_http")),
    )
    try:
        saved = resources.keys().edit(
            entry_id, changes, owner=resources.owner(), version=ui().editing_version
        )
    except MohetError as error:
        _refuse(error)
        return
    if not saved.changed:
        ui().said.append(Said("info", "Nothing was changed, so nothing was saved."))
        return
    ui().close_forms()
    _after(saved, "updated")


def _after(saved: Saved, done: str) -> None:
    state = ui()
    state.said.append(Said("success", f"{literal(saved.entry.name)} was {done}."))
    if saved.notes:
        state.notes[saved.entry.id] = saved.notes
    if not saved.entry.looks_like:
        start_check(saved.entry.id)


def _refuse(error: MohetError) -> None:
    state = ui()
    if isinstance(error, InputError):
        state.problems = error.by_field()
        state.consenting = state.consenting or "plain http" in state.problems.get("endpoint", "")
    elif isinstance(error, ConflictError):
        _explain_conflict(error)
    else:
        state.said.append(Said("error", escape(str(error))))


def _explain_conflict(error: ConflictError) -> None:
    """Say who was faster and when; the next save is made over the version it names."""
    state = ui()
    now = attempt(lambda: resources.keys().entry(state.editing or "", owner=resources.owner()))
    if not isinstance(now, KeyEntry):
        return
    state.editing_version = now.version
    when = moment(error.changed_at, clock.zone())
    state.said.append(
        Said(
            "warning",
            f"{literal(error.name)} was changed by {escape(error.changed_by)} on {when}, while "
            "this form was open. What you typed is still here, except the key itself. Choose "
            "Update Key again to save it over their change, or Cancel to keep theirs.",
        )
    )


# --- checking ----------------------------------------------------------------------------------


@act
def check(entry_id: str) -> None:
    """Ask the provider now, whatever was known."""
    start_check(entry_id)


def start_check(entry_id: str, *, fresh: bool = True) -> None:
    """Check a key off the script's thread; unless `fresh`, what this session knows will do.

    A check of the same key that still runs is left behind: it may be about an older secret.
    """
    state = ui()
    stop_check(entry_id)
    run = resources.checks().check(
        entry_id, owner=resources.owner(), cache=state.cache, fresh=fresh
    )
    state.running[entry_id] = resources.background().submit(run)


def stop_check(entry_id: str) -> None:
    """Give up waiting for a check of this key, if one runs."""
    running = ui().running.pop(entry_id, None)
    if running:
        running.cancel()


# --- what the card's menu and its remedies offer ---------------------------------------------


@act
def use_in_chat(entry: KeyEntry) -> None:
    """Make a key the one for the chat."""
    select_key(entry)


@act
def ask_delete(entry: KeyEntry) -> None:
    """Open the dialog that asks before a key is deleted."""
    ui().deleting = entry.id


def select_key(entry: KeyEntry) -> None:
    """Make it the key for the chat, and know how it stands: asked again unless just asked, by
    whoever may check it."""
    try:
        resources.keys().select(entry.id, owner=resources.owner())
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
        return
    ui().said.append(Said("success", f"{literal(entry.name)} is now the key for the chat."))
    if entry.may_change and not (entry.looks_like or entry.locked):
        start_check(entry.id, fresh=False)


@act
def move(entry: KeyEntry, label: str) -> None:
    """Give a held key to the vendor it belongs to, and check it there."""
    saved = attempt(
        lambda: resources.keys().move(entry.id, owner=resources.owner(), version=entry.version)
    )
    if isinstance(saved, Saved):
        ui().said.append(Said("success", f"{literal(entry.name)} was moved to {label}."))
        start_check(entry.id)


@act
def send_anyway(entry: KeyEntry) -> None:
    """Check a held key where it is: the visitor says it belongs here."""
    done = attempt(
        lambda: resources.keys().send_anyway(
            entry.id, owner=resources.owner(), version=entry.version
        )
    )
    if done is not None:
        start_check(entry.id)


@act
def use_endpoint(entry: KeyEntry, endpoint: str) -> None:
    """Take the address that answered. A key with a secret needs it typed again for that."""
    if not entry.has_secret:
        changes = KeyChanges(endpoint=endpoint)
        saved = attempt(
            lambda: resources.keys().edit(
                entry.id, changes, owner=resources.owner(), version=entry.version
            )
        )
        if isinstance(saved, Saved):
            _after(saved, "updated")
        return
    _open_edit(entry, endpoint)
    host = endpoints.host(endpoint)
    ui().problems = {"secret": f"The address changed. Enter the key again to use it at {host}."}


def attempt(step: object) -> object:
    """Run a verb; what it refuses is said, and None comes back."""
    try:
        return step() if callable(step) else None
    except MohetError as error:
        ui().said.append(Said("error", escape(str(error))))
        return None


# --- deleting ----------------------------------------------------------------------------------


@answers(lambda state: state.deleting)
def delete(entry_id: str) -> None:
    """Delete the key the dialog asked about."""
    state = ui()
    state.deleting = None
    gone = attempt(lambda: resources.keys().remove(entry_id, owner=resources.owner()))
    if isinstance(gone, Gone):
        if state.editing == entry_id:
            state.close_forms()
        stop_check(entry_id)
        told = had_selected(gone.chosen_by)
        state.said.append(Said("success", f"{literal(gone.entry.name)} was deleted.{told}"))


@answers(lambda state: state.deleting)
def keep() -> None:
    """Close the delete dialog and delete nothing."""
    ui().deleting = None
