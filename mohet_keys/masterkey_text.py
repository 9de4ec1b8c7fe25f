"""What a master key looks like in writing: 32 random bytes, as base64 or as hex digits.

What is no such thing is refused by the rule it breaks, never with its value.
"""

from __future__ import annotations

import base64
import binascii
import re

from mohet_keys.errors import MasterKeyError
from mohet_keys.sealed import MASTER_KEY_BYTES, MasterKey

DOC_SAMPLE = "dGhpcy1pcy10aGUtc2FtcGxlLW5vdC1hLXNlY3JldCE="
"""The key that the documentation shows. Everybody can read it, so it is refused."""

MIN_DISTINCT_BYTES = 8
"""32 random bytes with fewer different ones among them do not happen."""

RULE = "It must be 32 random bytes, written as base64 or as 64 hex digits."
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_LENGTHS = (43, 64)
"""How many characters 32 bytes have as unpadded base64 and as hex."""
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]+={0,2}")
_BOMS = ("\ufeff", "\u00ef\u00bb\u00bf", "\u00ff\u00fe", "\u00fe\u00ff")


def parsed(text: str, source: str) -> MasterKey:
    """The key written in `text`. Raises MasterKeyError with what is wrong with it."""
    wrong, raw = _misspelt(text), b""
    if not wrong:
        raw = bytes.fromhex(text) if _HEX.fullmatch(text) else _from_base64(text)
        wrong = _unfit(raw)
    if wrong:
        raise MasterKeyError(f"The master key in {source} {wrong}. {RULE}")
    return MasterKey(raw, source)


def written(raw: bytes) -> bytes:
    """A key as it is kept in a file."""
    return base64.b64encode(raw) + b"\n"


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
