"""Looks for a planted secret in anything a run leaves behind, raw or encoded."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

WINDOW = 12
"""A piece of this many characters of the secret counts as a leak."""


def canary(prefix: str) -> str:
    """A secret like a provider's own: its public prefix, then 48 random characters."""
    return prefix + secrets.token_hex(24)


def traces(secret: str) -> dict[str, bytes]:
    """Every form of the secret that a scan looks for, by name."""
    raw = secret.encode()
    found = {
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "hex in capitals": raw.hex().upper().encode(),
        "utf-16": secret.encode("utf-16-le"),
        "url-escaped": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "json-escaped": "".join(f"\\u{byte:04x}" for byte in raw).encode(),
    }
    for shift in range(3):
        found[f"base64 at {shift}"] = _base64_core(raw, shift)
    random_part = raw[-48:]
    for start in range(len(random_part) - WINDOW + 1):
        found[f"characters from {start}"] = random_part[start : start + WINDOW]
    return found


def _base64_core(raw: bytes, shift: int) -> bytes:
    """The part of the base64 text that does not depend on what stands around the secret."""
    encoded = base64.b64encode(b"\0" * shift + raw)
    first = 4 if shift else 0
    return encoded[first : len(encoded) - 4]


def scan(secret: str, evidence: Mapping[str, bytes]) -> list[str]:
    """What was found where: one line `place: form` for each leak."""
    forms = traces(secret)
    return [
        f"{place}: {name}"
        for place, content in evidence.items()
        for name, form in forms.items()
        if form in content
    ]


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder with its bytes."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def leak(secret: str, form: str) -> bytes:
    """The secret as a careless program would leave it behind, in one of several forms."""
    return {
        "raw": secret.encode(),
        "base64": base64.b64encode(f"Bearer {secret}".encode()),
        "hex": secret.encode().hex().encode(),
        "url": urllib.parse.urlencode({"key": secret}).encode(),
        "json": json.dumps({"headers": {"Authorization": f"Bearer {secret}"}}).encode(),
        "part": secret[-20:-4].encode(),
    }[form]
