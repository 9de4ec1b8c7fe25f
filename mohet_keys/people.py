"""The people who sign in: who they are, what they are in the team, and whether they may still.

Nothing is decided here but what must hold in the store itself: there is always an administrator
who is not disabled. Whether somebody may change a role is for the service to say.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, insert, select, update

from mohet_keys import journal, logs, pasted
from mohet_keys.database import ClashError, Database
from mohet_keys.errors import InputError, RefusedError
from mohet_keys.model import Doing, Person, Role
from mohet_keys.rows import is_storable
from mohet_keys.tables import PERSON

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is kept when somebody was last seen: a write for every click would be too much."""
LONGEST_ID = 254
"""Characters of an e-mail address."""
_NO_ADDRESS = "This is no e-mail address that can sign in here."
_NOBODY = "There is no such person."
_LAST = "This is the last administrator. Make somebody else one first."
_PERSON = [column for column in PERSON.c if column.name != "named"]


def id_of(address: str) -> str:
    """The id of whoever has this verified e-mail address, whatever the case it is written in.

    Raises RefusedError for what is no address, and for one that folding would make the same as
    another that a mail server tells apart, such as one with `ſ` for `s`.
    """
    whole = unicodedata.normalize("NFC", address.strip())
    folded = unicodedata.normalize("NFC", whole.casefold())
    if _ascii(folded) > _ascii(address.strip()) or not _is_address(folded):
        raise RefusedError(_NO_ADDRESS)
    return folded


def _ascii(text: str) -> int:
    return sum(map(str.isascii, text))


def _is_address(text: str) -> bool:
    local, at, domain = text.partition("@")
    is_plain = is_storable(text) and text.isprintable() and " " not in text
    return bool(at and local and domain) and "@" not in domain and is_plain and _fits(text)


def _fits(text: str) -> bool:
    return len(text) <= LONGEST_ID


