"""A look at a backup before it is restored: is it whole, is it ours, does the master key open it.

All is done on a private copy, so the backup itself stays as it is.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mohet_keys import contents, masterkey, sqlite_copy, sqlite_file
from mohet_keys.backup import live_file
from mohet_keys.contents import Contents
from mohet_keys.database import looking, url_of
from mohet_keys.errors import LockedError, RefusedError, StoreError
from mohet_keys.settings import Settings
from mohet_keys.sqlite_copy import DamagedError
from mohet_keys.vault import Vault

_LAST_CHANGE = "SELECT max(updated_at) FROM api_key"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup that was found whole, and what restoring it would change."""

    file: Path
    saved_at: datetime
    """When its file was last written."""
    changed_at: datetime | None
    """When a key in it was last changed; None when it has no key."""
    schema: str
    """The step its tables are at. An older one is brought to the present step."""
    keys: int
    locked: int
    """How many of them the present master key does not open."""
    altered: int
    """How many of them no master key opens, for they were changed behind the product's back."""
    why_locked: str | None
    """Why the present master key does not open all that it should, and what is needed."""
    replaces: int | None
    """How many keys the present store has; None when there is none, or none that can be read."""
    is_first: bool
    """Whether there is no store now."""


def inspect(settings: Settings, source: Path) -> Candidate:
    """What restoring this backup would change; nothing is changed.

    Raises RefusedError for what cannot be restored at all, MasterKeyError for a malformed key.
    """
    with examined(settings, source) as (candidate, _):
        return candidate


@contextmanager
def examined(settings: Settings, source: Path) -> Iterator[tuple[Candidate, Path]]:
    """A private copy of the backup, at the newest step, and what is to be said of it."""
    live = live_file(settings)
    saved_at = _file_time(source)
    if source.resolve() in sqlite_file.files_of(live) or _is_same(source, live):
        raise RefusedError(f"{source} is the store itself, so there is nothing to restore.")
    with TemporaryDirectory(prefix="mohet-keys-") as folder:
        copy = Path(folder) / "store.db"
        copy.touch(0o600)
        schema = _taken_in(source, copy)
        with looking(url_of(copy)) as connection:
            read = contents.read(connection)
            changed_at = _moment(connection.exec_driver_sql(_LAST_CHANGE).scalar())
        if read.is_empty:
            raise RefusedError(f"{source} holds no key, and nothing was ever sealed in it.")
        why_locked, locked, altered = _opened(settings, read)
        candidate = Candidate(
            file=source,
            saved_at=saved_at,
            changed_at=changed_at,
            schema=schema,
            keys=len(read.rows),
            locked=locked,
            altered=altered,
            why_locked=why_locked,
            replaces=_present_keys(live),
            is_first=not live.exists(),
        )
        yield candidate, copy


def _file_time(source: Path) -> datetime:
    try:
        found = source.stat()
    except OSError as error:
        raise RefusedError(f"{source} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise RefusedError(f"{source} is not a file.")
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _is_same(source: Path, live: Path) -> bool:
    try:
        return source.samefile(live)
    except OSError:
        return False


def _taken_in(source: Path, copy: Path) -> str:
    """Copy the backup, and bring the copy to the newest step. Returns the step it was at.

    Raises RefusedError for what is no whole store of this product.
    """
    try:
        sqlite_copy.copy(source, copy, at_rest=True)
        faults = sqlite_copy.faults(copy)
    except DamagedError:
        raise RefusedError(
            f"{source} is damaged, or is no database. Take another backup."
        ) from None
    except StoreError as error:
        raise RefusedError(f"{source} cannot be copied for a look. {error}") from None
    if faults:
        said = f"{source} is damaged (first: {faults[0][:200]}). Take another backup."
        raise RefusedError(said)
    with looking(url_of(copy)) as connection:
        schema = contents.version(connection)
    if schema is None:
        raise RefusedError(f"{source} is a database, but not one of Mohet Keys.")
    if not contents.is_known(schema):
        raise RefusedError(
            f"{source} was written by a newer version of Mohet Keys. Restore it with that version."
        )
    _bring_up(source, copy)
    return schema


def _bring_up(source: Path, copy: Path) -> None:
    """Bring a copy to the newest step, and see that it is then like a new store."""
    try:
        contents.bring_up(url_of(copy))
    except StoreError as error:
        raise RefusedError(f"{source} cannot be brought to the present version. {error}") from None
    with looking(url_of(copy)) as connection:
        if not contents.is_ours(connection):
            raise RefusedError(f"{source} has other tables or triggers than a store of Mohet Keys.")


def _opened(settings: Settings, read: Contents) -> tuple[str | None, int, int]:
    """Why the present master key does not open all, and how many keys are locked and altered."""
    masters = masterkey.load(settings, store_is_empty=False)
    vault = Vault(masters, read.wraps, read.active)
    went = contents.opening(read.rows, vault)
    reasons = [*went.locked, *filter(None, [vault.why_locked(read.active or "")])]
    try:
        vault.fingerprint("self-test")
    except LockedError as error:
        reasons.append(str(error))
    return next(iter(reasons), None), went.locked.total(), len(went.altered)


def _moment(stored: Any) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(str(stored)).replace(tzinfo=UTC)


def _present_keys(live: Path) -> int | None:
    with suppress(StoreError), looking(url_of(live)) as connection:
        return contents.keys(connection)
    return None
