"""Looks at the files of a store: the disk, the folder, and who else can read or write them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mohet_keys import sqlite_file

LOW_DISK = 100 * 1024 * 1024
"""Bytes; with less, the next writes may fail."""

Level = Literal["ok", "wrong", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in a sentence."""

    level: Level
    area: str
    message: str
    is_fatal: bool = False
    """Whether the store cannot be opened because of it."""


def ok(area: str, message: str) -> Finding:
    """Something that is right."""
    return Finding("ok", area, message)


def note(area: str, message: str) -> Finding:
    """Something to know, that is not wrong."""
    return Finding("note", area, message)


def wrong(area: str, message: str) -> Finding:
    """Something to put right."""
    return Finding("wrong", area, message)


def fatal(area: str, message: str) -> Finding:
    """Something wrong that keeps the store from being opened."""
    return Finding("wrong", area, message, is_fatal=True)


# --- the disk -----------------------------------------------------------------------------------


def disk(place: Path) -> Iterator[Finding]:
    """How much room there is where a file is, or will be."""
    there = _nearest(place)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield wrong("disk", f"The disk of {there} does not answer: {error.strerror}.")
        return
    said = f"{free // 2**20:,} MB are free at {there}."
    yield ok("disk", said) if free >= LOW_DISK else wrong("disk", f"Only {said} Free some.")


def _nearest(place: Path) -> Path:
    """The place itself, or the folder above it that is there."""
    whole = place.absolute()
    return next((each for each in (whole, *whole.parents) if is_there(each)), Path("/"))


# --- who can read and write the files -----------------------------------------------------------


def store_file(path: Path) -> Iterator[Finding]:
    """Whether a store's file is there, or can be made, and who else can read it or write it."""
    if not is_there(path):
        above = _nearest(path)
        remains = sqlite_file.remains_of(path)
        if remains:
            said = f"{path} is gone, but {remains.name} is still there and may hold saved keys."
            yield fatal("store", f"{said} Restore a backup, or move that file away to begin anew.")
        elif not (above.is_dir() and os.access(above, os.W_OK)):
            yield fatal("store", f"{path} cannot be made: {above} is no folder to write to.")
        else:
            yield note("store", f"There is no store yet. The first start makes {path}.")
        return
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        yield wrong("permissions", f"{path} or its folder cannot be written by this user.")
    if os.name != "posix":
        yield note("permissions", "Who else can read the files cannot be told on this system.")
        return
    yield from _modes(path)


def _modes(path: Path) -> Iterator[Finding]:
    for file in sqlite_file.files_of(path):
        mode = mode_of(file)
        if mode & 0o077:
            yield _open_to_others(file, mode, 0o600)
        elif file == path:
            yield ok("permissions", f"{file} is this user’s alone (mode {mode:04o}).")
    yield _folder(path.parent, shared=_is_shared(path))


def _folder(folder: Path, *, shared: bool) -> Finding:
    """A folder that others write to lets them put another file there. One that holds other
    things too may be readable for others on purpose."""
    mode = mode_of(folder)
    if not mode & 0o077:
        return ok("permissions", f"{folder} is this user’s alone (mode {mode:04o}).")
    if shared and not mode & 0o022:
        said = f"{folder} can be read by other users (mode {mode:04o}); it holds other things too."
        return note("permissions", said)
    return _open_to_others(folder, mode, 0o700)


def _open_to_others(path: Path, mode: int, wanted: int) -> Finding:
    said = f"{path} is open to other users (mode {mode:04o}). Run chmod {wanted:o} on it."
    return wrong("permissions", said)


_KEPT = (".before-restore-", ".damaged-")
_PART = ".part-"


def kept_files(path: Path) -> Iterator[Finding]:
    """The files that restores left beside a store, and who else can read them."""
    kept = sorted(_beside(path, _KEPT), key=_modified)
    for file in (*kept, *_beside(path, (_PART,))):
        mode = mode_of(file)
        if os.name == "posix" and mode & 0o077:
            yield _open_to_others(file, mode, 0o600)
        if _PART in file.name:
            said = f"{file} is left of a backup or restore that broke off. Remove it."
            yield note("kept files", said)
    if kept:
        files = "1 file of an earlier store lies"
        if len(kept) > 1:
            files = f"{len(kept)} files of earlier stores lie"
        said = f"{files} beside this one, the newest {kept[-1].name}. What was deleted since is"
        yield note("kept files", f"{said} still there: remove what is needed no more.")


def _beside(path: Path, marks: tuple[str, ...]) -> list[Path]:
    """The files whose names begin as the store’s and go on with one of these marks."""
    names = tuple(path.name + mark for mark in marks)
    try:
        return sorted(each for each in path.parent.iterdir() if each.name.startswith(names))
    except OSError:
        return []


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def is_there(path: Path) -> bool:
    """Whether there is anything at a path, as far as this user can see."""
    try:
        return path.exists()
    except OSError:
        return False


def mode_of(path: Path) -> int:
    """The mode of a file; nothing for one that is not there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _is_shared(path: Path) -> bool:
    """Whether the store's folder holds anything else."""
    try:
        return any(not other.name.startswith(path.name) for other in path.parent.iterdir())
    except OSError:
        return True
