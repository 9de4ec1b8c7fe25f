"""Files that only this user may read: written whole or not at all, and never over another one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def part_of(target: Path) -> Iterator[Path]:
    """An empty file of mode 0600 beside `target`, to be filled and put in place.

    It is gone at the end, unless it was put in place, with all that was made beside it under its
    name: a database keeps a log there. Raises OSError.
    """
    part = target.with_name(f"{target.name}.part-{secrets.token_hex(4)}")
    os.close(os.open(part, _NEW, 0o600))
    try:
        yield part
    finally:
        for left in [each for each in part.parent.iterdir() if each.name.startswith(part.name)]:
            left.unlink(missing_ok=True)


def place(part: Path, target: Path) -> None:
    """Give a finished file its name, once its content is on the disk.

    Raises FileExistsError when there is anything of that name, which then stays as it is, and
    OSError.
    """
    _sync(part, os.O_RDWR)
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        _claim(part, target)
    else:
        part.unlink()
    sync_folder(target.parent)


def also_named(file: Path, other: Path) -> None:
    """Have a file keep its content under another name too, for this user alone. Raises OSError."""
    try:
        os.link(file, other)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with part_of(other) as part:
            part.write_bytes(file.read_bytes())
            place(part, other)
    other.chmod(0o600)


def exchange(part: Path, target: Path) -> None:
    """Put a finished file in the place of another one, at one stroke. Raises OSError."""
    _sync(part, os.O_RDWR)
    part.replace(target)
    sync_folder(target.parent)


def _claim(part: Path, target: Path) -> None:
    """Take the name with an empty file first, so that no other one is ever written over."""
    os.close(os.open(target, _NEW, 0o600))
    try:
        part.replace(target)
    except OSError:
        target.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut, where the platform can. Raises OSError."""
    if os.name == "posix":
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, how: int) -> None:
    handle = os.open(path, how | _BINARY | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
