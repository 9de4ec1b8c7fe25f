"""Deletes keys: one that was asked for, or those that their providers rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mohet_keys.errors import ConflictError, NotFoundError
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
        if version is None:
            return self._delete(key_id, owner, None)
        return self._delete(key_id, owner, lambda entry: seen(entry, version))

    def rejected(self, *, owner: str, limit: int | None = None) -> Sequence[KeyEntry]:
        """The keys that their providers themselves rejected, by name.

        Never one that is locked or held, and none that could not be asked or was changed since.
        """
        found = self._repository.ranked(owner, Verdict.INVALID, limit=limit)
        return [entry for entry in map(self._shown, found) if is_rejected(entry)]

    def remove_rejected(self, listed: Sequence[KeyEntry], *, owner: str) -> Removed:
        """Delete those of these keys that still are as they were listed, and still rejected.

        One that is gone already is passed over. Raises StoreError; what was deleted by then is on
        record.
        """
        gone, kept = [], []
        for entry in listed:
            try:
                gone.append(self._delete(entry.id, owner, _same_and_rejected(entry.version)))
            except ConflictError:
                kept.append(entry)
            except NotFoundError:
                continue
        return Removed(tuple(gone), tuple(kept))

    def _delete(
        self, key_id: str, owner: str, vet: Callable[[KeyEntry], object] | None
    ) -> KeyEntry:
        def vetted(entry: KeyEntry) -> None:
            if vet is not None:
                vet(self._shown(entry))

        return self._repository.delete(
            key_id, owner, doing=self._doing("delete", owner), vet=vetted
        )

    def _shown(self, entry: KeyEntry) -> KeyEntry:
        locked = self._safe.locked
        return replace(entry, locked=locked) if locked else entry


def _same_and_rejected(version: int) -> Callable[[KeyEntry], None]:
    def vet(entry: KeyEntry) -> None:
        if not is_rejected(seen(entry, version)):
            raise ConflictError(entry.name, entry.updated_by, entry.updated_at)

    return vet
