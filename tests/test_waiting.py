"""How long to wait, from whatever a provider says about it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mohet_keys.waiting import LONGEST, wait_of, wait_words
from tests.judging import case

TEXT = {"error": {"message": "Rate limit reached. Please try again in 9m38.016s. Need more?"}}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "12"}, TEXT, 1.5),
        ({"retry-after": "12"}, TEXT, 12.0),
        ({"retry-after": " 0.5 "}, TEXT, 0.5),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:30 GMT"}, TEXT, 30.0),
        ({"retry-after": "soon"}, TEXT, 578.016),
        ({"retry-after-ms": "soon", "retry-after": "7"}, TEXT, 7.0),
        ({}, TEXT, 578.016),
        ({}, "", None),
    ],
)
def test_the_surest_word_comes_first(
    headers: dict[str, str], body: Any, seconds: float | None
) -> None:
    """Milliseconds before seconds, a header before the text, and none where none is told."""
    assert seconds == wait_of(case(429, body, headers))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("Please try again in 9m38.016s.", 578.016),
        ("Please try again in 174ms. Visit us", 0.174),
        ("Please try again in 20s", 20),
        ("TRY AGAIN IN 1H2M3S", 3723),
        ("try again in 0d1h", 3600),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Please retry after 6 seconds.", 6),
        ("Please wait 12 seconds before trying again", 12),
        ("wait for 1 hour, 5 minutes", 3900),
        ("try again in 500 milliseconds", 0.5),
        ("try again later", None),
        ("try again after 17:00", None),
        ("try again in 5 steps", None),
        ("in 9m38s", None),
        ("try again in ten minutes", None),
    ],
)
def test_a_wait_is_read_out_of_the_words(told: str, seconds: float | None) -> None:
    """The spans that OpenAI, Groq, Google and Azure write; other numbers are no wait."""
    found = wait_of(case(429, {"error": {"message": told}}))
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("delay", "seconds"), [("34s", 34.0), ("0.5s", 0.5), ("34", None), (34, None), ("-1s", None)]
)
def test_googles_delay_is_read_out_of_the_details(delay: Any, seconds: float | None) -> None:
    """It stands in the error's details, as a text with its unit."""
    details: list[Any] = [None, {"@type": "QuotaFailure"}, {"retryDelay": delay}]
    assert seconds == wait_of(case(429, {"error": {"message": "x", "details": details}}))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1795608060000", 60.0), (1795608060000, 60.0), ("1795608060", None), ("x", None), ([], None)],
)
def test_openrouters_moment_is_read_out_of_its_own_headers(
    reset: Any, seconds: float | None
) -> None:
    """It comes in milliseconds of the clock; what is no moment of these years is left alone."""
    error = {"message": "x", "metadata": {"headers": {"X-RateLimit-Reset": reset}}}
    assert seconds == wait_of(case(429, {"error": error}))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "999999999"}, LONGEST),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "١٢"}, None),
        ({"retry-after": "Wed, 25 Nov 2099 12:00:30 GMT"}, LONGEST),
        ({"retry-after": "Wed, 25 Nov 2020 12:00:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:30 -0000"}, 30.0),
        ({"retry-after": "Wed, 99 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after-ms": "0"}, 0.0),
    ],
)
def test_t57_an_absurd_wait_is_a_day_or_none(
    headers: dict[str, str], seconds: float | None
) -> None:
    """No wait is longer than a day or shorter than nothing."""
    assert seconds == wait_of(case(429, "", headers))


@settings(deadline=None, max_examples=300, database=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_t57_nothing_makes_it_stumble(ms: str, after: str, told: str) -> None:
    """Any headers and any words give seconds between nothing and a day, or none."""
    headers = {"retry-after-ms": ms, "retry-after": after}
    found = wait_of(case(429, {"error": {"message": f"try again in {told}"}}, headers))
    assert found is None or (math.isfinite(found) and 0 <= found <= LONGEST)


def test_a_long_text_costs_nothing() -> None:
    """Only the beginning of a message is searched for a wait."""
    assert wait_of(case(429, {"error": {"message": "try again in 5m " * 100_000}})) == 300


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, " in 1 second"),
        (1.4, " in 1 second"),
        (12.0, " in 12 seconds"),
        (119.4, " in 119 seconds"),
        (120.0, " in 2 minutes"),
        (578.016, " in 10 minutes"),
        (7199.0, " in 120 minutes"),
        (7200.0, " in 2 hours"),
        (LONGEST, " in 24 hours"),
    ],
)
def test_a_wait_is_said_in_the_unit_that_fits(seconds: float | None, words: str) -> None:
    """Seconds up to two minutes, minutes up to two hours, then hours."""
    assert words == wait_words(seconds)
