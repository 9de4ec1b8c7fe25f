"""All that is SQLite's own: the store's file, its connections, its log, its error codes.

Transactions are begun here by hand and not by the driver. One that reads first and writes later
is told "database is locked" at once, whatever the timeout, when another one wrote in between; so
a writer takes the lock with its first statement (`BEGIN_WRITING`).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mohet_keys.errors import StoreError

BUSY_MS = 10_000
"""How long a statement waits for the lock before it fails."""
BEGIN_READING = "BEGIN"
BEGIN_WRITING = "BEGIN IMMEDIATE"

_PRAGMAS = (
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
)
SIDES = ("-wal", "-shm", "-journal")
"""What the names of the files beside a database end in."""
GONE = "The store’s file is gone. Put it back, or restore a backup; a restart begins a new store."
_WIPE_TRIES = 4
_WIPE_MS = 150
_preparing = threading.Lock()


def file_of(database: str | None) -> Path:
    """The file that a SQLite address names. Raises StoreError when it names none."""
    if not database or database.startswith((":memory:", "file:")):
        raise StoreError("The store needs a plain file; a database in memory would be lost.")
    return Path(database).resolve()


def prepare(path: Path) -> None:
    """Make the folder 0700 and the file 0600, at any umask. Raises StoreError.

    A folder that was there before is narrowed only when it is this user's and holds nothing but
    the store: one shared with other things may be open to others on purpose.
    """
    try:
        with _preparing:
            _make(path)
        for file in files_of(path):
            _narrow(file, 0o600)
        if all(other.name.startswith(path.name) for other in path.parent.iterdir()):
            _narrow(path.parent, 0o700)
    except OSError as error:
        raise StoreError(_unwritable(path, error)) from None


def files_of(path: Path) -> list[Path]:
    """A database's file and those that SQLite may keep beside it, there or not."""
    return [path, *(path.with_name(path.name + side) for side in SIDES)]


def make_folder(folder: Path) -> None:
    """Make a folder 0700, at any umask, where there is none. Raises OSError."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if new:
        folder.chmod(0o700)


def _make(path: Path) -> None:
    """Make folder and file where there are none.

    An existing file is not even opened: closing it again would drop the locks that SQLite holds
    on it for another connection of this process. That is also what `_preparing` is for.
    """
    if path.exists():
        return
    make_folder(path.parent)
    remains = remains_of(path)
    if remains and not path.exists():  # no process was just making it
        raise StoreError(
            f"The store’s file is gone, but {remains.name} is still there and may hold saved keys. "
            "Restore a backup, or move that file away to begin a new store."
        )
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # another process was first


def remains_of(path: Path) -> Path | None:
    """A log that is not empty, whose database is not there: SQLite would throw it away."""
    log = path.with_name(f"{path.name}-wal")
    try:
        return log if log.stat().st_size and not path.exists() else None
    except OSError:
        return None


def _narrow(path: Path, mode: int) -> None:
    """Take group's and others' rights off what is this user's own."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return  # a side file comes and goes with the connections of other processes
    ours = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if ours and stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(mode)


def _unwritable(path: Path, error: OSError) -> str:
    said = error.strerror or type(error).__name__
    return f"The folder {path.parent} cannot be written ({said}). Check who owns it."


def writable(path: Path) -> str:
    """The address at which SQLite opens a file that is there, and never makes one."""
    return f"{path.as_uri()}?mode=rw"


