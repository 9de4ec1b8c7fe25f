"""Shares keys with the team, and takes them back."""

from __future__ import annotations

from dataclasses import replace

from mohet_keys.errors import RefusedError
from mohet_keys.journal import about
from mohet_keys.model import LOCAL_OWNER, TEAM, KeyEntry
from mohet_keys.removing import Gone, Removing, seen

_NO_TEAM = "Nobody signs in here, so there is nobody to share this key with."


class Sharing(Removing):
    """The verbs that move a key between its owner's shelf and the team's."""

    def share(self, key_id: str, *, owner: str, version: int) -> KeyEntry:
        """Have everybody in the team use a key, which nobody can read. One that is shared stays so.

        Raises InputError at the name when the team has a key of that name, ConflictError when it
        is not the version that was seen, NotFoundError, DeniedError; RefusedError in a local run,
        where nobody would see it.
        """
        with self._asking("share", owner, key_id) as asked:
            entry = seen(asked.to_change(self._repository.entry(key_id, owner)), version)
            if owner == LOCAL_OWNER:
                raise RefusedError(_NO_TEAM)
            if entry.shared:
                return self._shown(entry, asked.person)
            doing = about(self._doing("share", owner), entry)
            self._repository.shelves.place(entry, TEAM, by=owner, doing=doing)
            return self._shown(self._repository.entry(key_id, owner), asked.person)

    def unshare(self, key_id: str, *, owner: str, version: int) -> Gone:
        """Give a key back to its owner alone, and clear everybody else's selection of it.

        They are told. Raises as `share` does, InputError when its owner has a key of that name, and
        RuleError when they may have no private keys.
        """
        with self._asking("stop sharing", owner, key_id) as asked:
            entry = seen(asked.to_change(self._repository.entry(key_id, owner)), version)
            if not entry.shared:
                return Gone(self._shown(entry, asked.person))
            rules = self._rules(owner)
            if rules is not None:
                rules.vet_private(asked.person)
            doing = about(self._doing("unshare", owner), entry)
            words = self._words(asked.person, "stopped sharing")
            others = self._repository.shelves.place(
                entry, entry.owner, by=owner, doing=doing, words=words
            )
            after = replace(entry, shared=False, version=entry.version + 1)
            return Gone(self._shown(after, asked.person), self._told_of(asked.person, others))
