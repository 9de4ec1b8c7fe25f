"""Deletes keys: one that was asked for, or those that their providers rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mohet_keys.errors import ConflictError
from mohet_keys.model import ChosenBy, KeyEntry, Person, Verdict
from mohet_keys.notices import Words
from mohet_keys.opening import Opening
from mohet_keys.rights import may_change
from mohet_keys.standing import standing, vendor_label


def seen(entry: KeyEntry, version: int) -> KeyEntry:
    """The key, if it still is what was seen of it. Raises ConflictError."""
    if entry.version != version:
        raise ConflictError(entry.name, entry.updated_by, entry.updated_at)
    return entry


def is_rejected(entry: KeyEntry) -> bool:
    """Whether the provider itself said no to the secret that the key has now."""
    return standing(entry).verdict is Verdict.INVALID


NOBODY = ChosenBy()


@dataclass(frozen=True, slots=True)
class Gone:
    """A key that is gone from where others could use it, as it was, and who had it selected."""

    entry: KeyEntry
    chosen_by: ChosenBy = NOBODY


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of keys that were to be deleted."""

    gone: tuple[KeyEntry, ...]
    kept: tuple[KeyEntry, ...]
    """Those that were changed or checked otherwise since they were seen."""
    chosen_by: ChosenBy = NOBODY
    """Who else had one of those selected that are gone."""


class Removing(Opening):
    """The verbs that delete. What is done is recorded in the transaction that does it, and whoever
    had the key selected is told."""

    def chosen_by(self, key_id: str, *, owner: str, also_owner: bool = True) -> ChosenBy:
        """Who else has a key selected and would have to select another one without it.

        For whoever may delete it. Without `also_owner` the one who owns it is not counted, who
        keeps a key that is made private. Raises NotFoundError, DeniedError.
        """
        with self._asking("delete", owner, key_id) as asked:
            entry = asked.to_change(self._repository.entry(key_id, owner))
            if not entry.shared:
                return NOBODY
            others = self._repository.shelves.chosen_by(key_id, but=owner)
            keeps = "" if also_owner else entry.owner
            return self._told_of(asked.person, [each for each in others if each != keeps])

    def remove(self, key_id: str, *, owner: str, version: int | None = None) -> Gone:
        """Delete a key for good, and every selection of it.

        With a `version` only if it still is what was seen. Raises NotFoundError, ConflictError,
        DeniedError.
        """
        with self._asking("delete", owner, key_id) as asked:

            def vet(entry: KeyEntry) -> None:
                asked.to_change(entry)
                if version is not None:
                    seen(entry, version)

            doing = self._doing("delete", owner)
            words = self._words(asked.person, "deleted")
            before, others = self._repository.delete(
                key_id, owner, doing=doing, vet=vet, words=words
            )
            return Gone(before, self._told_of(asked.person, others))

    def rejected(self, *, owner: str, limit: int | None = None) -> Sequence[KeyEntry]:
        """The keys that their providers themselves rejected and that may be deleted, by name.

        Never one that is locked or held, and none that could not be asked or was changed since.
        """
        with self._asking("list keys", owner) as asked:
            own_alone = not asked.person.is_administrator
            found = self._repository.ranked(
                owner, Verdict.INVALID, limit=limit, own_alone=own_alone
            )
            shown = (self._shown(entry, asked.person) for entry in found)
            return [entry for entry in shown if is_rejected(entry)]

    def remove_rejected(self, listed: Sequence[KeyEntry], *, owner: str) -> Removed:
        """Delete those of these keys that still are as they were listed, and still rejected.

        One that is gone already is passed over. Raises StoreError, and nothing is deleted then.
        """
        versions = {entry.id: entry.version for entry in listed}
        with self._asking("delete", owner) as asked:
            person = asked.person
            doings = {key_id: self._doing("delete", owner) for key_id in versions}

            def is_the_same(entry: KeyEntry) -> bool:
                same = entry.version == versions[entry.id] and may_change(person, entry)
                return same and is_rejected(self._shown(entry, person))

            gone, kept, others = self._repository.delete_all(
                doings, owner, vet=is_the_same, words=self._words(person, "deleted")
            )
            return Removed(tuple(gone), tuple(kept), self._told_of(person, others))

    def _told_of(self, person: Person, others: Sequence[str]) -> ChosenBy:
        """Other people as this person may know them: administrators by name."""
        if not others or not person.is_administrator:
            return ChosenBy(len(others))
        names = self._repository.people.names(others)
        return ChosenBy(len(others), tuple(sorted(names.get(each, each) for each in others)))

    def _words(self, person: Person, did: str) -> Words:
        """What others are told of what was done with a key."""

        def said(entry: KeyEntry, *, had_selected: bool) -> str:
            name = f"{vendor_label(entry.provider)}/{entry.name}"
            told = f"{person.name} {did} “{name}”."
            return f"{told} Select another key." if had_selected else told

        return said
