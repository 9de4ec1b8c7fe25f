"""What people are to be told when they come back: one sentence each, until they have seen it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, delete, insert, select

from mohet_keys.database import Database
from mohet_keys.model import KeyEntry
from mohet_keys.pruning import prune
from mohet_keys.rows import storable
from mohet_keys.tables import NOTICE

MOST = 50
"""Notices that are shown at once; the oldest come first."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person is to be told."""

    id: int
    at: datetime
    words: str


class Words(Protocol):
    """What people are told of what somebody else did with a key."""

    def __call__(self, entry: KeyEntry, *, had_selected: bool) -> str:
        """The sentence for those who had it selected, and cannot any more, or for its owner."""


class Notices:
    """The notices of everybody. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, person: str) -> list[Notice]:
        """What somebody has not seen yet, the oldest first."""
        columns = (NOTICE.c.id, NOTICE.c.at, NOTICE.c.words)
        asked = select(*columns).where(NOTICE.c.person == person).order_by(NOTICE.c.id)
        with self._database.reading() as connection:
            return [Notice(*row) for row in connection.execute(asked.limit(MOST))]

    def seen(self, person: str, ids: Sequence[int]) -> None:
        """Forget what somebody has seen. Notices of others are left alone."""
        own = (NOTICE.c.person == person, NOTICE.c.id.in_(ids))
        with self._database.writing() as connection:
            connection.execute(delete(NOTICE).where(*own))

    def prune(self, before: datetime) -> int:
        """Delete what nobody came back for. Returns how many notices went."""
        return prune(self._database, NOTICE, NOTICE.c.at < before)


def tell(
    connection: Connection,
    entry: KeyEntry,
    words: Words,
    at: datetime,
    *,
    choosers: Iterable[str],
    by: str,
) -> None:
    """Have people told what somebody did with a key: those who had it selected, and its owner.

    Works in a transaction that is under way.
    """
    told = {entry.owner: False} | dict.fromkeys(choosers, True)
    said = {each: words(entry, had_selected=had) for each, had in told.items() if each != by}
    say(connection, said, at)


def say(connection: Connection, words: Mapping[str, str], at: datetime) -> None:
    """Have each of these people told something, in a transaction that is under way."""
    for person, told in words.items():
        connection.execute(insert(NOTICE).values(person=person, at=at, words=storable(told)))
