"""The verbs: add, edit, remove, select, list. The only way in to the saved keys.

Every verb takes the owner it acts for and decides from the store. What comes out is a `KeyEntry`,
which never has the secret; `open` alone gives it out, for one request, to validation and chat.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from mohet_keys import endpoints, pasted
from mohet_keys.errors import ConflictError, InputError, LockedError, RefusedError
from mohet_keys.model import (
    CheckResult,
    Diagnosis,
    KeyChanges,
    KeyEntry,
    NewKey,
    OpenedKey,
    Selection,
)
from mohet_keys.model_choice import is_model_id
from mohet_keys.providers import BY_SLUG, sign_of
from mohet_keys.repository import NewRow, Repository, RowChanges, SealedRow, Sort
from mohet_keys.sealed import Label
from mohet_keys.standing import held_diagnosis, standing, vendor_label
from mohet_keys.typed import Typed, provider_row, read_changes, read_new, require_no_secret
from mohet_keys.vault import Vault

T = TypeVar("T")

_IMMOVABLE = "This key cannot be moved. Add it at its own provider instead."


@dataclass(frozen=True, slots=True)
class Saved:
    """A key that was saved, with a sentence for each thing that was mended on the way in."""

    entry: KeyEntry
    notes: tuple[str, ...] = ()
    changed: bool = True
    recheck: bool = True
    """Whether the secret or its destination is new, so that an earlier check says nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of keys and how many there are in all."""

    entries: tuple[KeyEntry, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A key that is not saved. `held` says why it must not be sent, where that is so."""

    key: OpenedKey
    held: Diagnosis | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class KeyService:
    """The saved keys of everybody, opened only through `vault`.

    `vault` is None, or says why in `locked`, when the present master key opens nothing: then
    listing, renaming, selecting and deleting still work, saving a secret and using one do not.
    """

    def __init__(
        self,
        repository: Repository,
        vault: Vault | None,
        *,
        locked: str | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._locked = locked
        self._clock = clock

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
        """Why no key can be opened now; None when they can."""
        return self._locked

    def _shown(self, entry: KeyEntry) -> KeyEntry:
        return replace(entry, locked=self._locked) if self._locked else entry

    # --- writing ---------------------------------------------------------------------------

    def add(self, new: NewKey, *, owner: str) -> Saved:
        """Save a key. Raises InputError for what was typed, LockedError, StoreError."""
        row = provider_row(new.provider)
        vault = self._open_vault()
        typed = read_new(new)
        print_ = self._unused_fingerprint(vault, typed.secret, owner)
        key_id = str(uuid.uuid4())
        label = Label(key_id, row.slug, typed.endpoint, 1, typed.allow_http)
        blob = vault.seal(label, typed.secret)
        held = pasted.looks_like(typed.secret, row, typed.endpoint)
        entry = self._repository.insert(
            NewRow(
                id=key_id,
                owner=owner,
                provider=row.slug,
                name=typed.name,
                name_key=pasted.name_key(typed.name),
                endpoint=typed.endpoint,
                hint=pasted.hint(typed.secret),
                has_secret=bool(typed.secret),
                sealed=blob,
                fingerprint=print_,
                data_key_id=vault.data_key_of(blob),
                revision=1,
                looks_like=held.slug if held else None,
                allow_http=typed.allow_http,
                created_at=self._clock(),
            ),
            by=owner,
        )
        return Saved(entry, typed.notes)

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
        return self._repository.delete(key_id, owner)

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
        secret = _opened(self._open_vault(), self._repository.sealed(key_id, owner)).secret or ""
        sign = sign_of(secret)
        if sign is None or sign.slug != row.slug:  # the mark in the row is not sealed
            raise RefusedError(_IMMOVABLE)
        typed = Typed(entry.name, secret, endpoints.canonical(row.endpoint), False, (), row.slug)
        return self._reseal(entry, typed, owner)

    def send_anyway(self, key_id: str, *, owner: str, version: int) -> KeyEntry:
        """Lift the hold of a key that looks like another vendor's: the user says it is right."""
        entry = self._at_version(key_id, owner, version)
        return self._update(entry, RowChanges(looks_like=None), owner)

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
            return _opened(self._open_vault(), self._repository.sealed(key_id, owner)).destination
        except LockedError:
            return None

    def draft(self, new: NewKey, *, owner: str) -> Draft:
        """A key as it would be saved, for a test before that. Nothing is written.

        Raises InputError for what was typed, LockedError when nothing could be saved anyway.
        """
        row = provider_row(new.provider)
        typed = read_new(new)
        self._unused_fingerprint(self._open_vault(), typed.secret, owner)
        held = pasted.looks_like(typed.secret, row, typed.endpoint)
        key = OpenedKey("", row.slug, typed.endpoint, 0, typed.secret or None, typed.allow_http)
        return Draft(key, held_diagnosis(held.slug) if held else None)

    # --- opening ---------------------------------------------------------------------------

    def open(self, key_id: str, *, owner: str) -> OpenedKey:
        """The secret, for one request to the destination it was sealed with.

        Raises NotFoundError, LockedError (SealError when the row was altered), and RefusedError
        while the key is held because it looks like another vendor's.
        """
        sealed = self._repository.sealed(key_id, owner)
        if sealed.entry.looks_like:
            raise RefusedError(standing(sealed.entry).explanation)
        return _opened(self._open_vault(), sealed)

    # --- the steps of an edit ----------------------------------------------------------------

    def _open_vault(self) -> Vault:
        if self._vault is None or self._locked:
            raise LockedError(self._locked or "There is no master key, so no key can be opened.")
        return self._vault

    def _at_version(self, key_id: str, owner: str, version: int) -> KeyEntry:
        entry = self._repository.entry(key_id, owner)
        if entry.version != version:
            raise ConflictError(entry.name, entry.updated_by, entry.updated_at)
        return entry

    def _holds(self, entry: KeyEntry, secret: str, owner: str) -> bool:
        """Whether this secret is what is sealed already; no when that does not open any more."""
        vault = self._open_vault()
        try:
            return _opened(vault, self._repository.sealed(entry.id, owner)).secret == secret
        except LockedError:
            return False

    def _unused_fingerprint(
        self, vault: Vault, secret: str, owner: str, own_id: str | None = None
    ) -> str | None:
        if len(secret) < pasted.SHORTEST_SHOWN:
            return None  # too short to be a credential: several local servers may share it
        print_ = vault.fingerprint(secret)
        twin = self._repository.twin(owner, print_)
        if twin is not None and twin.id != own_id:
            label = vendor_label(twin.provider)
            raise InputError("secret", f"This key is already saved as “{twin.name}” ({label}).")
        return print_

    def _rename(self, entry: KeyEntry, typed: Typed, owner: str) -> Saved:
        if typed.name == entry.name:
            return Saved(entry, typed.notes, changed=False, recheck=False)
        changes = RowChanges(name=typed.name, name_key=pasted.name_key(typed.name))
        return Saved(self._update(entry, changes, owner), typed.notes, recheck=False)

    def _reseal(self, entry: KeyEntry, typed: Typed, owner: str) -> Saved:
        vault = self._open_vault()
        row = provider_row(typed.provider or entry.provider)
        print_ = self._unused_fingerprint(vault, typed.secret, owner, entry.id)
        label = Label(entry.id, row.slug, typed.endpoint, entry.revision + 1, typed.allow_http)
        blob = vault.seal(label, typed.secret)
        held = pasted.looks_like(typed.secret, row, typed.endpoint)
        changes = RowChanges(
            provider=row.slug,
            name=typed.name,
            name_key=pasted.name_key(typed.name),
            endpoint=typed.endpoint,
            hint=pasted.hint(typed.secret),
            has_secret=bool(typed.secret),
            sealed=blob,
            fingerprint=print_,
            data_key_id=vault.data_key_of(blob),
            revision=label.revision,
            looks_like=held.slug if held else None,
            allow_http=typed.allow_http,
        )
        return Saved(self._update(entry, changes, owner), typed.notes)

    def _update(self, entry: KeyEntry, changes: RowChanges, owner: str) -> KeyEntry:
        return self._repository.update(
            entry.id, owner, version=entry.version, changes=changes, by=owner, at=self._clock()
        )


def _opened(vault: Vault, sealed: SealedRow) -> OpenedKey:
    """What is sealed, bound to the label that its row has now. Raises LockedError."""
    entry = sealed.entry
    label = Label(entry.id, entry.provider, entry.endpoint, entry.revision, entry.allow_http)
    return OpenedKey(
        id=label.key_id,
        provider=label.provider,
        destination=label.destination,
        revision=label.revision,
        secret=vault.open(sealed.blob, label) or None,
        allow_http=label.allow_http,
    )
