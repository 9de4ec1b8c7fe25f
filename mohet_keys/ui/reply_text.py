"""A model's reply as Markdown that loads nothing and shows where its links lead; pure.

Streamlit shows pictures from anywhere and lets a link's text hide its address. A reply may carry
what a stranger wrote, so both are undone before it is drawn. Code is left as it is: nothing in it
is ever loaded. The server's `img-src` policy stands behind this, should a picture slip through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

_JOINER = "\u2060"  # invisible; parts what Markdown would read as a picture or a link
_FENCE = re.compile(r"^ {0,3}(?:> ?)*(?:[-*+] +|\d+[.)] +)*(`{3,}|~{3,})", re.MULTILINE)
_TICKS = re.compile(r"`+")
_PICTURE = re.compile(r"!\[([^\[\]]*)\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\[\]\n]*\])?")
_LINK = re.compile(r"\]\( *<?([^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?: +\"[^\"\n]*\")? *\)")
_DEFINITION = re.compile(r"^( {0,3})\[([^\]\n]+)\]:", re.MULTILINE)
_PRICE = re.compile(r"(?<![\\$])\$(?=\d)")  # “$5 and $6” is no formula
_DIRECTIVE = re.compile(r":(?=[a-z][a-z0-9_-]*\[)|:(?=material/|streamlit:)")


def reply(text: str) -> str:
    """The reply as Markdown: pictures as their alt text, links followed by their host."""
    return "".join(part if code else _tamed(part) for part, code in _parts(text))


def _tamed(prose: str) -> str:
    plain = _PICTURE.sub(lambda found: found.group(1) or "picture", prose)
    plain = plain.replace("![", f"!{_JOINER}[")  # one that is cut, or too odd to be read
    plain = _DEFINITION.sub(rf"\1[\2]{_JOINER}:", plain)
    plain = _links(plain)
    plain = _PRICE.sub(r"\\$", plain)
    return _DIRECTIVE.sub(f":{_JOINER}", plain)


def _links(prose: str) -> str:
    """Each link with the host it leads to; one whose address is unclear is no link any more."""
    done, at = [], 0
    while (start := prose.find("](", at)) >= 0:
        found = _LINK.match(prose, start)
        host = _host(found.group(1)) if found else ""
        done.append(prose[at:start])
        if found and host:
            done.append(f"{found.group()} ({host})")
            at = found.end()
        else:
            done.append(f"]{_JOINER}(")
            at = start + 2
    return "".join(done) + prose[at:]


def _host(address: str) -> str:
    """What to show of a link's address; empty when it may not be followed."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.:-]+", host):
        return ""
    shown = host if host.isascii() else host.encode("idna", "ignore").decode()
    return shown.replace("www.", f"www.{_JOINER}", 1)  # or it would be made a link of its own


# --- telling code from prose ------------------------------------------------------------------


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is code. A block that is not closed yet is."""
    at = 0
    while opening := _FENCE.search(text, at):
        yield from _spans(text[at : opening.start(1)])
        mark = opening.group(1)
        closing = re.compile(rf"^[ >]*{re.escape(mark[0])}{{{len(mark)},}} *$", re.MULTILINE)
        closed = closing.search(text, opening.end())
        at = closed.end() if closed else len(text)
        yield text[opening.start(1) : at], True
    yield from _spans(text[at:])


def _spans(prose: str) -> Iterator[tuple[str, bool]]:
    """Code within a line: from a run of backticks to the next run of the same length."""
    at = 0
    while opening := _TICKS.search(prose, at):
        length = len(opening.group())
        closing = re.compile(rf"(?<!`)`{{{length}}}(?!`)").search(prose, opening.end())
        blank = prose.find("\n\n", opening.end())
        end = closing.end() if closing else -1
        if end < 0 or 0 <= blank < end:
            yield prose[at : opening.end()], False
            at = opening.end()
            continue
        yield prose[at : opening.start()], False
        yield prose[opening.start() : end], True
        at = end
    yield prose[at:], False
