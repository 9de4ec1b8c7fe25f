"""Text made fit for a terminal, a table or a cell: what could move a cursor, hide text or turn its
direction is written as an escape; pure."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Several scripts and many emoji are not written without them, so they stay."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """The text with an escape for each character that would not be seen as itself."""
    return text if text.isprintable() else "".join(map(_shown, text))


def running_text(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "".join(c if c in "\n\t" else _shown(c) for c in text)


def one_line(text: str) -> str:
    """The same, with every run of white space as one space."""
    return printable(" ".join(text.split()))


def _shown(character: str) -> str:
    if character in JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode()
