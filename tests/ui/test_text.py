"""Words made safe and readable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mohet_keys.ui.text import (
    ago,
    code,
    day,
    dollars,
    duration,
    escape,
    literal,
    moment,
    upcoming,
    zone_of,
)

AT = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", ["Production", "team key 2", "Ключ", "a_b-c (old)", "v1.2"])
def test_plain_names_are_bold(name: str) -> None:
    """Ordinary names, of any script, are set in bold."""
    assert literal(name).startswith("**")


@pytest.mark.parametrize(
    "name", ["<b>", "www.evil.example", "https://x", "a -> b", ":streamlit:", "![x](y)", "a@b.c"]
)
def test_t31_active_names_are_set_as_code(name: str) -> None:
    """Whatever Streamlit would make something of is set as code, which nothing looks into."""
    assert literal(name) == f"`{name}`"


@given(st.text(alphabet="`ab ", min_size=1))
def test_code_survives_backticks(text: str) -> None:
    """The fence around code is longer than any run of backticks in it."""
    fence = code(text)[: len(code(text)) - len(code(text).lstrip("`"))]
    assert fence not in text


@given(st.text())
def test_t31_escaped_text_stays_on_one_line(text: str) -> None:
    """Escaping folds white space, so that no text can start a Markdown block of its own."""
    assert "\n" not in escape(text)


def test_t31_escape_leaves_no_punctuation_bare() -> None:
    """Each ASCII punctuation mark has a backslash before it."""
    assert escape("[a](b)") == r"\[a\]\(b\)"


def test_times_are_shown_in_the_readers_zone() -> None:
    """Half past eleven at night in Greenwich is the next day in Tokyo."""
    assert day(AT, zone_of("Asia/Tokyo")) == "Nov 25, 2026"
    assert moment(AT, zone_of("America/New_York")) == "Nov 24, 2026, 18:30"


@pytest.mark.parametrize("name", [None, "", "Nowhere/Land", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    """A browser that names no zone we know gets UTC."""
    assert day(AT, zone_of(name)) == "Nov 24, 2026"


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_t59_how_long_ago(gone: timedelta, words: str) -> None:
    """The largest fitting unit is named, and the future counts as now."""
    assert ago(AT - gone, AT) == words


def test_durations_read_well() -> None:
    """Below a second in milliseconds, above in seconds."""
    assert duration(312) == "312 ms"
    assert duration(2400) == "2.4 s"


def test_dollars_read_well() -> None:
    """With cents, and in thousands."""
    assert [dollars(amount) for amount in (0, 4.2, 1234.567)] == ["$0.00", "$4.20", "$1,234.57"]


@pytest.mark.parametrize(
    ("minutes", "said"), [(-5, "soon"), (1, "soon"), (20, "at 12:20"), (13 * 60, "on Mar 2, 01:00")]
)
def test_what_is_to_come_is_told_as_shortly_as_it_can_be(minutes: int, said: str) -> None:
    """The time today, the date as well on another day, and nothing exact when it is due."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert upcoming(now + timedelta(minutes=minutes), now, zone_of("UTC")) == said
