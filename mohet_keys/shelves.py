"""Where keys stand: on their owner's shelf or the team's, and what it takes to move them.

With it stands what every transaction on keys needs: to find one, to say what is in its way, and to
tell those who had it selected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, update

from mohet_keys import journal, notices, pasted
from mohet_keys.database import ClashError, Database
from mohet_keys.errors import ConflictError, InputError, MohetError, NotFoundError
from mohet_keys.model import TEAM, Doing, KeyEntry, Person
from mohet_keys.notices import Words
from mohet_keys.queries import listed, mine, named, twin_of
from mohet_keys.rows import InTheWay, entry_of
from mohet_keys.tables import KEY, MODEL_CHOICE, SELECTION

_MOST_NAMES = 10_000
"""As many keys of one owner may be named alike but for a number."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How many keys changed hands, and how many stayed, for their new owner has their secret."""

    moved: int
    left: int = 0


class Shelves:
    """The moves of keys. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def chosen_by(self, key_id: str, *, but: str) -> list[str]:
        """Who has a key selected, but for one person."""
        with self._database.reading() as connection:
            return _but(_choosers(connection, key_id), but)

    def place(
        self, entry: KeyEntry, shelf: str, *, by: str, doing: Doing, words: Words | None = None
    ) -> list[str]:
        """Put the version of a key that was seen on another shelf.

        Whoever else had it selected and does not see it there has it selected no more; they and its
        owner are told the `words`, and the former are returned. Raises InputError when its name is
        taken there, ConflictError, NotFoundError.
        """
        stamped = {"version": entry.version + 1, "updated_at": doing.at, "updated_by": by}
        try:
            with self._database.writing() as connection:
                before = one(connection, by, entry.id)
                if before.version != entry.version:
                    raise ConflictError(before.name, before.updated_by, before.updated_at)
                moved = update(KEY).where(KEY.c.id == entry.id)
                connection.execute(moved.values(shelf=shelf, **stamped))
                others = [] if shelf == TEAM else _parted(connection, entry.id, entry.owner)
                if words is not None:
                    notices.tell(connection, entry, words, doing.at, choosers=others, by=by)
                journal.write(connection, doing)
        except ClashError as clash:
            raise taken(self._database, by, {"id": entry.id, "shelf": shelf}, clash) from None
        return _but(others, by)

    def hand_over(
        self,
        giver: Person,
        taker: Person,
        *,
        by: Person,
        at: datetime,
        doing: Callable[[KeyEntry, str], Doing],
    ) -> HandedOver:
        """Make somebody the owner of all keys of another: of team keys where they stand, of private
        ones on the new owner's shelf, under a free name.

        A key whose very secret the new owner has saved already stays where it is. `doing` is what
        is recorded of each, of its new owner. Both are told.
        """
        moved = left = 0
        with self._database.writing() as connection:
            asked = listed(giver.id).where(KEY.c.owner == giver.id)
            ordered = asked.order_by(KEY.c.name_key, KEY.c.id)
            for row in connection.execute(ordered).mappings().all():
                entry = entry_of(row)
                if _has_twin(connection, entry.id, taker.id):
                    left += 1
                    continue
                told = replace(doing(entry, taker.id), at=at)
                values = {"owner": taker.id, "version": entry.version + 1, "updated_at": at}
                values |= {"updated_by": by.id}
                if not entry.shared:
                    values |= {"shelf": taker.id, **_free_name(connection, entry, taker.id)}
                    _parted(connection, entry.id, taker.id)
                    theirs = (MODEL_CHOICE.c.key_id == entry.id, MODEL_CHOICE.c.owner == giver.id)
                    connection.execute(delete(MODEL_CHOICE).where(*theirs))
                connection.execute(update(KEY).where(KEY.c.id == entry.id).values(values))
                journal.write(connection, told)
                moved += 1
            if moved:
                keys = "1 key" if moved == 1 else f"{moved} keys"
                given = f"{by.name} handed {keys} of yours to {taker.name}."
                got = f"{by.name} handed {keys} of {giver.name}’s to you."
                notices.say(connection, {giver.id: given, taker.id: got}, at)
        return HandedOver(moved, left)

    def counts(self) -> dict[str, tuple[int, int]]:
        """How many private and how many team keys each person owns."""
        asked = select(KEY.c.owner, KEY.c.shelf, func.count()).group_by(KEY.c.owner, KEY.c.shelf)
        counts: dict[str, tuple[int, int]] = {}
        with self._database.reading() as connection:
            for owner, shelf, count in connection.execute(asked):
                private, shared = counts.get(owner, (0, 0))
                counts[owner] = (private, count) if shelf == TEAM else (count, shared)
        return counts


# --- for every transaction on keys ------------------------------------------------------------


def first(connection: Connection, asked: Select[Any]) -> KeyEntry | None:
    """The first key that is asked for."""
    row = connection.execute(asked).mappings().first()
    return None if row is None else entry_of(row)


def one(connection: Connection, person: str, key_id: str) -> KeyEntry:
    """One key that a person sees. Raises NotFoundError."""
    return found(first(connection, mine(person, key_id)))


def found(entry: KeyEntry | None) -> KeyEntry:
    """The key. Raises NotFoundError for none."""
    if entry is None:
        raise NotFoundError
    return entry


def in_the_way(connection: Connection, asked: Select[Any]) -> InTheWay | None:
    """The first key that is asked for by `named` or `twin_of`."""
    row = connection.execute(asked).first()
    return None if row is None else InTheWay(*row)


def taken(database: Database, person: str, given: dict[str, Any], clash: ClashError) -> MohetError:
    """What to say to a person of a write of these values that clashed: whose name or secret it
    was. What is not given is as it is in the row with the same id."""
    columns = (KEY.c.owner, KEY.c.shelf, KEY.c.provider, KEY.c.name_key)
    with database.reading() as connection:
        own = connection.execute(select(*columns).where(KEY.c.id == given["id"])).mappings()
        wanted = {"fingerprint": None, **dict(own.first() or {}), **given}
        shelf, owner, but = wanted["shelf"], wanted["owner"], wanted["id"]
        namesake = in_the_way(connection, named(shelf, wanted, but=but))
        twin = in_the_way(connection, twin_of(owner, wanted["fingerprint"], but=but))
    if namesake is not None:
        return InputError("name", namesake.as_namesake(person))
    if twin is not None:
        return InputError("secret", twin.as_twin(person))
    return clash


def told_of_end(
    connection: Connection, before: KeyEntry, by: str, doing: Doing | None, words: Words | None
) -> list[str]:
    """Record that a key goes, and tell those who have it selected. Returns who else does."""
    if doing is not None:
        journal.write(connection, journal.about(doing, before))
    if not before.shared:
        return []
    others = _but(_choosers(connection, before.id), by)
    if doing is not None and words is not None:
        notices.tell(connection, before, words, doing.at, choosers=others, by=by)
    return others


def _choosers(connection: Connection, key_id: str) -> list[str]:
    asked = select(SELECTION.c.owner).where(SELECTION.c.key_id == key_id)
    return list(connection.execute(asked.order_by(SELECTION.c.owner)).scalars())


def _but(people: Sequence[str], one_of_them: str) -> list[str]:
    return [person for person in people if person != one_of_them]


def _parted(connection: Connection, key_id: str, keeper: str) -> list[str]:
    """Have nobody but one person have a key selected any more. Returns who had."""
    others = _but(_choosers(connection, key_id), keeper)
    theirs = (SELECTION.c.key_id == key_id, SELECTION.c.owner != keeper)
    connection.execute(delete(SELECTION).where(*theirs))
    return others


def _has_twin(connection: Connection, key_id: str, owner: str) -> bool:
    """Whether this owner has a key with the secret of that one."""
    mark = connection.execute(select(KEY.c.fingerprint).where(KEY.c.id == key_id)).scalar()
    return connection.execute(twin_of(owner, mark)).first() is not None


def _free_name(connection: Connection, entry: KeyEntry, shelf: str) -> dict[str, str]:
    """The name of a key as it may stand on another shelf: with a number behind it, if need be."""
    for number in range(1, _MOST_NAMES):
        end = f" ({number})" if number > 1 else ""
        name = f"{entry.name[: pasted.LONGEST_NAME - len(end)].rstrip()}{end}"
        values = {"name": name, "name_key": pasted.name_key(name)}
        if connection.execute(named(shelf, {"provider": entry.provider, **values})).first() is None:
            return values
    raise InputError("name", f"Too many keys are named “{entry.name}”.")
