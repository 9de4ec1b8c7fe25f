"""Tables for spreadsheets: texts that no spreadsheet takes for a formula, as CSV in UTF-8; pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from mohet_keys.printed import JOINERS, printable

BOM = b"\xef\xbb\xbf"
"""What a file begins with, so that a spreadsheet reads it as UTF-8."""
LONGEST = 500
"""Characters of one text that are shown."""
# What a spreadsheet takes for a formula; also behind spaces, in full width, and behind the
# semicolon that parts cells in some countries.
_FORMULA = re.compile(rf"(^|;)(?=[\s{JOINERS}]*[=+\-@＝＋－＠])|^(?=[\t\r\n])")


def harmless(text: str) -> str:
    """A text on one line, of a sensible length, all of it to be seen."""
    shown = printable(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula, on one line."""
    return harmless(_FORMULA.sub(r"\1'", text))


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as CSV. What is a stranger's in them has gone through `cell` before."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