class People:
    """Everybody who ever signed in. Any method may raise StoreError.

    `doing` is what is recorded with a change, in the transaction that makes it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, person_id: str) -> Person | None:
        """The person with this id, disabled or not. Takes one statement, whatever the id is."""
        with self._database.reading() as connection:
            return _found(connection, person_id)

    def everyone(self) -> list[Person]:
        """Everybody, by name."""
        asked = select(*_PERSON).order_by(PERSON.c.name, PERSON.c.id)
        with self._database.reading() as connection:
            return [_person(row) for row in connection.execute(asked).mappings()]

    def names(self, person_ids: Sequence[str]) -> dict[str, str]:
        """The names of those of these people that there are."""
        asked = select(PERSON.c.id, PERSON.c.name).where(PERSON.c.id.in_(person_ids))
        with self._database.reading() as connection:
            return {row.id: row.name for row in connection.execute(asked)}

    # --- signing in ---------------------------------------------------------------------------

    def arrived(
        self, address: str, name: str, at: datetime, *, administrator: bool = False
    ) -> Person:
        """Take in whoever signs in with this verified address, as a member when they are new.

        `administrator` says that the settings name them as one. That is heeded once, also for
        somebody who is here already, so that an operator can always get a team out of trouble;
        afterwards a role that an administrator gave them holds, until the settings stop naming
        them and name them again. It lets no disabled person in, and of such a one nothing changes:
        whoever calls has to look at `disabled`. Raises RefusedError like `id_of`.
        """
        person_id = id_of(address)
        told = Person(person_id, _clean(name) or person_id, first_seen=at, last_seen=at)
        try:
            return self._arrived(told, at, named=administrator)
        except ClashError:  # the same person arrived in another process first
            return self._arrived(told, at, named=administrator)

    def _arrived(self, told: Person, at: datetime, *, named: bool) -> Person:
        with self._database.writing() as connection:
            known = _found(connection, told.id)
            if known is not None and known.disabled:
                return known
            role = known.role if known else Role.MEMBER
            if named and not (known and _was_named(connection, told.id)):
                role = Role.ADMINISTRATOR
                if not known or known.role is not role:
                    detail = "administrator, as the settings say"
                    asked = {"detail": detail, "request_id": logs.id_to_record()}
                    journal.write(connection, Doing("role", told.id, told.id, at, **asked))
            values = {"name": told.name, "role": role.value, "named": named, "last_seen": at}
            if known is None:
                values |= {"id": told.id, "disabled": False, "first_seen": at}
                connection.execute(insert(PERSON).values(values))
            else:
                connection.execute(_change(told.id).values(values))
        first = known.first_seen if known else at
        return replace(told, role=role, first_seen=first)

    def touch(self, person_id: str, at: datetime) -> None:
        """Keep that somebody was seen now, to the minute. A clock put back takes nothing back."""
        asked = select(PERSON.c.last_seen).where(_is(person_id))
        with self._database.reading() as connection:
            last: datetime | None = connection.execute(asked).scalar()
        if last is None or at < last + SEEN_EVERY:
            return
        later = _change(person_id).where(PERSON.c.last_seen < at)
        with self._database.writing() as connection:
            connection.execute(later.values(last_seen=at))

    # --- what they are ------------------------------------------------------------------------

    def set_role(self, person_id: str, role: Role, *, doing: Doing | None = None) -> Person:
        """Make somebody an administrator or a member. Returns them as they are then.

        Raises RefusedError for nobody, and for the last administrator who is not disabled.
        """
        return self._changed(person_id, {"role": role.value}, doing)

    def disable(self, person_id: str, *, doing: Doing | None = None) -> Person:
        """Keep somebody out from now on. Raises RefusedError like `set_role`."""
        return self._changed(person_id, {"disabled": True}, doing)

    def enable(self, person_id: str, *, doing: Doing | None = None) -> Person:
        """Let somebody in again, as what they were. Raises RefusedError for nobody."""
        return self._changed(person_id, {"disabled": False}, doing)

    def _changed(self, person_id: str, values: dict[str, Any], doing: Doing | None) -> Person:
        with self._database.writing() as connection:
            able = _administrators(connection)
            connection.execute(_change(person_id).values(values))
            after = _found(connection, person_id)
            if after is None:
                raise RefusedError(_NOBODY)
            if able == {person_id} and not after.is_administrator:
                raise RefusedError(_LAST)
            if doing is not None:
                journal.write(connection, doing)
        return after


def _administrators(connection: Connection) -> set[str]:
    """Those who are not disabled, held until the transaction is over: two who demote each other
    at the same moment must not both succeed."""
    able = (PERSON.c.role == Role.ADMINISTRATOR.value, PERSON.c.disabled.is_(False))
    asked = select(PERSON.c.id).where(*able).order_by(PERSON.c.id).with_for_update()
    return set(connection.execute(asked).scalars())


def _found(connection: Connection, person_id: str) -> Person | None:
    asked = select(*_PERSON).where(_is(person_id))
    row = connection.execute(asked).mappings().first()
    return None if row is None else _person(row)


def _was_named(connection: Connection, person_id: str) -> bool:
    return bool(connection.execute(select(PERSON.c.named).where(_is(person_id))).scalar())


def _change(person_id: str) -> Any:
    return update(PERSON).where(_is(person_id))


def _is(person_id: str) -> ColumnElement[bool]:
    """Whether it is this person; an id that no database could hold is nobody's."""
    return PERSON.c.id == person_id if is_storable(person_id) else false()


def _person(row: Any) -> Person:
    """A person from their columns. A role that this version does not know has the least rights."""
    known = row["role"] == Role.ADMINISTRATOR.value
    return Person(**{**row, "role": Role.ADMINISTRATOR if known else Role.MEMBER})


def _clean(name: str) -> str:
    """A name as it is shown, which an identity provider may let people choose freely; empty when
    nothing of it is left."""
    try:
        return pasted.clean_name(name[: pasted.LONGEST_NAME])
    except InputError:
        return ""
