"""Deletes what is no longer kept, a little at a time."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from mohet_keys.database import Database

AT_ONCE = 500
"""Lines that go in one transaction, so that nobody who wants to save something waits for it."""


def prune(database: Database, table: Table, old: ColumnElement[bool]) -> int:
    """Delete the lines of a table that are old. Returns how many went. May raise StoreError.

    Stopped in the middle, it has deleted some, and the next time deletes the rest.
    """
    key = table.primary_key.columns
    some = tuple_(*key).in_(select(*key).where(old).limit(AT_ONCE))
    gone = 0
    while True:
        with database.writing() as connection:
            went = connection.execute(delete(table).where(some)).rowcount
        gone += went
        if went < AT_ONCE:
            return gone