def identity(path: Path) -> tuple[int, int]:
    """Which file it is that has this name now. Raises StoreError when none has."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise StoreError(GONE) from None
    except OSError as error:
        raise StoreError(_unwritable(path, error)) from None
    return found.st_dev, found.st_ino


def free_sides(path: Path) -> None:
    """Let the files beside a database be written again when it can be.

    SQLite gives them the rights that the database has when they are made. When that could only be
    read then, they would hold up every write after it was mended.
    """
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        for side in files_of(path)[1:]:
            if mode & stat.S_IWUSR and side.exists() and not side.stat().st_mode & stat.S_IWUSR:
                side.chmod(mode)


def connected(connection: Any, _record: object) -> None:
    """Set up a fresh connection; from here on the driver begins no transaction of its own."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    keep_log(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def keep_log(connection: Any) -> None:
    """Switch to a write-ahead log, once for each file.

    Of two that switch a new file at once, SQLite tells the second "locked" without waiting.
    """
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def empty_log(connection: Any, *, patient: bool) -> bool:
    """Bring the log into the file and cut it to nothing. Returns whether that was possible.

    What was deleted or replaced is overwritten in the file, but earlier pages still stand in the
    log until then. A reader in the middle of a transaction holds it up; so does a full disk.
    With `patient` that is tried again for half a second.
    """
    connection.execute(f"PRAGMA busy_timeout={_WIPE_MS if patient else 0}")
    try:
        return any(_emptied(connection) for _ in range(_WIPE_TRIES if patient else 1))
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _emptied(connection: Any) -> bool:
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        busy = True
    if busy:
        time.sleep(0.01)  # with the writers' lock let go, so that a writer may come between
    return not busy


class Counter:
    """Sees that somebody else changed the store, in this process or another one.

    SQLite counts the commits of all connections but the one that asks; so `connection` is one that
    writes nothing.
    """

    handles: tuple[int, ...] = ()
    every = 0.25

    def __init__(self, connection: Any, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._file = identity(path)
        self._count = self._asked()

    def has_heard(self) -> bool:
        """Whether the count is another one. Raises StoreError when another file has the name by
        now, whose commits this connection does not see."""
        if identity(self._path) != self._file:
            raise StoreError(GONE)
        return self.has_moved()

    def has_moved(self) -> bool:
        """The same of the file that was there at first, whichever that is."""
        before, self._count = self._count, self._asked()
        return self._count != before

    def _asked(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


_SENTENCES = {
    "SQLITE_BUSY": "The store is busy: another program holds it. Try again in a moment.",
    "SQLITE_LOCKED": "The store is busy: another program holds it. Try again in a moment.",
    "SQLITE_FULL": "The disk is full, so nothing was saved. Free some space and try again.",
    "SQLITE_READONLY": "The store is read-only, so nothing was saved. Check who owns the file.",
    "SQLITE_PERM": "The store’s file cannot be opened. Check who owns it and its folder.",
    "SQLITE_CANTOPEN": "The store’s file cannot be opened. Check who owns it and its folder.",
    "SQLITE_NOTADB": "The store’s file is not a database. Restore it from a backup.",
    "SQLITE_CORRUPT": "The store’s file is damaged. Restore it from a backup.",
    "SQLITE_IOERR": "The disk failed, so nothing was saved. Check the disk and try again.",
}


def sentence(error: BaseException | None) -> str | None:
    """What a driver's error means in plain words; None when there are none for it."""
    return _SENTENCES.get(family(error))


_STALE = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN"}


def is_stale(error: BaseException | None) -> bool:
    """Whether a connection that met this error may go on meeting it when the file is mended.

    A connection to a file that could not be written stays one that only reads, for instance.
    """
    return family(error) in _STALE


def is_damage(error: BaseException | None) -> bool:
    """Whether the file is damaged, or no database at all."""
    return family(error) in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


def family(error: BaseException | None) -> str:
    """An error's code without its details, as `SQLITE_IOERR` of `SQLITE_IOERR_WRITE`."""
    return "_".join(str(getattr(error, "sqlite_errorname", "")).split("_")[:2])


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and leaves nothing behind. Raises sqlite3.Error.

    It is for looking into a store that must stay as it is. A store with a write-ahead log cannot
    be read without the log's side files: where they are missing, SQLite would make them and leave
    them there. Then nobody has the store open, and the file can be read as one that stands still.
    """
    others = any(side.exists() for side in files_of(path)[1:])
    how = "mode=ro" if others else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return connection


def broken_reference(table: str, row: int | None, other: str, _key: int) -> str:
    """A row of PRAGMA foreign_key_check in words."""
    return f"row {row} of {table} refers to a row of {other} that is not there"


def keeps_log(path: Path) -> bool:
    """Whether the store has a write-ahead log. Raises OSError.

    The file itself is opened only where no side file says it: closing it again would drop the
    locks that SQLite may hold on it for another connection of this process.
    """
    if path.with_name(f"{path.name}-wal").exists():
        return True
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
