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

PUBLIC_WORDS = frozenset({"ollama", "lm-studio", "lmstudio"})
"""What the makers of local servers tell everybody to enter. Replies may speak of them."""


class Scrubber:
    """Removes one secret. Lives as short as the request it is made for; its repr shows nothing.

    A secret of 4 to 7 characters, such as the `ollama` that local servers are given, goes only
    where it is a word of its own and no name of a JSON member, so that lists stay readable.
    """

    __slots__ = ("_forms", "_short", "_word")

    def __init__(self, secret: str | None) -> None:
        secret = secret or ""
        self._forms = _forms(secret) if len(secret) >= WHOLE else ()
        self._short = secret if SHORTEST <= len(secret) < WHOLE else ""
        self._word = _word(secret) if self._short else None

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

    def stream(self) -> StreamScrubber:
        """A scrubber of the same secret for one text that comes in pieces."""
        if self._short:
            return StreamScrubber((self._short,), words=True)
        return StreamScrubber(self._forms)


class StreamScrubber:
    """Removes one secret from a text that comes in pieces, also where it is cut by them.

    The end of a piece is held back only while it could be the beginning of the secret, so
    nothing else waits. What comes out is the same however the text is cut. `forms` are what to
    remove, the longest first; with `words`, only where they are words of their own.
    """

    __slots__ = ("_before", "_by_first", "_firsts", "_held", "_longest", "_pattern", "_words")

    def __init__(self, forms: tuple[str, ...], *, words: bool = False) -> None:
        self._words = words
        self._held = ""
        self._before = ""
        """The character before what is held, for a word begins only behind certain ones."""
        self._by_first: dict[str, list[str]] = {}
        for form in forms:
            self._by_first.setdefault(form[0], []).append(form)
        found = "|".join(map(re.escape, forms))
        found = rf"(?<![\w-])(?:{found})(?![\w-])" if words else found
        self._pattern = re.compile(found) if forms else None
        self._firsts = frozenset(self._by_first)
        self._longest = max(map(len, forms), default=0)

    def feed(self, piece: str) -> str:
        """What can be said now that `piece` has come."""
        if self._pattern is None:
            return piece
        if not self._held and self._firsts.isdisjoint(piece):
            self._before = piece[-1:] or self._before
            return piece
        return self._advance(piece, over=False)

    def end(self) -> str:
        """What was held back, now that nothing more comes."""
        return self._advance("", over=True) if self._held else ""

    def _advance(self, piece: str, *, over: bool) -> str:
        text = self._before + self._held + piece
        at, said = len(self._before), []
        while True:
            hold = len(text) if over else self._hold(text, at)
            found = self._pattern.search(text, at) if self._pattern else None
            if found is None or found.start() >= hold:
                break
            said += [text[at : found.start()], REMOVED]
            at = found.end()
        said.append(text[at:hold])
        self._held = text[hold:]
        self._before = text[hold - 1 : hold]
        return "".join(said)

    def _hold(self, text: str, at: int) -> int:
        """From where on the text could be the beginning of a form; its length if from nowhere."""
        for place in range(max(at, len(text) - self._longest), len(text)):
            forms = self._by_first.get(text[place])
            if forms and any(self._may_become(form, text, place) for form in forms):
                return place
        return len(text)

    def _may_become(self, form: str, text: str, place: int) -> bool:
        """A whole word may yet become a longer one; another form is a match as it is."""
        left = len(text) - place
        if left > len(form) or not form.startswith(text[place:]):
            return False
        if not self._words:
            return left < len(form)
        return place == 0 or not re.match(r"[\w-]", text[place - 1])


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
