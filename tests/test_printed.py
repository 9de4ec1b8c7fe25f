"""Text made fit for a terminal, a table or a cell."""

from __future__ import annotations

import unicodedata

import pytest

from mohet_keys.printed import one_line, printable, running_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é and 漢字", "plain, é and 漢字"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("line\u2028end\x85", "line\\u2028end\\x85"),
        ("می\u200cخواهم 👩\u200d💻", "می\u200cخواهم 👩\u200d💻"),
        ("wide\u3000space\u00a0", "wide\u3000space\u00a0"),
    ],
)
def test_what_would_not_be_seen_is_an_escape(text: str, shown: str) -> None:
    """Controls, hidden marks and line breaks are written out; letters and joiners stay."""
    assert printable(text) == shown


def test_no_character_at_all_gets_through_hidden() -> None:
    """Of all there are, only joiners are left that are not seen by themselves."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    left = {
        chr(code)
        for code in range(0x110000)
        if printable(chr(code)) == chr(code) and unicodedata.category(chr(code)) in hidden
    }
    assert left == {"\u200c", "\u200d"}


def test_lines_stay_lines_or_become_one() -> None:
    """Running text keeps its lines; one line is made of any."""
    assert running_text("a\n\tb\x1b") == "a\n\tb\\x1b"
    assert one_line(" a \n\n b\x1b ") == "a b\\x1b"
