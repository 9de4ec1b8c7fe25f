"""Key files: read only while no one else can, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from mohet_keys import private_files
from mohet_keys.errors import MasterKeyError
from mohet_keys.masterkey_text import RULE, parsed, written
from mohet_keys.sealed import MASTER_KEY_BYTES, MasterKey

MAX_FILE_BYTES = 4096


def read(path: Path, source: str, *, follow: bool = True) -> MasterKey:
    """The key in a file; one line break may end it. Raises MasterKeyError.

    Without `follow`, a link in the place of the file is refused.
    """
    try:
        content, problem = _private_content(path, source, 0 if follow else _flags("O_NOFOLLOW"))
    except OSError as error:
        problem = f"The master key file of {source} cannot be read: {error.strerror}."
    if problem:
        raise MasterKeyError(problem)
    return parsed(content.removesuffix(b"\n").decode("latin-1"), source)


def make(path: Path) -> None:
    """Write a new random key to a file, unless there is one already. Raises OSError.

    Of two processes that do it at once one is first, and the other's key is thrown away. The
    folder is made where there is none, and must not be open to others.
    """
    _make_private_folder(path.parent)
    keep(path, written(secrets.token_bytes(MASTER_KEY_BYTES)))


def keep(path: Path, content: bytes) -> None:
    """Write a key file, whole and on disk, unless there is one already. Raises OSError."""
    with private_files.part_of(path) as part:
        part.write_bytes(content)
        with contextlib.suppress(FileExistsError):
            private_files.place(part, path)


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if os.name == "posix" and folder.stat().st_mode & 0o022:
            raise PermissionError(errno.EPERM, "other users can write to that folder") from None


def _private_content(path: Path, source: str, flags: int) -> tuple[bytes, str]:
    """What is in a key file, or why it may not be used."""
    handle = os.open(path, flags | os.O_RDONLY | _flags("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
    try:
        problem = _badly_kept(os.fstat(handle), source)
        return b"" if problem else os.read(handle, MAX_FILE_BYTES), problem
    finally:
        os.close(handle)


def _badly_kept(found: os.stat_result, source: str) -> str:
    if not stat.S_ISREG(found.st_mode):
        return f"The master key of {source} is not in a regular file."
    if found.st_size > MAX_FILE_BYTES:
        return f"The master key file of {source} is larger than {MAX_FILE_BYTES} bytes. {RULE}"
    mode = stat.S_IMODE(found.st_mode)
    if os.name == "posix" and mode & 0o077:
        return (
            f"The master key file of {source} is open to other users (its mode is {mode:04o}). "
            "Make it private with chmod 600."
        )
    return ""


def _flags(*names: str) -> int:
    """These flags of os.open together, as far as the platform has them."""
    return sum(getattr(os, name, 0) for name in names)
