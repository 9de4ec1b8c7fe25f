"""Takes a secret out of what a server says, in the ways that servers write one back; pure."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote

REMOVED = "[key removed]"
SHORTEST = 4
"""A shorter secret is left alone: taking every “1” out of an answer would spoil the answer."""
WHOLE = 8
"""From this length on a secret is removed wherever it stands, inside of words too."""


class Scrubber:
    """Removes one secret. Lives as short as the request it is made for; its repr shows nothing.

    A secret of 4 to 7 characters, such as the `ollama` that local servers are given, goes only
    where it is a word of its own and no name of a JSON member, so that lists stay readable.
    """

    __slots__ = ("_forms", "_word")

    def __init__(self, secret: str | None) -> None:
        secret = secret or ""
        self._forms = _forms(secret) if len(secret) >= WHOLE else ()
        self._word = _word(secret) if SHORTEST <= len(secret) < WHOLE else None

    def text(self, said: str) -> str:
        """`said` without the secret."""
        for form in self._forms:
            said = said.replace(form, REMOVED)
        return self._word.sub(REMOVED, said) if self._word else said

    def raw(self, body: bytes) -> bytes:
        """`body` without the secret; other bytes stay as they are, whatever their encoding."""
        for form in self._forms:
            body = body.replace(form.encode(), REMOVED.encode())
        if self._word is None:
            return body
        return self._word.sub(REMOVED, body.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )


def _forms(secret: str) -> tuple[str, ...]:
    """As it is; escaped for JSON, a page or a URL; in base64 at each alignment; in hex; reversed.

    The longest first, so that no form leaves the rest of a longer one behind.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    escaped = json.dumps(secret)[1:-1]
    url = quote(raw, safe="")
    forms = {secret, escaped, escaped.replace("/", "\\/"), html.escape(secret), url}
    forms |= {html.escape(secret).replace("&#x27;", "&#39;"), quote(raw)}
    forms |= {re.sub("%..", lambda found: found.group().lower(), url)}
    forms |= {raw.hex(), raw.hex().upper(), secret[::-1]}
    for shift in range(3):
        inner = _base64(raw, shift)
        forms |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return tuple(sorted((form for form in forms if len(form) >= WHOLE), key=len, reverse=True))


def _base64(raw: bytes, shift: int) -> str:
    """The part of its base64 that is the same whatever stands before and behind the secret."""
    encoded = base64.b64encode(b"\0" * shift + raw).decode()
    return encoded[4 if shift else 0 : len(encoded) - 4 if (shift + len(raw)) % 3 else None]


def _word(secret: str) -> re.Pattern[str]:
    return re.compile(rf'(?<![\w-]){re.escape(secret)}(?![\w-]|"\s*:)')
