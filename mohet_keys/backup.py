"""A backup of a SQLite store, made while the app runs on it.

It is one file: the store as it was at one moment. The master key is not in it, for the store never
has that. `candidate` looks at a backup, and `restore` makes it the store again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mohet_keys import contents, masterkey, private_files, sqlite_copy, sqlite_file
from mohet_keys.database import kind_of, looking, url_of
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.private_files import part_of
from mohet_keys.settings import Settings

_OWN_TOOLS = (
    "The store is a PostgreSQL database, which has tools of its own for that: pg_dump and "
    "pg_restore. Dump it at any time (pg_dump -Fc), and restore it into an empty database while "
    "the app is stopped. The master key is not in a dump: keep a copy of that somewhere else. "
    "Nothing was done."
)


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that was made: its file, and how many keys it holds at which step of the tables."""

    file: Path
    keys: int
    bytes: int
    schema: str
    beside_master_key: Path | None = None
    """The file of the master key, where that lies in the same folder."""


def save(settings: Settings, target: Path) -> Saved:
    """Copy the store into a new file of mode 0600, as it is at this moment.

    Raises RefusedError when the file is there already or cannot be made, StoreError when the
    store cannot be read or is damaged; nothing is left behind then.
    """
    live = live_file(settings)
    sqlite_file.identity(live)
    if os.path.lexists(target):
        raise RefusedError(f"{target} is there already, and is not written over. Choose a new one.")
    if target.resolve() in sqlite_file.files_of(live):
        raise RefusedError(f"{target} is a name that the store itself uses. Choose another one.")
    try:
        with part_of(target) as part:
            sqlite_copy.copy(live, part)
            schema, keys = _held_whole(part)
            private_files.place(part, target)
    except FileExistsError:
        raise RefusedError(
            f"{target} was made by somebody else meanwhile. Choose a new one."
        ) from None
    except OSError as error:
        raise RefusedError(f"{target} cannot be written: {error.strerror}.") from None
    return Saved(target, keys, target.stat().st_size, schema, _key_beside(settings, target))


def _held_whole(part: Path) -> tuple[str, int]:
    """Step and number of keys of a copy of the store. Raises StoreError for a damaged one."""
    faults = sqlite_copy.faults(part)
    if faults:
        raise StoreError(
            f"The store is damaged, so no backup was made of it (first: {faults[0][:200]}). "
            "The doctor tells more. Restore an earlier backup."
        )
    with looking(url_of(part)) as connection:
        schema = contents.version(connection)
        if schema is None:
            raise RefusedError("There is nothing in the store yet, so no backup was made.")
        return schema, contents.keys(connection)


def _key_beside(settings: Settings, target: Path) -> Path | None:
    folder = target.resolve().parent
    return next((f for f in masterkey.files(settings) if f.resolve().parent == folder), None)


def live_file(settings: Settings) -> Path:
    """The store's file. Raises RefusedError for a database that is not SQLite's."""
    path = kind_of(settings.store_url)[1]
    if path is None:
        raise RefusedError(_OWN_TOOLS)
    return path
