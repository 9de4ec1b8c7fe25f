"""Deletes keys: one that was asked for, or those that their providers rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mohet_keys.errors import ConflictError
from mohet_keys.model import KeyEntry, Verdict
from mohet_keys.opening import Opening
from mohet_keys.standing import standing


def seen(entry: KeyEntry, version: int) -> KeyEntry:
    """The key, if it still is what was seen of it. Raises ConflictError."""
    if entry.version != version:
        raise ConflictError(entry.name, entry.updated_by, entry.updated_at)
    return entry


def is_rejected(entry: KeyEntry) -> bool:
    """Whether the provider itself said no to the secret that the key has now."""
    return standing(entry).verdict is Verdict.INVALID


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of keys that were to be deleted."""

    gone: tuple[KeyEntry, ...]
    kept: tuple[KeyEntry, ...]
    """Those that were changed or checked otherwise since they were seen."""


class Removing(Opening):
    """The verbs that delete. What is done is recorded in the transaction that does it."""

    def remove(self, key_id: str, *, owner: str, version: int | None = None) -> KeyEntry:
        """Delete a key for good, and the selection of it. Returns what it was.

        With a `version` only if it still is what was seen. Raises NotFoundError, ConflictError.
        """

        def vet(entry: KeyEntry) -> None:
            if version is not None:
                seen(entry, version)

        return self._repository.delete(key_id, owner, doing=self._doing("delete", owner), vet=vet)

    def rejected(self, *, owner: str, limit: int | None = None) -> Sequence[KeyEntry]:
        """The keys that their providers themselves rejected, by name.

        Never one that is locked or held, and none that could not be asked or was changed since.
        """
        found = self._repository.ranked(owner, Verdict.INVALID, limit=limit)
        return [entry for entry in map(self._shown, found) if is_rejected(entry)]

    def remove_rejected(self, listed: Sequence[KeyEntry], *, owner: str) -> Removed:
        """Delete those of these keys that still are as they were listed, and still rejected.

        One that is gone already is passed over. Raises StoreError, and nothing is deleted then.
        """
        versions = {entry.id: entry.version for entry in listed}
        doings = {key_id: self._doing("delete", owner) for key_id in versions}

        def is_the_same(entry: KeyEntry) -> bool:
            return entry.version == versions[entry.id] and is_rejected(self._shown(entry))

        gone, kept = self._repository.delete_all(doings, owner, vet=is_the_same)
        return Removed(tuple(gone), tuple(kept))

    def _shown(self, entry: KeyEntry) -> KeyEntry:
        locked = self._safe.locked
        return replace(entry, locked=locked) if locked else entry
