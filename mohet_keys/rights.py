"""Who may do what: decided from the store at the moment somebody asks, for every verb.

A local run has one person, who may do everything with what is theirs and is looked up nowhere.
What is denied to others is on record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock

from mohet_keys import logs
from mohet_keys.errors import DeniedError, NotFoundError, RuleError, StoreError
from mohet_keys.journal import about
from mohet_keys.model import LOCAL_OWNER, LOCAL_PERSON, Doing, KeyEntry, Person, Role
from mohet_keys.repository import Repository
from mohet_keys.rows import is_storable

LONGEST_ID = 64
"""Characters of a key id that is recorded when it was asked for in vain."""
ANEW = 60.0
"""Seconds after which the same denial is put on record again: whoever keeps on asking does not fill
the record."""
_MOST = 1000
"""Denials that are remembered at once."""
_LONG = 200
"""Characters of a key id by which two are told apart, and that are remembered."""
_ADMINISTRATORS_ALONE = "Only an administrator can do this."


def _now() -> datetime:
    return datetime.now(UTC)


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

    def to_administer(self) -> Person:
        """Who asks, as an administrator. Raises DeniedError."""
        if not self.person.is_administrator:
            raise DeniedError(_ADMINISTRATORS_ALONE)
        return self.person


class Rights:
    """The rights of people who sign in, and of the one who uses a local run."""

    records_denials = True
    """Whether what is denied is put on record."""

    def __init__(
        self,
        repository: Repository,
        *,
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._people = repository.people
        self._journal = repository.journal
        self._clock = clock
        self._lately = _Lately(monotonic)

    def person(self, person_id: str) -> Person:
        """Who asks, as they are now. Raises DeniedError for nobody and for who is disabled."""
        if person_id == LOCAL_OWNER:
            return LOCAL_PERSON
        found = self._people.find(person_id)
        if found is None or found.disabled:
            raise DeniedError
        return found

    @contextmanager
    def asking(self, tried: str, owner: str, key_id: str | None = None) -> Iterator[Asked]:
        """What somebody asks for; denied, or asked about no key of theirs, it is on record.

        Somebody else's key, an unknown one and a malformed id are recorded alike, so that they
        cannot be told apart by how long that takes either. Raises DeniedError.
        """
        asked = Asked(LOCAL_PERSON, tried, key_id)
        try:
            asked.person = self.person(owner)
            yield asked
        except (DeniedError, NotFoundError, RuleError):
            asked.person = replace(asked.person, id=owner)
            denial = self.denial(asked)
            if denial is not None:
                try:
                    self._journal.begin(denial)
                except StoreError:  # it is denied whether or not that can be written down
                    self._lately.forget()
            raise
        except StoreError:
            self._lately.forget()  # for what was to be recorded may not have been
            raise

    def let_in(self, tried: str, owner: str) -> Person:
        """Who asks, for what takes no more than to be somebody. Raises DeniedError, on record."""
        with self.asking(tried, owner) as asked:
            return asked.person

    def denial(self, asked: Asked) -> Doing | None:
        """That something was denied, for the record; None where there is nobody to deny it to, and
        for what was denied to the same person within the last minute already.

        What is said of a key is what whoever asked may know of it anyway, so never its mark.
        """
        if asked.person.id == LOCAL_OWNER or not self.records_denials:
            return None
        of = f"key {asked.entry.id}" if asked.entry else asked.key_id or ""
        if not self._lately.is_news(asked.person.id, asked.tried, of):
            return None
        doing = Doing(
            *("denied", asked.person.id, asked.person.id, self._clock()),
            result="refused",
            detail=f"tried to {asked.tried}",
            request_id=logs.id_to_record(),
            mark="",
        )
        if asked.entry is not None:
            return about(doing, asked.entry)
        key_id = asked.key_id or ""
        storable = len(key_id) <= LONGEST_ID and is_storable(key_id)
        return replace(doing, key_id=key_id if key_id and storable else None)


class _Lately:
    """What was denied within the last minute, to whom and of which key. Threads may share it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._until: dict[tuple[str, ...], float] = {}

    def is_news(self, *what: str) -> bool:
        """Whether this was not asked within the last minute. From now on it was."""
        key, now = tuple(each[:_LONG] for each in what), self._monotonic()
        with self._lock:
            if now < self._until.get(key, now):
                return False
            if len(self._until) >= _MOST:
                young = {key: until for key, until in self._until.items() if now < until}
                self._until = young if len(young) < _MOST else {}
            self._until[key] = now + ANEW
            return True

    def forget(self) -> None:
        """Everything is news."""
        with self._lock:
            self._until.clear()


class BackgroundRights(Rights):
    """What the app does by itself for a key's owner, who may have been disabled since: a team key
    outlives that. Never for what a person asks."""

    records_denials = False

    def person(self, person_id: str) -> Person:
        """The owner, whoever that is."""
        return Person(person_id, person_id, Role.ADMINISTRATOR)


def may_change(person: Person, entry: KeyEntry) -> bool:
    """Whether a person who sees this key may also change it."""
    return entry.mine or (entry.shared and person.is_administrator)
