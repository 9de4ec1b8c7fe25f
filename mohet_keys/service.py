"""The verbs: add, edit, remove, select, list. The only way in to the saved keys.

Every verb takes the owner it acts for and decides from the store. What comes out is a `KeyEntry`,
which never has the secret; `open` alone gives it out, for one request, to validation and chat.
What is done is recorded with it, and a use before it happens: one that cannot be recorded is none.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mohet_keys import endpoints, pasted
from mohet_keys.errors import (
    ConflictError,
    InputError,
    LockedError,
    NotFoundError,
    RefusedError,
    SealError,
)
from mohet_keys.journal import MARK, Wanted, about, host_of
from mohet_keys.keyring import OutdatedSealError
from mohet_keys.model import (
    Action,
    CheckResult,
    Doing,
    KeyChanges,
    KeyEntry,
    NewKey,
    OpenedKey,
    Selection,
)
from mohet_keys.model_choice import is_model_id
from mohet_keys.providers import BY_SLUG, sign_of
from mohet_keys.repository import NewRow, Repository, RowChanges, SealedRow, Sort
from mohet_keys.safe import Safe
from mohet_keys.saving import (
    Draft,
    Page,
    Prepared,
    Saved,
    Trial,
    changed_entry,
    changes_of,
    row_of,
    what_changed,
)
from mohet_keys.sealed import Label
from mohet_keys.standing import held_diagnosis, standing, vendor_label
from mohet_keys.typed import Typed, provider_row, read_changes, read_new, require_no_secret

__all__ = ["Draft", "KeyService", "Page", "Prepared", "Saved", "Trial"]

UNDO_FOR = timedelta(minutes=15)
"""How long the secret that a key had before can be brought back after it was replaced."""
SHOWN_FOR = timedelta(seconds=20)
"""How long a secret may be seen after it was asked for."""
_IMMOVABLE = "This key cannot be moved. Add it at its own provider instead."
_NOTHING_TO_REPLACE = "This key has no secret that could be replaced. Edit the key to give it one."
_PAST = "The former secret is deleted for good by now, so it cannot be brought back."
_NOT_SHOWN = "Secrets are not shown here. MOHET_ALLOW_REVEAL=1 would allow it."
_NOTHING_TO_SHOW = "This key has no secret that could be shown."
_HIDDEN = "The time to see this secret is over. Ask for it again."


def _now() -> datetime:
    return datetime.now(UTC)


def _seen(entry: KeyEntry, version: int) -> KeyEntry:
    """The key, if it still is what was seen of it. Raises ConflictError."""
    if entry.version != version:
        raise ConflictError(entry.name, entry.updated_by, entry.updated_at)
    return entry


class KeyService:
    """The saved keys of everybody, opened only through `safe`.

    When the present master key opens nothing, listing, renaming, selecting and deleting still
    work; saving a secret and using one do not.
    """

    def __init__(
        self,
        repository: Repository,
        safe: Safe,
        *,
        clock: Callable[[], datetime] = _now,
        allow_reveal: bool = False,
    ) -> None:
        self._repository = repository
        self._safe = safe
        self._clock = clock
        self.allow_reveal = allow_reveal

    # --- reading ---------------------------------------------------------------------------

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError for an unknown id and for somebody else's alike."""
        return self._shown(self._repository.entry(key_id, owner))

    def entries(self, key_ids: Sequence[str], *, owner: str) -> Sequence[KeyEntry]:
        """Those of these keys that there are, in no certain order."""
        return list(map(self._shown, self._repository.entries(key_ids, owner)))

    def find(self, ref: str, *, owner: str) -> KeyEntry:
        """The key with this id, or named `provider/name`. Raises NotFoundError."""
        slug, slash, name = ref.partition("/")
        folded = f"{slug.strip().lower()}/{pasted.name_key(name)}" if slash else ref
        return self._shown(self._repository.find(folded, owner))

    def list(
        self,
        *,
        owner: str,
        provider: str | None = None,
        search: str = "",
        sort: Sort = "newest",
        offset: int = 0,
        limit: int | None = None,
        in_all: int | None = None,
    ) -> Page:
        """A page of keys; nothing is decrypted for it.

        `in_all` is how many there are without `search`, where the caller knows it already.
        """
        search = pasted.name_key(search)
        found = self._repository.page(
            owner, provider=provider, search=search, sort=sort, offset=offset, limit=limit
        )
        total = len(found)
        if in_all is not None and not search:
            total = in_all
        elif offset or total == limit:
            total = self._repository.count(owner, provider=provider, search=search)
        return Page(tuple(map(self._shown, found)), total)

    def counts(self, *, owner: str) -> dict[str, int]:
        """How many keys each provider has."""
        return self._repository.counts(owner)

    def selection(self, *, owner: str) -> Selection | None:
        """The key and model the owner chats with now."""
        return self._repository.selection(owner)

    @property
    def locked(self) -> str | None:
        """Why no key can be opened now; None when they can. Looked at anew while it is so."""
        if self._safe.locked:
            self._safe.refresh()
        return self._safe.locked

    def _shown(self, entry: KeyEntry) -> KeyEntry:
        locked = self._safe.locked
        return replace(entry, locked=locked) if locked else entry

    # --- writing ---------------------------------------------------------------------------

    def add(self, new: NewKey, *, owner: str) -> Saved:
        """Save a key. Raises InputError for what was typed, LockedError, StoreError."""
        row = provider_row(new.provider)
        self._safe.require()
        typed = read_new(new)
        key_id = str(uuid.uuid4())
        label = Label(key_id, row.slug, typed.endpoint, 1, typed.allow_http)

        def write(blob: bytes, data_key_id: str) -> KeyEntry:
            print_ = self._unused_fingerprint(typed.secret, owner)
            return self._insert(
                row_of(label, typed, owner, self._clock(), print_, blob, data_key_id)
            )

        return Saved(self._safe.sealing(label, typed.secret, write), typed.notes)

    def prepare(self, new: NewKey, *, owner: str) -> Prepared:
        """A key as `add` would save it. Nothing is written. Raises InputError, LockedError."""
        row = provider_row(new.provider)
        self._safe.require()
        typed = read_new(new)
        print_ = self._fingerprint(typed.secret)
        twin = self._repository.twin(owner, print_) if print_ else None
        label = Label(str(uuid.uuid4()), row.slug, typed.endpoint, 1, typed.allow_http)
        made = self._safe.sealing(
            label,
            typed.secret,
            lambda *sealed: row_of(label, typed, owner, self._clock(), print_, *sealed),
        )
        return Prepared(made, typed.notes, twin)

    def insert(self, prepared: Prepared, *, owner: str, name: str | None = None) -> Saved:
        """Save what was prepared, perhaps under another name.

        Raises InputError when name or secret is taken by now, LockedError, StoreError.
        """
        row = replace(prepared.row, owner=owner, created_at=self._clock())
        if name is not None:
            cleaned = pasted.clean_name(name)
            row = replace(row, name=cleaned, name_key=pasted.name_key(cleaned))
        try:
            return Saved(self._insert(row), prepared.notes)
        except OutdatedSealError:  # it waited while other data keys took over
            return Saved(self._insert_anew(row), prepared.notes)

    def _insert_anew(self, row: NewRow) -> KeyEntry:
        """Save what was sealed with a data key that seals no more."""
        label = Label(row.id, row.provider, row.endpoint, row.revision, row.allow_http)
        secret = self._safe.open(row.sealed, label)

        def write(blob: bytes, data_key_id: str) -> KeyEntry:
            sealed = replace(row, sealed=blob, data_key_id=data_key_id)
            return self._insert(replace(sealed, fingerprint=self._fingerprint(secret)))

        return self._safe.sealing(label, secret, write)

    def _insert(self, row: NewRow) -> KeyEntry:
        doing = self._doing(
            "add",
            row.owner,
            at=row.created_at,
            key_id=row.id,
            key_name=row.name,
            provider=row.provider,
            host=host_of(row.endpoint),
        )
        return self._repository.insert(row, by=row.owner, doing=doing)

    def edit(self, key_id: str, changes: KeyChanges, *, owner: str, version: int) -> Saved:
        """Change name, secret or endpoint of the version that was seen.

        Raises InputError for what was typed (also when a changed destination lacks the secret),
        ConflictError when somebody was faster, NotFoundError, LockedError, StoreError.
        """
        entry = self._at_version(key_id, owner, version)
        typed = read_changes(entry, changes)
        moved = typed.endpoint != entry.endpoint
        if not moved and (not typed.secret or self._holds(entry, typed.secret, owner)):
            return self._rename(entry, typed, owner)
        if moved and not typed.secret:
            require_no_secret(entry, typed)
        return self._reseal(entry, typed, owner)

    def remove(self, key_id: str, *, owner: str) -> KeyEntry:
        """Delete a key for good, and the selection of it. Returns what it was."""
        return self._repository.delete(key_id, owner, doing=self._doing("delete", owner))

    def select(self, key_id: str | None, *, owner: str, model: str | None = None) -> None:
        """Make a key (None: no key) the one the owner chats with. Raises NotFoundError.

        `model` is remembered for the key; without one, what was remembered is used again. Raises
        InputError for a text that is no model id.
        """
        if model is not None and not is_model_id(model):
            raise InputError("model", "A model id has no spaces and at most 200 characters.")
        listed = False
        if key_id is not None and model is not None:
            check = self._repository.entry(key_id, owner).check
            listed = check is not None and model in check.models
        self._repository.select(owner, key_id, model, self._clock(), listed=listed)

    def move(self, key_id: str, *, owner: str, version: int) -> Saved:
        """Give a held key to the provider it looks like, at that vendor's own address.

        The one change of destination without the secret typed again: the host is the vendor's
        own. Raises RefusedError when the key is not held or the vendor has no tab here.
        """
        entry = self._at_version(key_id, owner, version)
        row = BY_SLUG.get(entry.looks_like or "")
        if row is None or not row.hosts:
            raise RefusedError(_IMMOVABLE)
        secret = self._unsealed(self._repository.sealed(key_id, owner)).secret or ""
        sign = sign_of(secret)
        if sign is None or sign.slug != row.slug:  # the mark in the row is not sealed
            raise RefusedError(_IMMOVABLE)
        typed = Typed(entry.name, secret, endpoints.canonical(row.endpoint), False, (), row.slug)
        return self._reseal(entry, typed, owner, action="move")

    def send_anyway(self, key_id: str, *, owner: str, version: int) -> KeyEntry:
        """Lift the hold of a key that looks like another vendor's: the user says it is right."""
        entry = self._at_version(key_id, owner, version)
        return self._update(entry, RowChanges(looks_like=None), owner, "release")

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a check's result; a passing failure leaves what was proven before."""
        return self._repository.save_check(result, owner)

    def record_all(self, results: Sequence[CheckResult], *, owner: str) -> Sequence[CheckResult]:
        """The same for several at once, which takes hardly longer than for one."""
        return self._repository.save_checks(results, owner)

    def sealed_endpoint(self, key_id: str, *, owner: str) -> str | None:
        """The address that is sealed with the secret; None when it cannot be told now.

        The column beside it may have been changed by somebody who can write the database. Raises
        NotFoundError.
        """
        try:
            return self._unsealed(self._repository.sealed(key_id, owner)).destination
        except LockedError:
            return None

    def draft(self, new: NewKey, *, owner: str) -> Draft:
        """A key as it would be saved, for a test before that. Nothing is written.

        Raises InputError for what was typed, LockedError when nothing could be saved anyway.
        """
        row = provider_row(new.provider)
        self._safe.require()
        typed = read_new(new)
        self._unused_fingerprint(typed.secret, owner)
        held = pasted.looks_like(typed.secret, row, typed.endpoint)
        secret = typed.secret or None
        key = OpenedKey("", row.slug, typed.endpoint, 0, secret, typed.allow_http)
        return Draft(key, typed.name, held_diagnosis(held.slug) if held else None)

    def trying(self, draft: Draft, *, owner: str) -> OpenedKey:
        """The key of a draft, for one test at its server, which is on record then.

        Raises RefusedError for one that is held, and StoreError.
        """
        if draft.held is not None:
            raise RefusedError(draft.held.explanation)
        key = draft.key
        doing = self._doing(
            "try",
            owner,
            key_name=draft.name,
            provider=key.provider,
            host=host_of(key.destination),
            result="",
            mark=self._fingerprint(key.secret or "") or "",
        )
        return replace(key, use=self._begin(doing))

    # --- opening ---------------------------------------------------------------------------

    def open(self, key_id: str, *, owner: str, why: Action = "use") -> OpenedKey:
        """The secret, for one request to the destination it was sealed with.

        That it is used, and for what, is on record when this comes back; `finish` tells how it
        went. Raises NotFoundError, LockedError (SealError when the row was altered; that is on
        record too), RefusedError while the key is held because it looks like another vendor's,
        and StoreError when nothing can be recorded.
        """
        (outcome,) = self.open_all([key_id], owner=owner, why=why)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def open_all(
        self, key_ids: Sequence[str], *, owner: str, why: Action = "use"
    ) -> Sequence[OpenedKey | Exception]:
        """The same for several, in order, recorded in one go; an error in the place of each that
        `open` would raise it for. Raises StoreError.
        """
        rows = {row.entry.id: row for row in self._repository.sealed_all(key_ids, owner)}
        outcomes = [self._for_use(rows.get(key_id)) for key_id in key_ids]
        doings = {
            place: self._used(rows[key_id].entry, outcome, owner, why)
            for place, (key_id, outcome) in enumerate(zip(key_ids, outcomes, strict=True))
            if isinstance(outcome, OpenedKey | SealError)
        }
        told = self._repository.journal.begin_all(list(doings.values()))
        numbers = dict(zip(doings, told, strict=True))
        return [
            replace(outcome, use=numbers[place]) if isinstance(outcome, OpenedKey) else outcome
            for place, outcome in enumerate(outcomes)
        ]

    def _used(
        self, entry: KeyEntry, outcome: OpenedKey | SealError, owner: str, why: Action
    ) -> Doing:
        doing = about(self._doing(why, owner, result=""), entry)
        if isinstance(outcome, SealError):
            return replace(doing, result="locked", detail=str(outcome))
        return doing

    def _for_use(self, sealed: SealedRow | None) -> OpenedKey | Exception:
        """A key opened for a use that is not recorded yet, or why it may not be used."""
        try:
            if sealed is None:
                raise NotFoundError
            if sealed.entry.looks_like:
                raise RefusedError(standing(sealed.entry).explanation)
            return self._unsealed(sealed)
        except Exception as error:  # noqa: BLE001  # what is wrong with one key stops no other
            return error.with_traceback(None)

    def finish(self, use: int, result: str, *, detail: str = "") -> None:
        """Record how a use went: a verdict, or the way a reply ended. `detail` is our own words."""
        if use:
            self._repository.journal.end(use, result, self._clock(), detail)

    def reveal(self, key_id: str, *, owner: str) -> datetime:
        """Have a secret shown to its owner; that is on record when this comes back.

        Until the moment that is returned, `revealed` gives the secret out. Raises RefusedError
        for a key without a secret and where secrets are not shown, which is on record too;
        NotFoundError, LockedError, StoreError.
        """
        sealed = self._repository.sealed(key_id, owner)
        doing = about(self._doing("reveal", owner), sealed.entry)
        if not self.allow_reveal:
            self._begin(replace(doing, result="refused"))
            raise RefusedError(_NOT_SHOWN)
        if self._opened(sealed, doing).secret is None:
            raise RefusedError(_NOTHING_TO_SHOW)
        self._begin(doing)
        return doing.at + SHOWN_FOR

    def revealed(self, key_id: str, *, owner: str) -> str:
        """The secret whose showing was recorded just now. It is not recorded again.

        Raises RefusedError when the time is over, when the clock was set back meanwhile, and when
        the key has another secret by now; else like `reveal`.
        """
        if not self.allow_reveal:
            raise RefusedError(_NOT_SHOWN)
        shown = Wanted(owner=owner, action="reveal", key_id=key_id, result="done")
        last = next(iter(self._repository.journal.page(shown, limit=1)), None)
        if last is None or not last.at <= self._clock() < last.at + SHOWN_FOR:
            raise RefusedError(_HIDDEN)
        secret = self._unsealed(self._repository.sealed(key_id, owner)).secret or ""
        if last.fingerprint != self._mark(secret):
            raise RefusedError(_HIDDEN)
        return secret

    # --- replacing a secret --------------------------------------------------------------------

    def trial(self, key_id: str, secret: str, *, owner: str, version: int) -> Trial:
        """A new secret for a key, for a test before it takes the place of the present one.

        It may be tried at the address that the present one is sealed for, and nowhere else; that it
        is going to be tried is recorded, and nothing else is written. Raises InputError for what
        was typed, ConflictError when the key was changed meanwhile, RefusedError for a key without
        a secret, NotFoundError, LockedError (a SealError is on record), StoreError.
        """
        self._safe.require()
        sealed = self._repository.sealed(key_id, owner)
        entry = _seen(sealed.entry, version)
        if not entry.has_secret:
            raise RefusedError(_NOTHING_TO_REPLACE)
        doing = about(self._doing("try", owner, result=""), entry)
        present = self._opened(sealed, doing)
        typed = pasted.clean_secret(secret, optional=False)
        print_ = self._replacing(present, typed.secret, owner)
        use = self._begin(replace(doing, mark=print_ or ""))
        key = replace(present, id="", revision=0, secret=typed.secret, use=use)
        return Trial(entry.id, entry.version, key, typed.notes)

    def _replacing(self, present: OpenedKey, secret: str, owner: str) -> str | None:
        """The mark of a secret that may take the place of the present one. Raises InputError."""
        if secret == present.secret:
            raise InputError("secret", "This is the secret that the key has now. Enter a new one.")
        held = pasted.looks_like(secret, provider_row(present.provider), present.destination)
        if held:
            reason = held_diagnosis(held.slug).reason
            told = f"This {reason}, so it was sent nowhere. Paste a key of this provider."
            raise InputError("secret", told)
        return self._unused_fingerprint(secret, owner, present.id)

    def swap(self, trial: Trial, *, owner: str) -> Saved:
        """Give a key the secret that was tried, at the address it was tried at.

        The one it had can be brought back for a quarter of an hour. Raises ConflictError when the
        key was changed meanwhile, InputError, NotFoundError, LockedError, StoreError.
        """
        entry = self._at_version(trial.key_id, owner, trial.version)
        key = trial.key
        typed = Typed(
            *(entry.name, key.secret or "", key.destination, key.allow_http, trial.notes),
            provider=key.provider,
        )
        until = self._clock() + UNDO_FOR
        return self._reseal(entry, typed, owner, action="replace", undo_until=until)

    def undo_swap(self, key_id: str, *, owner: str, version: int) -> Saved:
        """Bring back the secret that a key had before, for the same address.

        Raises RefusedError when it is past or saved elsewhere by now, LockedError when it does not
        open (a SealError is on record), ConflictError, NotFoundError, StoreError.
        """
        self._safe.require()
        entry = self._at_version(key_id, owner, version)
        former = self._repository.former(key_id, owner, self._clock())
        if former is None:
            self.forget_former()
            raise RefusedError(_PAST)
        revision, blob = former
        then = SealedRow(replace(entry, revision=revision), blob)
        secret = self._opened(then, about(self._doing("undo", owner), entry)).secret or ""
        typed = Typed(entry.name, secret, entry.endpoint, entry.allow_http, ())
        try:
            return self._reseal(entry, typed, owner, action="undo")
        except InputError as error:
            raise RefusedError(f"The former secret was not brought back. {error}") from None

    def forget_former(self) -> int:
        """Delete for good every secret that cannot be brought back any more. Returns how many."""
        return self._repository.forget_former(self._clock())

    # --- the steps of an edit ----------------------------------------------------------------

    def _opened(self, sealed: SealedRow, doing: Doing) -> OpenedKey:
        """What is sealed. That it was altered is recorded of what was to be done with it."""
        try:
            return self._unsealed(sealed)
        except SealError as error:
            self._begin(replace(doing, result="locked", detail=str(error)))
            raise

    def _unsealed(self, sealed: SealedRow) -> OpenedKey:
        """What is sealed, bound to the label that its row has now. Raises LockedError."""
        entry = sealed.entry
        label = Label(entry.id, entry.provider, entry.endpoint, entry.revision, entry.allow_http)
        secret = self._safe.open(sealed.blob, label)
        return OpenedKey(
            id=label.key_id,
            provider=label.provider,
            destination=label.destination,
            revision=label.revision,
            secret=secret or None,
            allow_http=label.allow_http,
        )

    def _at_version(self, key_id: str, owner: str, version: int) -> KeyEntry:
        return _seen(self._repository.entry(key_id, owner), version)

    def _holds(self, entry: KeyEntry, secret: str, owner: str) -> bool:
        """Whether this secret is what is sealed already; no when that does not open any more."""
        self._safe.require()
        try:
            return self._unsealed(self._repository.sealed(entry.id, owner)).secret == secret
        except LockedError:
            return False

    def _fingerprint(self, secret: str) -> str | None:
        """Its mark; none for one too short to be a credential: local servers may share it."""
        return self._safe.fingerprint(secret) if len(secret) >= pasted.SHORTEST_SHOWN else None

    def _mark(self, secret: str) -> str | None:
        print_ = self._fingerprint(secret)
        return print_[:MARK] if print_ else None

    def _unused_fingerprint(self, secret: str, owner: str, own_id: str | None = None) -> str | None:
        print_ = self._fingerprint(secret)
        twin = self._repository.twin(owner, print_) if print_ else None
        if twin is not None and twin.id != own_id:
            label = vendor_label(twin.provider)
            raise InputError("secret", f"This key is already saved as “{twin.name}” ({label}).")
        return print_

    def _rename(self, entry: KeyEntry, typed: Typed, owner: str) -> Saved:
        if typed.name == entry.name:
            return Saved(entry, typed.notes, changed=False, recheck=False)
        changes = RowChanges(name=typed.name, name_key=pasted.name_key(typed.name))
        renamed = self._update(entry, changes, owner, "rename")
        return Saved(renamed, typed.notes, recheck=False)

    def _reseal(
        self,
        entry: KeyEntry,
        typed: Typed,
        owner: str,
        *,
        action: Action = "edit",
        undo_until: datetime | None = None,
    ) -> Saved:
        self._safe.require()
        row = provider_row(typed.provider or entry.provider)
        label = Label(entry.id, row.slug, typed.endpoint, entry.revision + 1, typed.allow_http)

        def write(blob: bytes, data_key_id: str) -> KeyEntry:
            print_ = self._unused_fingerprint(typed.secret, owner, entry.id)
            made = row_of(label, typed, owner, entry.created_at, print_, blob, data_key_id)
            return self._update(entry, changes_of(made), owner, action, undo_until)

        return Saved(self._safe.sealing(label, typed.secret, write), typed.notes)

    def _update(
        self,
        entry: KeyEntry,
        changes: RowChanges,
        owner: str,
        action: Action,
        undo_until: datetime | None = None,
    ) -> KeyEntry:
        after = changed_entry(entry, changes)
        told = what_changed(entry, after, typed_anew=action == "edit")
        doing = about(self._doing(action, owner, detail=told), after)
        return self._repository.update(
            entry.id,
            owner,
            version=entry.version,
            changes=changes,
            by=owner,
            at=doing.at,
            doing=doing,
            undo_until=undo_until,
        )

    # --- the record ----------------------------------------------------------------------------

    def _doing(
        self, action: Action, owner: str, *, at: datetime | None = None, **told: Any
    ) -> Doing:
        request = secrets.token_hex(6)
        return Doing(action, owner, owner, at or self._clock(), request_id=request, **told)

    def _begin(self, doing: Doing) -> int:
        return self._repository.journal.begin(doing)
