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
_SIDE_FILES = ("", "-wal", "-shm", "-journal")
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
        for suffix in _SIDE_FILES:
            _narrow(path.with_name(path.name + suffix), 0o600)
        if all(other.name.startswith(path.name) for other in path.parent.iterdir()):
            _narrow(path.parent, 0o700)
    except OSError as error:
        raise StoreError(_unwritable(path, error)) from None


def _make(path: Path) -> None:
    """Make folder and file where there are none.

    An existing file is not even opened: closing it again would drop the locks that SQLite holds
    on it for another connection of this process. That is also what `_preparing` is for.
    """
    if path.exists():
        return
    new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if new:
        path.parent.chmod(0o700)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # another process was first


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


def connected(connection: Any, _record: object) -> None:
    """Set up a fresh connection; from here on the driver begins no transaction of its own."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _keep_log(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _keep_log(connection: Any) -> None:
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
    name = str(getattr(error, "sqlite_errorname", ""))
    return _SENTENCES.get("_".join(name.split("_")[:2]))


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and leaves nothing behind. Raises sqlite3.Error.

    It is for looking into a store that must stay as it is. A store with a write-ahead log cannot
    be read without the log's side files: where they are missing, SQLite would make them and leave
    them there. Then nobody has the store open, and the file can be read as one that stands still.
    """
    others = any(path.with_name(path.name + suffix).exists() for suffix in _SIDE_FILES[1:])
    how = "mode=ro" if others else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    return connection


def keeps_log(path: Path) -> bool:
    """Whether the store has a write-ahead log. Raises OSError.

    The file itself is opened only where no side file says it: closing it again would drop the
    locks that SQLite may hold on it for another connection of this process.
    """
    if path.with_name(f"{path.name}-wal").exists():
        return True
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
