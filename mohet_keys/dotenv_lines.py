"""The lines of a `.env` text: names and values as programs read them; pure.

`NAME=value`, `export NAME='value'`, quotes of three kinds, escapes, comments, either line break.
What programs read differently, or what no key is (a value of several lines, one that refers to
another variable), is named with its trouble and has no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mohet_keys.errors import RefusedError
from mohet_keys.providers import is_key

MOST_LINES = 5000
NO_VALUE = "It has no value."
_NO_LINE = "No line of the form NAME=value."
_NO_END = "Its quotation mark is never closed, so its value cannot be read."
_BEHIND_IT = "Something stands behind its value, so it cannot be told where that ends."
_SEVERAL_LINES = "Its value goes over several lines, which no key does."
_REFERS = "It takes its value from another variable, so it has none by itself."

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]{0,99})[ \t]*=[ \t]*(.*)")
_QUOTED = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}") for quote in "\"'`"}
_CLOSING = {quote: re.compile(rf"(?<!\\){quote}") for quote in _QUOTED}
_BEHIND = re.compile(r"[ \t]*(#.*)?")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_REFERENCE = re.compile(r"(?<!\\)\$[A-Za-z_{(]")
_PADDING = re.compile("=*")


@dataclass(frozen=True, slots=True)
class Line:
    """A variable as it last stands in the text.

    `name` is empty where a line has none that may be told; `trouble` says why there is no value.
    """

    number: int
    """Counted from 1."""
    name: str
    value: str = field(repr=False)
    trouble: str | None = None
    again: bool = False
    """Whether the name stands in the text more than once."""

    @property
    def shown(self) -> str:
        """What to call the line."""
        return self.name or f"line {self.number}"


def lines(text: str) -> list[Line]:
    """Each variable once, and each line that is none, in the order of the text.

    Raises RefusedError for more lines than such a file has.
    """
    found: dict[str, Line] = {}
    for line in _all(text):
        known = line.name in found
        found[line.shown] = replace(line, again=known)
    return sorted(found.values(), key=lambda line: line.number)


def _all(text: str) -> Iterator[Line]:
    rows = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(rows) > MOST_LINES:
        raise RefusedError(f"The file has more than {MOST_LINES} lines, so it was not read.")
    at = 0
    while at < len(rows):
        row, number = rows[at], at + 1
        at += 1
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(row)
        if found is None:
            yield Line(number, "", "", _NO_LINE)
            continue
        name, rest = found.groups()
        below = _rows_below(rest, rows, at)
        at += below
        value, trouble = _value(rest) if not below else ("", _SEVERAL_LINES)
        told = _may_be_told(name, rest)
        yield Line(number, name if told else "", value, trouble or (None if told else _NO_LINE))


def _may_be_told(name: str, rest: str) -> bool:
    """Whether a name is no piece of a secret: a key pasted bare, or the end of a block of base64,
    whose padding makes it look like an assignment."""
    return not is_key(name) and (name.isupper() or not _PADDING.fullmatch(rest.strip()))


def _rows_below(rest: str, rows: Sequence[str], at: int) -> int:
    """How many of the rows below belong to a quoted value, which ends at the end of a row."""
    quote = rest[:1]
    if quote not in _QUOTED or _CLOSING[quote].search(rest, 1):
        return 0
    for below in range(at, len(rows)):
        end = _CLOSING[quote].search(rows[below])
        if end:
            return below - at + 1 if _BEHIND.fullmatch(rows[below], end.end()) else 0
    return 0


def _value(rest: str) -> tuple[str, str | None]:
    """What stands behind the `=`; with the trouble where it is not to be used."""
    quote = rest[:1]
    if quote not in _QUOTED:
        value = _COMMENT.sub("", rest, count=1).strip()
    else:
        found = _QUOTED[quote].match(rest)
        if found is None:
            return "", _NO_END
        if not _BEHIND.fullmatch(rest, found.end()):
            return "", _BEHIND_IT
        value = found.group(1)
    if quote != "'" and _REFERENCE.search(value):
        return "", _REFERS
    if quote in _QUOTED:
        value = _unescaped(value, _ESCAPES if quote == '"' else {})
    return value, None if value.strip() else NO_VALUE


def _unescaped(value: str, escapes: dict[str, str]) -> str:
    return _ESCAPED.sub(lambda found: escapes.get(found.group(1), found.group(1)), value)
