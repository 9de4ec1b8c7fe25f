"""The layout of a sealed secret in bytes. Pure: it knows no key and no cipher.

    "MK" · format (1 byte) · header length (2 bytes) · header · nonce (12 bytes) · ciphertext

The header is clear, canonical JSON: what the secret is bound to, and which data key sealed it.
All of it is authenticated, so it can be believed once the ciphertext has opened. The layout is
a promise: what was ever written must be read by every later version.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mohet_keys.endpoints import CANONICAL_VERSION
from mohet_keys.errors import RefusedError, SealError
from mohet_keys.providers import BY_SLUG
from mohet_keys.sealed import Label

FORMAT = 1
NONCE_BYTES = 12
TAG_BYTES = 16
PAD_TO = 64
"""Secrets are padded to multiples of this, so that the store does not tell how long they are."""

MAX_HEADER_BYTES = 16 * 1024
MAX_SECRET_BYTES = 64 * 1024

ALTERED = (
    "The stored secret of this key was altered, so it stays closed and nothing was sent. "
    "Enter the secret again to use this key."
)
NEWER = (
    "This secret was sealed by a newer version of Mohet Keys, so it stays closed. "
    "Start that version to use this key."
)

_MAGIC = b"MK"
_START = struct.Struct(">2sBH")
_LENGTH = struct.Struct(">I")
_MAX_BYTES = _START.size + MAX_HEADER_BYTES + NONCE_BYTES + MAX_SECRET_BYTES + PAD_TO + TAG_BYTES
_FIELDS: dict[str, type] = {
    "allow_http": bool,
    "canonical_version": int,
    "data_key_id": str,
    "destination": str,
    "format": int,
    "key_id": str,
    "provider": str,
    "revision": int,
}
_canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Header:
    """What is said in clear of a sealed secret: its label, and how to open it."""

    label: Label
    data_key_id: str
    canonical_version: int = CANONICAL_VERSION

    def encode(self) -> bytes:
        """The one way to write this header."""
        label = self.label
        text = _canonical_json(
            {
                "allow_http": label.allow_http,
                "canonical_version": self.canonical_version,
                "data_key_id": self.data_key_id,
                "destination": label.destination,
                "format": FORMAT,
                "key_id": label.key_id,
                "provider": label.provider,
                "revision": label.revision,
            }
        )
        return text.encode("ascii")

    def associated_data(self) -> bytes:
        """The bytes a ciphertext is bound to. The key id stands apart as well, so that it is
        bound whatever a later header may hold."""
        start = _MAGIC + bytes([FORMAT])
        return framed(start, self.encode(), self.label.key_id)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed secret taken apart. Nothing in it is authenticated yet."""

    header: Header
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


def framed(*parts: bytes | str) -> bytes:
    """The parts as one, each after its length, so that no two lists of parts read alike."""
    encoded = [part if isinstance(part, bytes) else _bytes(part) for part in parts]
    return b"".join(_LENGTH.pack(len(part)) + part for part in encoded)


def _bytes(text: str) -> bytes:
    """Any text whatever as bytes, half surrogates too: an odd secret is no reason to fail."""
    return text.encode("utf-8", "surrogatepass")


def pack(header: Header, nonce: bytes, ciphertext: bytes) -> bytes:
    """The envelope as bytes. Raises RefusedError for a label too long to be read back."""
    encoded = header.encode()
    if len(encoded) > MAX_HEADER_BYTES:
        raise RefusedError("The address is too long to be stored. Use a shorter one.")
    return _START.pack(_MAGIC, FORMAT, len(encoded)) + encoded + nonce + ciphertext


def unpack(blob: bytes) -> Envelope:
    """Take an envelope apart. Raises SealError for anything that `pack` did not write."""
    if not isinstance(blob, bytes) or not _START.size <= len(blob) <= _MAX_BYTES:
        raise SealError(ALTERED)
    magic, version, length = _START.unpack_from(blob)
    if magic != _MAGIC or version < FORMAT or length > MAX_HEADER_BYTES:
        raise SealError(ALTERED)
    if version > FORMAT:
        raise SealError(NEWER)
    end = _START.size + length
    header = _read_header(blob[_START.size : end])
    nonce, ciphertext = blob[end : end + NONCE_BYTES], blob[end + NONCE_BYTES :]
    if len(ciphertext) < PAD_TO + TAG_BYTES:
        raise SealError(ALTERED)
    return Envelope(header, nonce, ciphertext)


def _read_header(encoded: bytes) -> Header:
    fields = _json_object(encoded)
    if {name: type(value) for name, value in fields.items()} != _FIELDS:
        raise SealError(ALTERED)
    label = Label(**{each.name: fields[each.name] for each in dataclasses.fields(Label)})
    header = Header(label, fields["data_key_id"], fields["canonical_version"])
    if header.encode() != encoded:
        raise SealError(ALTERED)
    if header.canonical_version > CANONICAL_VERSION:
        raise SealError(NEWER)
    return header


def _json_object(encoded: bytes) -> dict[str, Any]:
    """The object written there, or an empty one for anything else."""
    try:
        found = json.loads(encoded)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def pad(secret: str) -> bytes:
    """The secret with its length in front, filled up. Raises RefusedError over 64 KiB."""
    text = _bytes(secret)
    if len(text) > MAX_SECRET_BYTES:
        raise RefusedError("The API key is too long to be stored.")
    plain = _LENGTH.pack(len(text)) + text
    return plain + bytes(-len(plain) % PAD_TO)


def unpad(padded: bytes) -> str | None:
    """The secret that was padded; None for bytes that `pad` did not write."""
    (length,) = _LENGTH.unpack_from(padded)
    text = padded[_LENGTH.size : _LENGTH.size + length]
    if padded != _LENGTH.pack(len(text)) + text + bytes(-(_LENGTH.size + length) % PAD_TO):
        return None
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def difference(sealed: Label, now: Label) -> str:
    """One sentence on the first thing in which a record differs from what was sealed."""
    if sealed.key_id != now.key_id:
        return "This secret was sealed for another key. Nothing was sent."
    if sealed.destination != now.destination:
        was, says = _told_apart(sealed.destination, now.destination)
        return f"This key was sealed for {was}, but its address now says {says}. Nothing was sent."
    if sealed.provider != now.provider:
        was, says = _vendor(sealed.provider), _vendor(now.provider)
        return f"This key was sealed for {was}, but its record now says {says}. Nothing was sent."
    if sealed.allow_http != now.allow_http:
        return (
            "The consent to an unencrypted connection was changed outside the app. "
            "Nothing was sent."
        )
    return (
        f"This secret was sealed as revision {sealed.revision} of the key, "
        f"but its record now says {now.revision}. Nothing was sent."
    )


def _told_apart(was: str, says: str) -> tuple[str, str]:
    """The two hosts, or the whole addresses when the hosts are alike."""
    hosts = _host(was), _host(says)
    return hosts if "" not in hosts and hosts[0] != hosts[1] else (shown(was), shown(says))


def _vendor(slug: str) -> str:
    return BY_SLUG[slug].label if slug in BY_SLUG else shown(slug)


def _host(destination: str) -> str:
    try:
        return shown(urlsplit(destination).hostname or "")
    except ValueError:
        return ""


def shown(text: str) -> str:
    """Text out of the store made fit for a message: printable, one line, short."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:200])
