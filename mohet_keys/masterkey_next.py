"""A new generated master key in the place of the present one, for a store on one's own machine.

The new key waits in a file of its own until it opens everything, and takes its place at one
stroke. The key before it stays, for an app that still runs and for backups made before. Whenever
this breaks off, the next start finds a key that opens everything, and the next run goes on.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mohet_keys import masterkey_files, private_files
from mohet_keys.errors import MasterKeyError
from mohet_keys.masterkey import previous_file
from mohet_keys.sealed import MasterKey
from mohet_keys.settings import Settings
from mohet_keys.vault import master_id


def next_file(settings: Settings) -> Path:
    """Where a new key waits."""
    path = settings.generated_master_key_file
    return path.with_name(f"{path.name}.next")


def waiting(settings: Settings) -> MasterKey | None:
    """The new key that waits to take its place: a run was cut short. Raises MasterKeyError."""
    path = next_file(settings)
    if not os.path.lexists(path):
        return None
    return masterkey_files.read(path, f"the file of the next key ({path})", follow=False)


def prepare(settings: Settings) -> MasterKey:
    """Make a new key and keep it where it waits; one that waits already is taken.

    Raises MasterKeyError when it cannot be kept.
    """
    path = next_file(settings)
    with _said_plainly(path):
        masterkey_files.make(path)
    made = waiting(settings)
    if made is None or hmac.compare_digest(made.raw, _present(settings).raw):
        raise MasterKeyError(f"{path} holds no new master key. Remove that file and run it again.")
    return made


def promote(settings: Settings) -> None:
    """Put the key that waits in the place of the present one, which becomes the previous one.

    Nothing is ever written over a key: one that was the previous one before is set aside, in a
    file that is named by its id. Raises MasterKeyError.
    """
    path, previous = settings.generated_master_key_file, previous_file(settings)
    with _said_plainly(path):
        _set_aside(previous, _present(settings))
        _keep(path, previous)
        private_files.exchange(next_file(settings), path)
        _tidy(path)


def _present(settings: Settings) -> MasterKey:
    path = settings.generated_master_key_file
    return masterkey_files.read(path, f"the generated file ({path})", follow=False)


def _set_aside(previous: Path, present: MasterKey) -> None:
    """Move the key that is two keys old out of the way, unless this was done in an earlier run."""
    if not os.path.lexists(previous):
        return
    source = f"the previous generated file ({previous})"
    found = masterkey_files.read(previous, source, follow=False)
    if not hmac.compare_digest(found.raw, present.raw):
        stem = previous.name.removesuffix(".previous")
        previous.replace(previous.with_name(f"{stem}.{master_id(found)}"))
        private_files.sync_folder(previous.parent)


def _keep(path: Path, previous: Path) -> None:
    """Give the present key the name of the previous one too."""
    if not os.path.lexists(previous):
        masterkey_files.keep(previous, path.read_bytes())


def _tidy(path: Path) -> None:
    """Remove what runs that were killed left beside the key: each may hold a key."""
    for left in path.parent.iterdir():
        if left.name.startswith(path.name) and ".part-" in left.name:
            left.unlink(missing_ok=True)


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = error.strerror
    else:
        return
    raise MasterKeyError(f"A new master key cannot be saved to {path}: {problem}.")
