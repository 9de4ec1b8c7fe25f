"""The engine: where the store lies, how it is opened, and what its failures are called.

All that is SQLite's own stands here: journal and pragmas, who may read the files, the lock a
writer takes at once. A transaction that reads first and writes later fails with "database is
locked" whatever the timeout, so writers begin with `BEGIN IMMEDIATE`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from mohet_keys.errors import StoreError

BUSY_MS = 10_000
"""How long a writer waits for another one."""
_PRAGMAS = (
    f"busy_timeout={BUSY_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
)
_SIDE_FILES = ("", "-wal", "-shm")


def open_engine(url: str) -> Engine:
    """An engine for the store at `url`. Raises StoreError; makes the folder, not the tables."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    path = _file_of(parsed)
    _prepare(path)
    engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise StoreError("MOHET_DATABASE_URL is not a database address.") from None
    except NoSuchModuleError:
        raise StoreError("MOHET_DATABASE_URL names a database that is not supported.") from None


def _file_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise StoreError("The store needs a file; a database in memory would be lost.")
    return Path(url.database)


def _prepare(path: Path) -> None:
    """A folder only its owner can enter, and files only their owner can read, at any umask.

    A folder that was there before is left as it is, unless it holds nothing but the store.
    """
    try:
        new = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if new:
            path.parent.chmod(0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for suffix in _SIDE_FILES:
            _tighten(path.with_name(path.name + suffix))
        if _holds_only(path):
            path.parent.chmod(0o700)
    except OSError as error:
        raise StoreError(
            f"The folder {path.parent} cannot be written ({error.strerror})."
        ) from None


def _tighten(path: Path) -> None:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _holds_only(path: Path) -> bool:
    return all(other.name.startswith(path.name) for other in path.parent.iterdir())


def _connected(connection: Any, _record: object) -> None:
    """Set up a fresh SQLite connection; transactions are begun by `_begun`, not by the driver."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads. Raises StoreError for whatever the database says."""
    with said_plainly(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock from its first moment."""
    with (
        said_plainly(),
        engine.connect().execution_options(writing=True) as connection,
        connection.begin(),
    ):
        yield connection


def wipe(engine: Engine) -> None:
    """Bring the write-ahead log into the file and empty it, so that nothing old stays in it.

    A reader can hold it up; then the next write or the last close does it.
    """
    if engine.dialect.name != "sqlite":
        return
    with said_plainly(), engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout=300")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turn a database error into a StoreError without statement, parameters or cause."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreError(_sentence(error)) from None


_SENTENCES = (
    ("locked", "The store is busy: another program holds it. Try again in a moment."),
    ("full", "The disk is full, so nothing was saved. Free some space and try again."),
    ("readonly", "The store is read-only, so nothing was saved. Check who owns the file."),
    ("read-only", "The store is read-only, so nothing was saved. Check who owns the file."),
    ("not a database", "The store’s file is not a database. Restore it from a backup."),
    ("malformed", "The store’s file is damaged. Restore it from a backup."),
    ("corrupt", "The store’s file is damaged. Restore it from a backup."),
    ("unable to open", "The store’s file cannot be opened. Check who owns it."),
    ("disk i/o", "The disk failed while the store was used. Check the disk and try again."),
)


def _sentence(error: SQLAlchemyError) -> str:
    told = str(error.orig).lower() if isinstance(error, DBAPIError) else ""
    for sign, sentence in _SENTENCES:
        if sign in told:
            return sentence
    return f"The store failed ({type(error).__name__}). Nothing was saved."


def ping(engine: Engine) -> None:
    """Read one thing from the store. Raises StoreError."""
    with reading(engine) as connection:
        connection.execute(text("SELECT count(*) FROM data_key"))
