"""Who may do what: decided from the store at the moment somebody asks, for every verb.

A local run has one person, who may do everything with what is theirs and is looked up nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from mohet_keys.errors import DeniedError
from mohet_keys.model import LOCAL_OWNER, LOCAL_PERSON, KeyEntry, Person, Role
from mohet_keys.people import People


class Rights:
    """The rights of people who sign in, and of the one who uses a local run."""

    records_denials = True
    """Whether what is denied is put on record."""

    def __init__(self, people: People) -> None:
        self._people = people

    def person(self, person_id: str) -> Person:
        """Who asks, as they are now. Raises DeniedError for nobody and for who is disabled."""
        if person_id == LOCAL_OWNER:
            return LOCAL_PERSON
        found = self._people.find(person_id)
        if found is None or found.disabled:
            raise DeniedError
        return found


class BackgroundRights(Rights):
    """What the app does by itself for a key's owner, who may have been disabled since: a team key
    outlives that. Never for what a person asks."""

    records_denials = False

    def person(self, person_id: str) -> Person:
        """The owner, whoever that is."""
        return Person(person_id, person_id, Role.ADMINISTRATOR)


@dataclass(slots=True)
class Asked:
    """Somebody asks for something: who, for what, and about which key as far as it is known."""

    person: Person
    tried: str
    key_id: str | None = None
    entry: KeyEntry | None = None

    def to_change(self, entry: KeyEntry) -> KeyEntry:
        """The key, for whoever may change it. Raises DeniedError."""
        self.entry = entry
        if not may_change(self.person, entry):
            raise DeniedError(
                f"Only {entry.owner_name} or an administrator can {self.tried} this key."
            )
        return entry

    def to_read(self, entry: KeyEntry, typed_by: str) -> KeyEntry:
        """The key, for whoever may have its very secret: its owner, who typed it.

        An administrator may do everything else with a team key, and may become the owner of any
        key; neither shall be a way to a secret of somebody else's. Raises DeniedError.
        """
        self.entry = entry
        if not entry.mine:
            raise DeniedError(f"Only {entry.owner_name} can {self.tried} this key.")
        if typed_by != self.person.id:
            raise DeniedError(
                f"Only who entered its secret can {self.tried} this key. Replace the secret first."
            )
        return entry


def may_change(person: Person, entry: KeyEntry) -> bool:
    """Whether a person who sees this key may also change it."""
    return entry.mine or (entry.shared and person.is_administrator)
