"""Changes of the saved keys: added, edited, moved, given another secret."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from mohet_keys import endpoints, pasted
from mohet_keys.errors import InputError, LockedError, RefusedError
from mohet_keys.journal import about, host_of
from mohet_keys.keyring import OutdatedSealError
from mohet_keys.model import UNDO_FOR, Action, KeyChanges, KeyEntry, NewKey, OpenedKey
from mohet_keys.opening import kept_in
from mohet_keys.providers import BY_SLUG, sign_of
from mohet_keys.removing import seen
from mohet_keys.repository import UNSET, NewRow, RowChanges, SealedRow
from mohet_keys.rights import Asked
from mohet_keys.saving import (
    Prepared,
    Saved,
    Trial,
    changed_entry,
    changes_of,
    row_of,
    what_changed,
)
from mohet_keys.sealed import Label
from mohet_keys.sharing import Sharing
from mohet_keys.standing import held_diagnosis
from mohet_keys.typed import Typed, provider_row, read_changes, read_new, require_no_secret

_IMMOVABLE = "This key cannot be moved. Add it at its own provider instead."
_NOTHING_TO_REPLACE = "This key has no secret that could be replaced. Edit the key to give it one."
_PAST = "The former secret is deleted for good by now, so it cannot be brought back."


class Keeping(Sharing):
    """The verbs that write. What is done is recorded in the transaction that does it."""

    def add(self, new: NewKey, *, owner: str) -> Saved:
        """Save a key. Raises InputError for what was typed, LockedError, StoreError."""
        with self._asking("add a key", owner) as asked:
            row = provider_row(new.provider)
            self._safe.require()
            typed = read_new(new)
            self._vet_new(asked, row.slug, typed.endpoint)
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
        with self._asking("add a key", owner) as asked:
            row = provider_row(new.provider)
            self._safe.require()
            typed = read_new(new)
            self._vet_new(asked, row.slug, typed.endpoint)
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
        with self._asking("add a key", owner) as asked:
            self._vet_new(asked, prepared.row.provider, prepared.row.endpoint)
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
        ConflictError when somebody was faster, NotFoundError, DeniedError, LockedError, StoreError.
        """
        with self._asking("edit", owner, key_id) as asked:
            entry = self._at_version(asked, key_id, version)
            typed = read_changes(entry, changes)
            moved = typed.endpoint != entry.endpoint
            if not moved and (not typed.secret or self._holds(entry, typed.secret, owner)):
                return self._rename(entry, typed, owner)
            if moved and not typed.secret:
                require_no_secret(entry, typed)
            self._vet(asked, entry.provider, typed.endpoint)
            return self._reseal(entry, typed, owner, typed_by=owner)

    def move(self, key_id: str, *, owner: str, version: int) -> Saved:
        """Give a held key to the provider it looks like, at that vendor's own address.

        The one change of destination without the secret typed again: the host is the vendor's
        own. Raises RefusedError when the key is not held or the vendor has no tab here.
        """
        with self._asking("move", owner, key_id) as asked:
            entry = self._at_version(asked, key_id, version)
            row = BY_SLUG.get(entry.looks_like or "")
            if row is None or not row.hosts:
                raise RefusedError(_IMMOVABLE)
            secret = self._unsealed(self._repository.sealed(key_id, owner)).secret or ""
            sign = sign_of(secret)
            if sign is None or sign.slug != row.slug:  # the mark in the row is not sealed
                raise RefusedError(_IMMOVABLE)
            there = endpoints.canonical(row.endpoint)
            self._vet(asked, row.slug, there)
            typed = Typed(entry.name, secret, there, False, (), row.slug)
            return self._reseal(entry, typed, owner, action="move")

    def send_anyway(self, key_id: str, *, owner: str, version: int) -> KeyEntry:
        """Lift the hold of a key that looks like another vendor's: the user says it is right."""
        with self._asking("check", owner, key_id) as asked:
            entry = self._at_version(asked, key_id, version)
            return self._update(entry, RowChanges(looks_like=None), owner, "release")

    # --- a new secret, tested beside the old one ------------------------------------------------

    def trial(self, key_id: str, secret: str, *, owner: str, version: int) -> Trial:
        """A new secret for a key, for a test before it takes the place of the present one.

        It may be tried at the address that the present one is sealed for, and nowhere else; that it
        is going to be tried is recorded, and nothing else is written. Raises InputError for what
        was typed, ConflictError when the key was changed meanwhile, RefusedError for a key without
        a secret, NotFoundError, LockedError (a SealError is on record), StoreError.
        """
        with self._asking("replace", owner, key_id) as asked:
            self._safe.require()
            sealed = self._repository.sealed(key_id, owner)
            entry = seen(asked.to_change(sealed.entry), version)
            if not entry.has_secret:
                raise RefusedError(_NOTHING_TO_REPLACE)
            doing = about(self._doing("try", owner, result=""), entry)
            present = self._opened(sealed, doing)
            typed = pasted.clean_secret(secret, optional=False)
            print_ = self._replacing(entry, present, typed.secret, owner)
            rules = self._vet(asked, entry.provider, entry.endpoint)
            use = self._begin(replace(doing, mark=print_ or ""))
            key = replace(present, id="", revision=0, secret=typed.secret, use=use)
            key = kept_in(key, rules)
            return Trial(entry.id, entry.version, key, typed.notes)

    def _replacing(
        self, entry: KeyEntry, present: OpenedKey, secret: str, owner: str
    ) -> str | None:
        """The mark of a secret that may take the place of the present one. Raises InputError."""
        if secret == present.secret:
            raise InputError("secret", "This is the secret that the key has now. Enter a new one.")
        held = pasted.looks_like(secret, provider_row(present.provider), present.destination)
        if held:
            reason = held_diagnosis(held.slug).reason
            told = f"This {reason}, so it was sent nowhere. Paste a key of this provider."
            raise InputError("secret", told)
        return self._unused_fingerprint(secret, owner, entry)

    def swap(self, trial: Trial, *, owner: str) -> Saved:
        """Give a key the secret that was tried, at the address it was tried at.

        The one it had can be brought back for a quarter of an hour. Raises ConflictError when the
        key was changed meanwhile, InputError, NotFoundError, DeniedError, LockedError, StoreError.
        """
        with self._asking("replace", owner, trial.key_id) as asked:
            entry = self._at_version(asked, trial.key_id, trial.version)
            key = trial.key
            typed = Typed(
                *(entry.name, key.secret or "", key.destination, key.allow_http, trial.notes),
                provider=key.provider,
            )
            until = self._clock() + UNDO_FOR
            return self._reseal(
                entry, typed, owner, action="replace", typed_by=owner, undo_until=until
            )

    def undo_swap(self, key_id: str, *, owner: str, version: int) -> Saved:
        """Bring back the secret that a key had before, for the same address.

        Raises RefusedError when it is past or saved elsewhere by now, LockedError when it does not
        open (a SealError is on record), ConflictError, NotFoundError, DeniedError, StoreError.
        """
        with self._asking("replace", owner, key_id) as asked:
            self._safe.require()
            entry = self._at_version(asked, key_id, version)
            former = self._repository.former(key_id, owner, self._clock())
            if former is None:
                self.forget_former()
                raise RefusedError(_PAST)
            then = SealedRow(replace(entry, revision=former.revision), former.blob)
            secret = self._opened(then, about(self._doing("undo", owner), entry)).secret or ""
            typed = Typed(entry.name, secret, entry.endpoint, entry.allow_http, ())
            try:
                return self._reseal(entry, typed, owner, action="undo", typed_by=former.typed_by)
            except InputError as error:
                raise RefusedError(f"The former secret was not brought back. {error}") from None

    def forget_former(self) -> int:
        """Delete for good every secret that cannot be brought back any more. Returns how many."""
        return self._repository.forget_former(self._clock())

    # --- the steps of a change -------------------------------------------------------------------

    def _at_version(self, asked: Asked, key_id: str, version: int) -> KeyEntry:
        """The key that was seen, for whoever may change it. Raises NotFoundError, DeniedError,
        ConflictError."""
        entry = asked.to_change(self._repository.entry(key_id, asked.person.id))
        return seen(entry, version)

    def _holds(self, entry: KeyEntry, secret: str, owner: str) -> bool:
        """Whether this secret is what is sealed already; no when that does not open any more."""
        self._safe.require()
        try:
            return self._unsealed(self._repository.sealed(entry.id, owner)).secret == secret
        except LockedError:
            return False

    def _unused_fingerprint(
        self, secret: str, owner: str, of: KeyEntry | None = None
    ) -> str | None:
        """The mark of a secret that this owner is to have, or the owner of the key that gets it.

        Raises InputError when they have it under another key.
        """
        print_ = self._fingerprint(secret)
        whose = of.owner if of else owner
        twin = self._repository.twin(whose, print_) if print_ else None
        if twin is not None and twin.id != (of.id if of else None):
            raise InputError("secret", twin.as_twin(owner))
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
        typed_by: str = UNSET,
        undo_until: datetime | None = None,
    ) -> Saved:
        """Seal a key as it is typed now. `typed_by` is who typed its secret, if it is another."""
        self._safe.require()
        row = provider_row(typed.provider or entry.provider)
        label = Label(entry.id, row.slug, typed.endpoint, entry.revision + 1, typed.allow_http)

        def write(blob: bytes, data_key_id: str) -> KeyEntry:
            print_ = self._unused_fingerprint(typed.secret, owner, entry)
            made = row_of(label, typed, owner, entry.created_at, print_, blob, data_key_id)
            changes = replace(changes_of(made), typed_by=typed_by)
            return self._update(entry, changes, owner, action, undo_until)

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
