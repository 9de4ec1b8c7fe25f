"""Makes a backup the store again, while the app runs on it.

The store that is replaced is kept beside it. The content changes at one stroke: whenever this is
broken off, what is there is the old store or the new one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mohet_keys import private_files, sqlite_copy, sqlite_file
from mohet_keys.backup import live_file
from mohet_keys.candidate import Candidate, examined
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.private_files import part_of
from mohet_keys.settings import Settings
from mohet_keys.sqlite_copy import DamagedError


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is the store now, and where the store that was there is kept."""

    candidate: Candidate
    kept: Path | None
    was_damaged: bool = False
    """Whether the store that was there was no database any more; it was moved aside as it was."""


def restore(
    settings: Settings, source: Path, *, locked: bool = False, now: datetime | None = None
) -> Restored:
    """Make a backup the store, and keep the store that was there in a file beside it.

    With `locked`, also one that the present master key does not open. A running app goes on with
    the new content. Raises RefusedError for a backup that is not restored, StoreError when the
    exchange fails: nothing is changed then.
    """
    live = live_file(settings)
    with examined(settings, source) as (candidate, copy):
        if candidate.why_locked and not locked:
            raise RefusedError(
                f"The master key does not open this backup. {candidate.why_locked} "
                "With --locked it is restored all the same, and its keys are shown as locked."
            )
        try:
            kept, was_damaged = _replace(live, copy, now or datetime.now(UTC))
        except FileExistsError:
            raise StoreError("A store was made there at the same moment. Try again.") from None
        except OSError as error:
            said = f"The store in {live.parent} cannot be replaced: {error.strerror}."
            raise StoreError(said) from None
    return Restored(candidate, kept, was_damaged)


def _replace(live: Path, copy: Path, now: datetime) -> tuple[Path | None, bool]:
    """Returns where the store that was there is kept, and whether it was no database any more."""
    was_there = live.exists()
    if was_there and sqlite_copy.is_database(live):
        kept = _free_name(live, "before-restore", now)
        with suppress(DamagedError):  # there is no getting into it
            sqlite_copy.overwrite(live, copy, lambda: _keep(live, kept))
            return kept, False
    return _put_in_place(live, copy, _free_name(live, "damaged", now)), was_there


def _free_name(live: Path, what: str, now: datetime) -> Path:
    """A name beside the store that says when it was left, and that nothing has yet."""
    name = f"{live.name}.{what}-{now:%Y%m%d-%H%M%S}"
    names = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(p for p in map(live.with_name, names) if not os.path.lexists(p))


def _keep(live: Path, kept: Path) -> None:
    """Copy the store as it is into a file of its own, even where it is damaged."""
    with part_of(kept) as part:
        sqlite_copy.copy_pages(live, part)
        with suppress(DamagedError):
            sqlite_copy.drop_log(part)
        private_files.place(part, kept)


def _put_in_place(live: Path, copy: Path, aside: Path) -> Path | None:
    """Put a new file where there is no database. What is there is kept under the name `aside`.

    Its side files go first: SQLite would take them for the new file's own. Then the name changes
    hands at one stroke, so that there is a file of that name all the time.
    """
    sqlite_file.make_folder(live.parent)
    with part_of(live) as part:
        sqlite_copy.copy(copy, part, at_rest=True)
        kept = _set_aside(live, aside)
        if kept == aside:
            private_files.exchange(part, live)
        else:
            private_files.place(part, live)
    return kept


def _set_aside(live: Path, aside: Path) -> Path | None:
    """Keep all that is of a store under the name `aside`. Returns the first of it, None for none.

    The file itself keeps its own name too, until another one takes it.
    """
    pairs = zip(sqlite_file.files_of(live), sqlite_file.files_of(aside), strict=True)
    there = [(file, other) for file, other in pairs if file.exists()]
    for file, other in there:
        private_files.also_named(file, other)
    for side in sqlite_file.files_of(live)[1:]:
        side.unlink(missing_ok=True)
    return there[0][1] if there else None
