"""Copies a whole store to another database, from SQLite to PostgreSQL and back.

Rows are carried over as they are: ids stay, and secrets stay sealed. The target gets all of them in
one transaction, in which they are read back and compared; so it has the whole store, or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from mohet_keys import leases
from mohet_keys.database import Database, kind_of, looking
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.migrations import HEAD, migrate, step_of
from mohet_keys.tables import KEY, LEASE, METADATA, PROCESS

_AT_ONCE = 500
"""Rows in one statement."""
COPIED = tuple(table for table in METADATA.sorted_tables if table not in (LEASE, PROCESS))
"""All that a store keeps, in an order in which no row refers to a later one. Who runs on it now,
and holds what, is no part of it."""
_COUNTED = tuple(table for table in COPIED if table.autoincrement_column is not None)


@dataclass(frozen=True, slots=True)
class Copied:
    """A store that was copied: its kind, that of the target, and the rows of each table."""

    source: str
    target: str
    rows: dict[str, int]

    @property
    def keys(self) -> int:
        """How many keys it has."""
        return self.rows[KEY.name]


def copy(source: str, target: str) -> Copied:
    """Copy the store at one address into the empty database at another one.

    Raises RefusedError when an app runs on the source, and when the target is not empty, and
    StoreError when one of them cannot be read or written. Nothing is in the target then.
    """
    with _read(source) as old, closing(Database(target)) as database:
        migrate(database)
        with database.alone() as new:
            _require_empty(new)
            rows = {table.name: _carry(table, old, new) for table in COPIED}
            for table in _COUNTED:
                _count_on(table, old, new)
    return Copied(kind_of(source)[0], kind_of(target)[0], rows)


# --- before -------------------------------------------------------------------------------------


@contextmanager
def _read(url: str) -> Iterator[Connection]:
    """The source, as it is at one moment; nothing of it is changed."""
    with looking(url) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        step = step_of(connection)
        if step is None:
            raise RefusedError("There is nothing in the store yet, so there is nothing to copy.")
        if step != HEAD:
            raise RefusedError(
                "The store is from an earlier version. Start this one on it first, then copy it."
            )
        _require_at_rest(connection)
        yield connection


def _require_at_rest(connection: Connection) -> None:
    asked = select(PROCESS.c.id).where(PROCESS.c.seen_at >= datetime.now(UTC) - leases.ALIVE_FOR)
    running = [each for each in connection.execute(asked).scalars() if not leases.is_gone(each)]
    if running:
        raise RefusedError(
            f"The app runs on this store ({leases.shown_process(running[0])}). Stop it first: what "
            "it would write from now on would be missing in the copy."
        )


def _require_empty(connection: Connection) -> None:
    full = (each for each in COPIED if connection.execute(select(each).limit(1)).first())
    table = next(full, None)
    if table is not None:
        raise RefusedError(
            "The target is a store already and is not written over. Choose an empty database."
        )


# --- rows -----------------------------------------------------------------------------------------


def _carry(table: Table, old: Connection, new: Connection) -> int:
    """Copy the rows of a table, and read them back. Returns how many."""
    sent, there = _Sum(), _Sum()
    with _fitting(table):
        for part in _parts(table, old):
            new.execute(insert(table), part)
            sent.add(part)
        for part in _parts(table, new):
            there.add(part)
    if (there.count, there.digest) != (sent.count, sent.digest):
        raise StoreError(_unfit(table))
    return sent.count


@contextmanager
def _fitting(table: Table) -> Iterator[None]:
    """Say of which table a value is that cannot be read, or that the target does not take."""
    misfit = False
    try:
        yield
    except (DataError, IntegrityError, ValueError, OverflowError, TypeError):
        misfit = True
    except StatementError as error:
        if isinstance(error, DBAPIError):
            raise
        misfit = True
    if misfit:  # raised here, for there it would hang on the error, which holds the value
        raise StoreError(_unfit(table))


def _unfit(table: Table) -> str:
    return (
        f"Something in the table {table.name} was altered, or cannot be kept in the other database "
        "as it is. Nothing was copied."
    )


def _parts(table: Table, connection: Connection) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table by their primary key, a part at a time."""
    asked = select(table).order_by(*table.primary_key).execution_options(yield_per=_AT_ONCE)
    for part in connection.execute(asked).mappings().partitions():
        yield [{str(name): value for name, value in row.items()} for row in part]


class _Sum:
    """What a table has, in a few bytes; the order counts."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """Another one when any value is."""
        return self._hash.digest()

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Take some more rows in."""
        self.count += len(rows)
        for row in rows:
            self._hash.update(repr(row).encode("utf-8", "surrogatepass"))


# --- numbers that are given out -------------------------------------------------------------------


def _count_on(table: Table, old: Connection, new: Connection) -> None:
    """Have the numbers of a table go on where they were, so that none is given out twice."""
    last = _last_of(table.name, old)
    if last is None:
        return
    given = {"name": table.name, "last": last}
    if new.dialect.name == "postgresql":
        new.execute(text(f"SELECT setval({_SEQUENCE}, :last)"), given)
        return
    new.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), given)
    new.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), given)


def _last_of(name: str, connection: Connection) -> int | None:
    """The last number that a table gave out; None when it gave out none."""
    asked = "SELECT seq FROM sqlite_sequence WHERE name = :name"
    if connection.dialect.name == "postgresql":
        asked = f"SELECT pg_sequence_last_value(CAST({_SEQUENCE} AS regclass))"
    found: int | None = connection.execute(text(asked), {"name": name}).scalar()
    return found


_SEQUENCE = "pg_get_serial_sequence(:name, 'id')"
