"""The record of what happened to keys: it is added to and read, and nothing else.

What is done in the store is recorded in the transaction that does it. What leaves the store, a use
of a key, is recorded before it happens, and its outcome beside it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, or_, select

from mohet_keys import endpoints
from mohet_keys.database import Database
from mohet_keys.errors import InputError
from mohet_keys.model import Activity, Doing, KeyEntry
from mohet_keys.rows import storable
from mohet_keys.tables import EVENT, KEY, OUTCOME

MARK = 16
"""Hex digits of a fingerprint that are recorded: enough to tell secrets apart."""
_AT_ONCE = 1000
_RESULT = func.coalesce(OUTCOME.c.result, EVENT.c.result)
_DETAIL = func.coalesce(OUTCOME.c.detail, EVENT.c.detail)
_SEARCHED = (EVENT.c.key_name, EVENT.c.host, EVENT.c.actor, EVENT.c.key_id, EVENT.c.request_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of what happened is asked for; what is left empty narrows nothing.

    `search` is looked for in name, host, who, key id and request id, whatever its case.
    """

    owner: str | None = None
    action: str = ""
    provider: str = ""
    key_id: str = ""
    result: str = ""
    search: str = ""
    since: datetime | None = None


class Journal:
    """What happened, in the order it was recorded. Any method may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, doing: Doing) -> int:
        """Record something before it happens, and have it on disk. Returns its number."""
        with self._database.writing() as connection:
            return write(connection, doing)

    def end(self, number: int, result: str, at: datetime, detail: str = "") -> None:
        """Record how something ended. The first word counts; a second one changes nothing."""
        with self._database.writing() as connection:
            close(connection, number, result, at, detail)

    def page(self, wanted: Wanted, *, offset: int = 0, limit: int | None = None) -> list[Activity]:
        """What happened, the latest first."""
        asked = _read(wanted).order_by(EVENT.c.id.desc()).offset(offset).limit(limit)
        with self._database.reading() as connection:
            return [Activity(**row) for row in connection.execute(asked).mappings()]

    def count(self, wanted: Wanted) -> int:
        """How many there are."""
        asked = _narrowed(select(func.count(EVENT.c.id)), wanted)
        with self._database.reading() as connection:
            return int(connection.execute(asked).scalar_one())

    def all(self, wanted: Wanted, most: int) -> Iterator[Activity]:
        """The latest `most`, read in parts, so that no transaction stays open for long."""
        last: int | None = None
        while most > 0:
            asked = _read(wanted).order_by(EVENT.c.id.desc()).limit(min(most, _AT_ONCE))
            if last is not None:
                asked = asked.where(EVENT.c.id < last)
            with self._database.reading() as connection:
                part = [Activity(**row) for row in connection.execute(asked).mappings()]
            if not part:
                return
            yield from part
            last, most = part[-1].id, most - len(part)


def about(doing: Doing, entry: KeyEntry) -> Doing:
    """The same, said of this key."""
    return replace(
        doing,
        key_id=entry.id,
        key_name=entry.name,
        provider=entry.provider,
        host=host_of(entry.endpoint),
    )


def host_of(endpoint: str) -> str:
    """The host of an address; empty for one that was altered and cannot be read."""
    try:
        return endpoints.host(endpoint)
    except InputError:
        return ""


def write(connection: Connection, doing: Doing) -> int:
    """Record something in a transaction that is under way. Returns its number.

    Unless it says which, the mark of its secret is that which the key has at this moment of the
    transaction.
    """
    marked = select(func.substr(KEY.c.fingerprint, 1, MARK)).where(KEY.c.id == doing.key_id)
    told = {k: storable(v) if isinstance(v, str) else v for k, v in asdict(doing).items()}
    given = told.pop("mark")
    mark = marked.scalar_subquery() if given is None else given[:MARK] or None
    made = connection.execute(insert(EVENT).values(**told, fingerprint=mark))
    (number,) = made.inserted_primary_key or (0,)
    return int(number)


def close(connection: Connection, number: int, result: str, at: datetime, detail: str = "") -> None:
    """Record how something ended, in a transaction that is under way."""
    there = select(OUTCOME.c.event_id).where(OUTCOME.c.event_id == number)
    if connection.execute(there).first() is None:
        told = {"result": result, "detail": storable(detail)}
        connection.execute(insert(OUTCOME).values(event_id=number, at=at, **told))


def _read(wanted: Wanted) -> Select[Any]:
    rest = (column for column in EVENT.c if column.name not in {"result", "detail"})
    return _narrowed(select(*rest, _RESULT.label("result"), _DETAIL.label("detail")), wanted)


def _narrowed(asked: Select[Any], wanted: Wanted) -> Select[Any]:
    asked = asked.select_from(EVENT.outerjoin(OUTCOME, OUTCOME.c.event_id == EVENT.c.id))
    same = {
        EVENT.c.owner: wanted.owner,
        EVENT.c.action: wanted.action,
        EVENT.c.provider: wanted.provider,
        EVENT.c.key_id: wanted.key_id,
        _RESULT: wanted.result,
    }
    asked = asked.where(*(column == value for column, value in same.items() if value))
    if wanted.since is not None:
        asked = asked.where(EVENT.c.at >= wanted.since)
    sought = storable(wanted.search.strip())
    if sought:
        asked = asked.where(or_(*(c.icontains(sought, autoescape=True) for c in _SEARCHED)))
    return asked
