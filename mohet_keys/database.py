"""The door to the database: connections, transactions, and plain words for its failures.

What differs between databases is decided here, by the dialect; SQLite's own is in `sqlite_file`,
PostgreSQL's own in `postgres_link`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

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
from sqlalchemy.exc import TimeoutError as NoConnectionError

from mohet_keys import postgres_link, sqlite_file
from mohet_keys.errors import StoreError

BACK_WITHIN = 5.0
"""Seconds after it went away in which a server is waited for: as long as a restart takes."""
_AGAIN = 0.1
_UNCLEAR = (
    "The database went away while this was saved, so nobody can tell whether it was. "
    "Look before you do it again."
)


class ClashError(StoreError):
    """A write was refused because another row has the same name, secret or id."""


class Ear(Protocol):
    """Hears of changes that others make."""

    handles: tuple[int, ...]
    """What becomes readable when there is something to hear."""
    every: float
    """Seconds after which to ask at the latest."""

    def has_heard(self) -> bool:
        """Whether anything changed since this was last asked."""


class Database:
    """The store at `url`. Raises StoreError; makes folder and file, not the tables.

    Threads may share it; a forked child needs its own.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self.file = _file_of(parsed)
        """The file of a SQLite store; None for a server."""
        if self.file:
            sqlite_file.prepare(self.file)
        self.engine = _engine(parsed, self.file)
        self._left_in_log = False
        self._away_since: float | None = None
        # Waiting writers sleep and try again on SQLite, and hold a connection each on a server;
        # those of one process need do neither.
        self._turn = threading.Lock()

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
        with said_plainly(), self._connected(writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the writers' lock from its first statement.

        When this ends without an error, it is saved. Raises ClashError when a unique or foreign
        key refuses, StoreError for anything else.
        """
        with self._turn, said_plainly():
            connection, receipt = self._begun()
            try:
                yield connection
                self._commit(connection, receipt)
            finally:
                connection.close()  # which takes back what was not committed
        self._wipe_rest()

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """The same for bringing the tables about, which may take as long as it likes."""
        if self.file:
            with self.writing() as connection:
                yield connection
            return
        with self._turn, said_plainly(), self._connected(writing=True) as connection:
            postgres_link.alone(connection)
            yield connection
            connection.commit()

    @contextmanager
    def listening(self) -> Iterator[Ear]:
        """An ear for the changes of others, with a connection of its own as long as the block.

        Raises StoreError when there is none to be had, and what the driver raises later on.
        """
        with said_plainly():
            connection = self.engine.raw_connection()
            connection.detach()
        driver: Any = connection.dbapi_connection
        try:
            if self.file:
                yield sqlite_file.Counter(driver, self.file)
            else:
                yield postgres_link.Listener(driver)
        finally:
            driver.close()

    def wipe(self, *, patient: bool = True) -> None:
        """Leave nothing in the log of what was just deleted or replaced.

        Waits half a second for readers; what they hold up is left to the next write, to close,
        or to the next start. What a server keeps in its own log and files is not ours to wipe.
        """
        if self.file:
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

    # --- connections and their ends -------------------------------------------------------------

    def _connected(self, *, writing: bool) -> Connection:
        """A connection, waited for while a server is away for a moment."""
        while True:
            try:
                connection = self.engine.connect()
            except DBAPIError as error:
                self._wait_for(error)
            else:
                self._away_since = None
                return connection.execution_options(**_options(self.file, writing=writing))

    def _begun(self) -> tuple[Connection, tuple[str, str] | None]:
        """A connection with a transaction that writes, and the receipt of that.

        Nothing was said by then, so on a server that went away it is begun once more.
        """
        while True:
            connection = self._connected(writing=True)
            try:
                if self.file:
                    connection.begin()
                    return connection, None
                return connection, postgres_link.begun(connection)
            except DBAPIError as error:
                connection.close()
                self._wait_for(error)
            except BaseException:
                connection.close()
                raise

    def _wait_for(self, error: DBAPIError) -> None:
        """Wait a little for a server that is away; raises the error when that is too long."""
        now = time.monotonic()
        if self.file or not postgres_link.is_for_now(error.orig):
            raise error
        self._away_since = self._away_since or now
        if now - self._away_since > BACK_WITHIN:
            raise error
        time.sleep(_AGAIN)

    def _commit(self, connection: Connection, receipt: tuple[str, str] | None) -> None:
        lost = None
        try:
            connection.commit()
        except DBAPIError as error:
            if receipt is None or not error.connection_invalidated:
                raise
            lost = error
        if receipt and lost and not self._has_landed(receipt):
            raise lost

    def _has_landed(self, receipt: tuple[str, str]) -> bool:
        """Ask a server that went away in a COMMIT whether it had carried that out before."""
        with suppress(StoreError), said_plainly(), self._connected(writing=True) as connection:
            return postgres_link.has_landed(connection, receipt)
        raise StoreError(_UNCLEAR)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        if postgres_link.is_postgres(parsed):
            parsed = postgres_link.mended(parsed)
        elif parsed.get_backend_name() != "sqlite":
            raise NoSuchModuleError
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
        raise StoreError("MOHET_DATABASE_URL is no address of a supported database.") from None
    return parsed


def _file_of(url: URL) -> Path | None:
    return None if postgres_link.is_postgres(url) else sqlite_file.file_of(url.database)


def _options(file: Path | None, *, writing: bool) -> dict[str, Any]:
    """How a connection is to begin its transaction."""
    if file is not None:
        return {"writing": writing}
    return {**(postgres_link.WRITING if writing else postgres_link.READING), "writing": writing}


def _engine(url: URL, path: Path | None) -> Engine:
    """An engine that never puts a statement's values into an error or a log."""
    if path is None:
        engine = create_engine(
            url,
            connect_args=postgres_link.arguments(url),
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=10,
            pool_timeout=postgres_link.LOCK_MS / 1000,
            pool_recycle=1800,
        )
        event.listen(engine, "connect", postgres_link.connected)
        return engine
    # Many connections, so that readers need not wait behind writers that wait for the lock.
    engine = create_engine(url, hide_parameters=True, pool_size=10, max_overflow=40)
    place = _Place(path)
    event.listen(engine, "do_connect", place.opening)
    event.listen(engine, "connect", sqlite_file.connected)
    event.listen(engine, "checkout", place.checked_out)
    event.listen(engine, "handle_error", _failed)
    event.listen(engine, "begin", _sqlite_begun)
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


def _sqlite_begun(connection: Connection) -> None:
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
    cause = error.orig if isinstance(error, DBAPIError) else None
    told = sqlite_file.sentence(cause) or postgres_link.sentence(cause)
    if isinstance(error, NoConnectionError):
        told = postgres_link.BUSY
    return StoreError(told or f"The store failed ({type(error).__name__}). Nothing was changed.")


def has_password(url: str) -> bool:
    """Whether an address has a password in it, wherever; also one that names no database of ours,
    as far as it can be read."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return ":" in url.partition("://")[2].rpartition("@")[0]
    return bool(parsed.password) or any("password" in name.lower() for name in parsed.query)


def url_of(path: Path) -> str:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def kind_of(url: str) -> tuple[str, Path | None]:
    """What kind of database a URL names and, for SQLite, its file. Raises StoreError."""
    parsed = _parsed(url)
    return parsed.get_backend_name(), _file_of(parsed)


@contextmanager
def looking(url: str) -> Iterator[Connection]:
    """A connection that only reads: no folder, file or table is made. Raises StoreError."""
    parsed = _parsed(url)
    path = _file_of(parsed)
    if path is None:
        engine = _engine(parsed, None)
    else:
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite_file.read_only(path), hide_parameters=True
        )
    try:
        with said_plainly(), engine.connect() as connection:
            yield connection.execution_options(**({} if path else postgres_link.READING))
    finally:
        engine.dispose()
