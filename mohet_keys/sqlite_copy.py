"""Copies of a SQLite database while others use it, by SQLite's own online backup.

A copy is what the database was at one moment, whoever writes to it meanwhile; and content that
is put into a database comes there in one transaction, so that it is all there or none of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from mohet_keys import sqlite_file
from mohet_keys.errors import StoreError

_BUSY = {5, 6}
"""SQLite's codes for a lock that another program holds, after waiting for it."""


class DamagedError(StoreError):
    """The file is damaged, or no database at all."""


def copy(source: Path, target: Path, *, at_rest: bool = False) -> None:
    """Copy a database into an empty file, as one file without a log. Raises StoreError.

    One that is `at_rest` is a file that nobody has open, and is not touched. Raises DamagedError
    for a source that is no database any more; other damage is copied, see `faults`.
    """
    copy_pages(source, target, at_rest=at_rest)
    drop_log(target)


def copy_pages(source: Path, target: Path, *, at_rest: bool = False) -> None:
    """Copy a database into an empty file, page by page, however damaged. Raises StoreError."""
    look = _looked_at if at_rest else _opened
    with _plainly(), closing(look(source)) as read, closing(_opened(target)) as write:
        write.execute("PRAGMA journal_mode=OFF")  # when this breaks off, the copy is thrown away
        read.backup(write, progress=_not_busy)


def drop_log(path: Path) -> None:
    """Have a database that nobody else has open be one file. Raises StoreError."""
    with _plainly(), closing(_opened(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def is_database(path: Path) -> bool:
    """Whether a file has the head of a database, or is empty. Nothing beside it is touched.

    To open one that has not would be to throw away a log that lies beside it.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as head:
            head.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        return sqlite_file.family(error) != "SQLITE_NOTADB"
    return True


def overwrite(live: Path, source: Path, first: Callable[[], None]) -> None:
    """Put the content of `source` in the place of that of `live`, all at once or not at all.

    Whoever has `live` open sees the new content with the next transaction. `first` is called
    before anything is changed, while nobody else can write: what it copies is what is replaced.
    Raises StoreError, and DamagedError when `live` is no database.
    """
    with _plainly(), closing(_opened(live)) as write:
        logged = _keeps_log(write, live)
        if not logged:
            first()  # without a log nobody else may read while this one writes
        _fit(source, write)
        with closing(_looked_at(source)) as read:
            read.backup(write, pages=1, progress=_Steps(first if logged else None))
        write.execute("PRAGMA writable_schema=OFF")
        with suppress(sqlite3.Error):  # it is done; what is wiped of the old has to wait
            sqlite_file.empty_log(write, patient=True)


def faults(path: Path) -> list[str]:
    """What SQLite finds wrong in a database that nobody has open, one sentence each.

    Raises DamagedError for one so damaged that it cannot even look.
    """
    with _plainly(), closing(sqlite_file.read_only(path)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        broken = connection.execute("PRAGMA foreign_key_check")
        return [
            *(said for said in found if said != "ok"),
            *(sqlite_file.broken_reference(*row) for row in broken),
        ]


class _Steps:
    """What happens between the pages of a copy: `first`, once the target is locked."""

    def __init__(self, first: Callable[[], None] | None) -> None:
        self._first = first

    def __call__(self, status: int, _left: int, _all: int) -> None:
        _not_busy(status, _left, _all)
        first, self._first = self._first, None
        if first:
            first()


def _not_busy(status: int, _left: int, _all: int) -> None:
    """Give up when the lock was not to be had: by itself the copy would try for ever."""
    if status in _BUSY:
        raise StoreError("The store is busy: another program holds it. Try again in a moment.")


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there, even when its list of tables is damaged."""
    connection = sqlite3.connect(sqlite_file.writable(path), uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={sqlite_file.BUSY_MS}")
    connection.execute("PRAGMA writable_schema=ON")
    return connection


def _looked_at(path: Path) -> sqlite3.Connection:
    connection = sqlite_file.read_only(path)
    connection.execute("PRAGMA writable_schema=ON")
    return connection


def _keeps_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Turn the log on as every start does. Returns whether there is one."""
    try:
        sqlite_file.keep_log(connection)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.DatabaseError as error:
        if not sqlite_file.is_damage(error):
            raise
        return sqlite_file.keeps_log(path)
    return True


def _fit(source: Path, target: sqlite3.Connection) -> None:
    """Give `source` pages of the size that the target has: in a log, none of another can go."""
    size = target.execute("PRAGMA page_size").fetchone()[0]
    with closing(_opened(source)) as connection:
        if connection.execute("PRAGMA page_size").fetchone()[0] != size:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute(f"PRAGMA page_size={int(size)}")
            connection.execute("VACUUM")


@contextmanager
def _plainly() -> Iterator[None]:
    """Turn SQLite's errors into a StoreError in plain words."""
    try:
        yield
    except sqlite3.Error as error:
        said = sqlite_file.sentence(error) or f"The store failed ({type(error).__name__})."
        kind = DamagedError if sqlite_file.is_damage(error) else StoreError
    else:
        return
    raise kind(said)
