"""The door to the database: connections, transactions, and plain words for its failures.

What differs between databases is decided here, by the dialect; SQLite's own is in `sqlite_file`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InvalidatePoolError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from mohet_keys import sqlite_file
from mohet_keys.errors import StoreError


class ClashError(StoreError):
    """A write was refused because another row has the same name, secret or id."""


class Database:
    """The store at `url`. Raises StoreError; makes folder and file, not the tables.

    Threads may share it; a forked child needs its own.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self._is_file = parsed.get_backend_name() == "sqlite"
        path = sqlite_file.file_of(parsed.database) if self._is_file else None
        if path:
            sqlite_file.prepare(path)
        self.engine = _engine(parsed, path)
        self._left_in_log = False
        # SQLite has waiting writers sleep and try again; those of one process need not do that.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if self._is_file else nullcontext()
        )

    def close(self) -> None:
        """Let go of every connection."""
        self._wipe_rest()
        self.engine.dispose()

    def ping(self) -> None:
        """Read one thing from the tables. Raises StoreError."""
        with self.reading() as connection:
            connection.execute(text("SELECT count(*) FROM data_key"))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads. Raises StoreError for whatever the database says."""
        with said_plainly(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that, on SQLite, holds the writers' lock from its first statement.

        Raises ClashError when a unique or foreign key refuses, StoreError for anything else.
        """
        with (
            self._turn,
            said_plainly(),
            self.engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            yield connection
        self._wipe_rest()

    def wipe(self, *, patient: bool = True) -> None:
        """Leave nothing in the log of what was just deleted or replaced.

        Waits half a second for readers; what they hold up is left to the next write, to close,
        or to the next start.
        """
        if self._is_file:
            self._left_in_log = not self._log_emptied(patient=patient)

    def _wipe_rest(self) -> None:
        if self._left_in_log:
            self.wipe(patient=False)

    def _log_emptied(self, *, patient: bool) -> bool:
        try:
            with said_plainly(), self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                return sqlite_file.empty_log(driver, patient=patient)
        except StoreError:
            return False  # what was to be saved is saved; only the wiping has to wait


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError):
        raise StoreError("MOHET_DATABASE_URL is no address of a supported database.") from None
    return parsed


def _engine(url: URL, path: Path | None) -> Engine:
    """An engine that never puts a statement's values into an error or a log."""
    if path is None:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    # Many connections, so that readers need not wait behind writers that wait for the lock.
    engine = create_engine(url, hide_parameters=True, pool_size=10, max_overflow=40)
    place = _Place(path)
    event.listen(engine, "do_connect", place.opening)
    event.listen(engine, "connect", sqlite_file.connected)
    event.listen(engine, "checkout", place.checked_out)
    event.listen(engine, "handle_error", _failed)
    event.listen(engine, "begin", _begun)
    return engine


class _Place:
    """Holds every connection to the file that has the store's name now.

    The file may be taken away or exchanged under a running app. A connection would go on with the
    one it opened; and where there is none, SQLite would make an empty one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def opening(
        self, _dialect: object, record: Any, addresses: list[str], options: dict[str, Any]
    ) -> None:
        """Open only what is there, and remember which file that was. Raises StoreError."""
        record.info[_FILE] = sqlite_file.identity(self._path)
        sqlite_file.free_sides(self._path)
        addresses[:] = [sqlite_file.writable(self._path)]
        options["uri"] = True

    def checked_out(self, _driver: object, record: Any, _lent: object) -> None:
        """Have a connection to another file opened anew. Raises StoreError when there is none."""
        if record.info[_FILE] != sqlite_file.identity(self._path):
            raise InvalidatePoolError


_FILE = "mohet_keys.file"


def _failed(context: ExceptionContext) -> None:
    """Open all connections anew after an error that outlasts its cause in an open one."""
    if sqlite_file.is_stale(context.original_exception):
        context.is_disconnect = True


def _begun(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    begin = sqlite_file.BEGIN_WRITING if writing else sqlite_file.BEGIN_READING
    connection.exec_driver_sql(begin)


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turn a database error into a StoreError that holds no statement, no value and no cause.

    `from None` would only hide the error; it would still hang on `__context__`, values and all.
    A driver's ValueError or OverflowError is one that a value caused on its way in or out.
    """
    try:
        yield
    except (SQLAlchemyError, ValueError, OverflowError) as error:
        plain = _plain(error)
        try:
            raise plain
        finally:
            plain.__context__ = None


def _plain(error: Exception) -> StoreError:
    if isinstance(error, IntegrityError):
        return ClashError("Another key was saved at the same moment. Try again.")
    told = sqlite_file.sentence(error.orig) if isinstance(error, DBAPIError) else None
    return StoreError(told or f"The store failed ({type(error).__name__}). Nothing was changed.")


def url_of(path: Path) -> str:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def kind_of(url: str) -> tuple[str, Path | None]:
    """What kind of database a URL names and, for SQLite, its file. Raises StoreError."""
    parsed = _parsed(url)
    kind = parsed.get_backend_name()
    return kind, sqlite_file.file_of(parsed.database) if kind == "sqlite" else None


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """A connection that only reads: no folder, file or table is made. Raises StoreError."""
    path = kind_of(url)[1]
    try:
        if path is None:
            engine = _engine(_parsed(url), None)
        else:
            engine = create_engine(
                "sqlite://", creator=lambda: sqlite_file.read_only(path), hide_parameters=True
            )
    except ImportError:
        raise StoreError("The library for the database of MOHET_DATABASE_URL is missing.") from None
    try:
        with said_plainly(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
