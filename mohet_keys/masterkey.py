"""Where the master key comes from: a key file, the environment, or a file made at first start.

All sources that are set are read, and they must agree; one that is malformed is refused by its
name and the rule it breaks, never with its value. A key is made only for a new, empty store on
somebody's own machine, and never beside the database.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from mohet_keys.errors import MasterKeyError
from mohet_keys.sealed import MASTER_KEY_BYTES, MasterKey, Masters
from mohet_keys.settings import Settings

__all__ = ["DOC_SAMPLE", "MasterKey", "Masters", "forget_environment", "load"]

DOC_SAMPLE = "dGhpcy1pcy10aGUtc2FtcGxlLW5vdC1hLXNlY3JldCE="
"""The key that the documentation shows. Everybody can read it, so it is refused."""

MAX_FILE_BYTES = 4096
MIN_DISTINCT_BYTES = 8
"""32 random bytes with fewer different ones among them do not happen."""

_VARIABLES = frozenset({"MOHET_MASTER_KEY", "MOHET_MASTER_KEY_PREVIOUS"})
_RULE = "It must be 32 random bytes, written as base64 or as 64 hex digits."
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_LENGTHS = (43, 64)
"""How many characters 32 bytes have as unpadded base64 and as hex."""
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]+={0,2}")
_BOMS = ("\ufeff", "\u00ef\u00bb\u00bf", "\u00ff\u00fe", "\u00fe\u00ff")


def load(settings: Settings, *, store_is_empty: bool, local: bool = True) -> Masters | None:
    """The master keys to work with, or None when there is none and none may be made.

    A key is made when no source has one, the store is empty and the product runs for one person
    (`local`). Raises MasterKeyError, naming source and rule, when a key is malformed, badly kept
    or at odds with another.
    """
    previous = _agreed(_configured(settings, "_PREVIOUS"))
    primary = _primary(settings, previous)
    if primary is None and previous is not None:
        raise MasterKeyError(
            f"{previous.source} is set, but there is no key to follow it. "
            "Set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE too."
        )
    if primary is None and local and store_is_empty:
        primary = _generate(settings)
    if primary is None:
        return None
    if previous is not None and _same(previous, primary):
        previous = None
    return Masters(primary, previous)


def forget_environment() -> None:
    """Take the master keys out of the environment, so that no child process inherits them."""
    for name in [name for name in os.environ if name.upper() in _VARIABLES]:
        del os.environ[name]


def _primary(settings: Settings, previous: MasterKey | None) -> MasterKey | None:
    configured = _configured(settings, "")
    generated = _generated(settings)
    # Whoever moves on from a generated key names it as the previous one; that is no quarrel.
    left_behind = generated and configured and previous and _same(generated, previous)
    if generated is None or left_behind:
        return _agreed(configured)
    if not configured:
        _refuse_beside_the_store(settings)
    return _agreed([*configured, generated])


def _configured(settings: Settings, which: str) -> list[MasterKey]:
    """The keys that the operator set, `which` being "" or "_PREVIOUS"."""
    path: Path | None = getattr(settings, f"master_key{which.lower()}_file")
    value = getattr(settings, f"master_key{which.lower()}")
    variable = f"MOHET_MASTER_KEY{which}"
    found = []
    if path is not None:
        found.append(_read(path, f"{variable}_FILE ({path})"))
    if value is not None:
        found.append(_parsed(value.get_secret_value(), variable))
    return found


def _agreed(found: list[MasterKey]) -> MasterKey | None:
    """The first of the keys, which must all be the same one."""
    for other in found[1:]:
        if not _same(found[0], other):
            raise MasterKeyError(
                f"{found[0].source} and {other.source} hold different master keys. "
                "Remove the one that is not meant."
            )
    return found[0] if found else None


def _same(one: MasterKey, other: MasterKey) -> bool:
    return hmac.compare_digest(one.raw, other.raw)


# What a key looks like


def _parsed(text: str, source: str) -> MasterKey:
    """The key written in `text`. Raises MasterKeyError with what is wrong with it."""
    wrong, raw = _misspelt(text), b""
    if not wrong:
        raw = bytes.fromhex(text) if _HEX.fullmatch(text) else _from_base64(text)
        wrong = _unfit(raw)
    if wrong:
        raise MasterKeyError(f"The master key in {source} {wrong}. {_RULE}")
    return MasterKey(raw, source)


def _misspelt(text: str) -> str | None:
    if not text:
        return "is empty"
    if text.startswith(_BOMS):
        return "starts with a byte order mark"
    if any(c.isspace() or not c.isprintable() for c in text):
        return "contains a space, a line break or a control character"
    if _DIGITS.fullmatch(text) and len(text) not in _LENGTHS:
        return f"has {len(text)} hex digits"
    mixed = set(text) & set("+/") and set(text) & set("-_")
    if mixed or not (_HEX.fullmatch(text) or _BASE64.fullmatch(text)):
        return "is neither base64 nor hex"
    return None


def _from_base64(text: str) -> bytes:
    """The bytes, or none at all when the text is not whole."""
    standard = text.translate(str.maketrans("-_", "+/"))
    bare = standard.rstrip("=")
    whole = bare + "=" * (-len(bare) % 4)
    try:
        raw = base64.b64decode(whole)
    except binascii.Error:
        return b""
    return raw if standard in {bare, whole} and base64.b64encode(raw) == whole.encode() else b""


def _unfit(raw: bytes) -> str | None:
    if not raw:
        return "is not whole"
    if len(raw) != MASTER_KEY_BYTES:
        return f"is {len(raw)} bytes long"
    if raw == base64.b64decode(DOC_SAMPLE):
        return "is the sample from the documentation, which everybody knows"
    if len(set(raw)) < MIN_DISTINCT_BYTES:
        return "only repeats a few bytes"
    return None


# Key files


def _read(path: Path, source: str, *, follow: bool = True) -> MasterKey:
    """The key in a file; one line break may end it. Raises MasterKeyError."""
    try:
        content, problem = _private_content(path, source, 0 if follow else _flags("O_NOFOLLOW"))
    except OSError as error:
        problem = f"The master key file of {source} cannot be read: {error.strerror}."
    if problem:
        raise MasterKeyError(problem)
    return _parsed(content.removesuffix(b"\n").decode("latin-1"), source)


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
        return f"The master key file of {source} is larger than {MAX_FILE_BYTES} bytes. {_RULE}"
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


def _generated(settings: Settings) -> MasterKey | None:
    """The key that an earlier start made."""
    path = settings.generated_master_key_file
    if not os.path.lexists(path):
        return None
    return _read(path, f"the generated file ({path})", follow=False)


def _generate(settings: Settings) -> MasterKey:
    """Make a key and keep it; when another process was faster, take that one's."""
    _refuse_beside_the_store(settings)
    path = settings.generated_master_key_file
    try:
        _make_private_folder(path.parent)
        _write_once(path, base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)) + b"\n")
    except OSError as error:
        problem = error.strerror
    else:
        return _read(path, f"the generated file ({path})", follow=False)
    raise MasterKeyError(
        f"A new master key cannot be saved to {path}: {problem}. "
        "Make that folder writable, or set MOHET_MASTER_KEY."
    )


def _refuse_beside_the_store(settings: Settings) -> None:
    """Whoever copies the data folder must not get the key that opens it."""
    folder = settings.generated_master_key_file.parent.resolve()
    beside = folder == _folder_of_sqlite(settings.store_url)
    if beside or folder.is_relative_to(settings.data_dir.resolve()):
        raise MasterKeyError(
            f"The generated master key would be kept beside the database, in {folder}. "
            "Choose another MOHET_CONFIG_DIR, or set MOHET_MASTER_KEY or MOHET_MASTER_KEY_FILE."
        )


def _folder_of_sqlite(url: str) -> Path | None:
    """The folder of the SQLite file that a store URL names; None for any other store."""
    scheme, _, path = url.partition(":///")
    path = path.partition("?")[0]
    return Path(path).resolve().parent if scheme.startswith("sqlite") and path else None


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if os.name == "posix" and folder.stat().st_mode & 0o022:
            raise PermissionError(errno.EPERM, "other users can write to that folder") from None


def _write_once(path: Path, content: bytes) -> None:
    """Write a private file, whole and on disk, unless there is one already. Raises OSError.

    The link is what decides between two processes: it appears with all its content or not at
    all, and never in the place of another file.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _flags("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
    handle = os.open(draft, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the platform can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
