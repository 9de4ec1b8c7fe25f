"""Keys on their way to another machine: a file that opens with its passphrase alone.

Bytes in, bytes out; no file is touched here. It is one JSON document in ASCII with a clear
header: what it is, its version, when it was made, how many keys it holds, how the passphrase was
stretched. The keys are inside `sealed` (base64 of nonce and ciphertext), which is bound to all of
the header, so no part of the file can be changed and still opens. The layout is a promise: what
was ever written must be read by every later version.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from mohet_keys.errors import InputError, RefusedError
from mohet_keys.vault import (
    PassphraseSealed,
    Stretch,
    open_with_passphrase,
    seal_with_passphrase,
)

FORMAT = "mohet-keys-export"
VERSION = 1
LARGEST = 1024 * 1024
"""Bytes of a file; more is neither made nor read."""
SHORTEST_PASSPHRASE = 12
PAD_TO = 1024
"""What is sealed is filled up to multiples of this, so that it does not tell how long keys are."""

_KDF = "scrypt"
_CIPHER = "AES-256-GCM"
_NO_PARCEL = "This is no file that Mohet Keys exported. Choose one that is."
_DAMAGED = "This file is damaged, so nothing was read from it. Make it anew."
_NEWER = "This file was made by a newer version of Mohet Keys. Open it with that version."
_TOO_LARGE = "The file is larger than 1 MiB, so it was not read. Choose another one."
_TOO_MANY = "These keys make a file of more than 1 MiB. Choose fewer of them."
_SHORT = (
    f"The passphrase needs at least {SHORTEST_PASSPHRASE} characters: whoever gets hold of the "
    "file can try passphrases for as long as they like. Several words that do not belong together "
    "are easy to keep in mind."
)
_HEADER: dict[str, type] = {
    "format": str,
    "version": int,
    "created_at": str,
    "keys": int,
    "kdf": dict,
    "cipher": str,
    "sealed": str,
}
_STRETCH: dict[str, type] = {"name": str, "n": int, "r": int, "p": int, "salt": str}
_CONTENT: dict[str, type] = {"keys": list}
_KEY: dict[str, type] = {
    "provider": str,
    "name": str,
    "endpoint": str,
    "secret": str,
    "allow_http": bool,
    "created_at": str,
}
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a pair that makes up one character; no text has one."""
_SLUG = re.compile(r"[a-z0-9_-]{1,40}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


@dataclass(frozen=True, slots=True)
class Carried:
    """A key inside of a file. Its repr hides the secret, which is empty where none is needed."""

    provider: str
    name: str
    endpoint: str
    secret: str = field(repr=False)
    allow_http: bool
    """The consent to an unencrypted connection, given where the file was made."""
    created_at: datetime


def is_parcel(content: bytes) -> bool:
    """Whether this is to be read as such a file: any JSON object is."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def require_passphrase(passphrase: str) -> None:
    """Raise InputError for a passphrase that is too weak to make a file with."""
    if len(unicodedata.normalize("NFC", passphrase)) < SHORTEST_PASSPHRASE:
        raise InputError("passphrase", _SHORT)


# --- making -------------------------------------------------------------------------------------


def pack(keys: Sequence[Carried], passphrase: str, *, at: datetime) -> bytes:
    """The file with these keys, made at that moment.

    Raises InputError for a weak passphrase, RefusedError when it would be too large.
    """
    require_passphrase(passphrase)
    head = _head(_written(at), len(keys))
    inside = _inside(keys)
    if _base64_length(len(inside)) > LARGEST - PAD_TO:
        raise RefusedError(_TOO_MANY)
    sealed = seal_with_passphrase(passphrase, inside, _canonical(head))
    stretch = sealed.stretch
    kdf = {"name": _KDF, "n": stretch.n, "r": stretch.r, "p": stretch.p}
    document = {
        **head,
        "kdf": {**kdf, "salt": base64.b64encode(stretch.salt).decode()},
        "cipher": _CIPHER,
        "sealed": base64.b64encode(sealed.blob).decode(),
    }
    return f"{json.dumps(document, indent=2)}\n".encode("ascii")


def _head(created_at: str, count: int) -> dict[str, object]:
    """The part of the header that the sealing is told; how it stretches it binds by itself."""
    return {"format": FORMAT, "version": VERSION, "created_at": created_at, "keys": count}


def _canonical(head: dict[str, object]) -> bytes:
    bound = {**head, "kdf": _KDF, "cipher": _CIPHER}
    return json.dumps(bound, sort_keys=True, separators=(",", ":")).encode("ascii")


def _inside(keys: Sequence[Carried]) -> bytes:
    rows = [{**asdict(key), "created_at": _written(key.created_at)} for key in keys]
    plain = json.dumps({"keys": rows}).encode("ascii")
    return plain + b" " * (-len(plain) % PAD_TO)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _base64_length(length: int) -> int:
    return 4 * (length // 3 + 1)


# --- reading ------------------------------------------------------------------------------------


def require_parcel(content: bytes) -> None:
    """Raise RefusedError for what no passphrase would open: another file, or one made later."""
    if len(content) > LARGEST:
        raise RefusedError(_TOO_LARGE)
    _header(content)


def unpack(content: bytes, passphrase: str) -> tuple[Carried, ...]:
    """The keys in a file.

    Raises PassphraseError when it does not open, RefusedError (with nothing of the file in it)
    for what is no such file, one of a newer version, or one that no version writes.
    """
    if len(content) > LARGEST:
        raise RefusedError(_TOO_LARGE)
    header = _header(content)
    salt, blob = _bytes(header["kdf"]["salt"]), _bytes(header["sealed"])
    kdf = header["kdf"]
    sealed = PassphraseSealed(Stretch(kdf["n"], kdf["r"], kdf["p"], salt), blob)
    head = _head(header["created_at"], header["keys"])
    keys = _keys(open_with_passphrase(passphrase, sealed, _canonical(head)))
    if len(keys) != header["keys"]:
        raise RefusedError(_DAMAGED)
    return keys


def _header(content: bytes) -> dict[str, Any]:
    header = _object(content)
    if header is None or header.get("format") != FORMAT:
        raise RefusedError(_NO_PARCEL)
    version = header.get("version")
    if type(version) is int and version > VERSION:
        raise RefusedError(_NEWER)
    if version != VERSION or not _has(header, _HEADER) or not _has(header["kdf"], _STRETCH):
        raise RefusedError(_DAMAGED)
    if header["kdf"]["name"] != _KDF or header["cipher"] != _CIPHER:
        raise RefusedError(_DAMAGED)
    return header


def _keys(plain: bytes) -> tuple[Carried, ...]:
    content = _object(plain)
    if content is None or not _has(content, _CONTENT):
        raise RefusedError(_DAMAGED)
    return tuple(map(_key, content["keys"]))


def _key(fields: object) -> Carried:
    """One key, each of its fields of its own type. What they say is for the store to judge."""
    if not isinstance(fields, dict) or not _has(fields, _KEY):
        raise RefusedError(_DAMAGED)
    if any(_HALF.search(value) for value in fields.values() if isinstance(value, str)):
        raise RefusedError(_DAMAGED)
    if not _SLUG.fullmatch(fields["provider"]):
        raise RefusedError(_DAMAGED)
    return Carried(**{**fields, "created_at": _moment(fields["created_at"])})


def _moment(text: str) -> datetime:
    at = None
    if _MOMENT.fullmatch(text) and text.isascii():
        try:
            at = datetime.fromisoformat(text)
        except ValueError:  # the 31st of February
            at = None
    if at is None:
        raise RefusedError(_DAMAGED)
    return at


def _bytes(text: str) -> bytes:
    """What is written in base64, in the one way to write it."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if base64.b64encode(found).decode() != text:
        raise RefusedError(_DAMAGED)
    return found


def _has(fields: dict[str, Any], wanted: dict[str, type]) -> bool:
    """Whether exactly these fields are there, each of exactly its type."""
    return {name: type(value) for name, value in fields.items()} == wanted


def _object(text: bytes) -> dict[str, Any] | None:
    """The JSON object written there; None for anything else, and when a name stands twice."""
    try:
        found = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found
