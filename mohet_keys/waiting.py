"""How long a provider asks to wait, from its headers or its words; pure."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from mohet_keys.answers import error_of, metadata_of
from mohet_keys.case import Case

LONGEST = 24 * 3600.0
"""Seconds; a longer wait is named as a day."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NUMBER = r"\d{1,15}(?:\.\d{1,12})?"
_PART = (
    rf"({_NUMBER}) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_SPAN = re.compile(
    rf"\b(?:again|retry|wait|resets?)(?: (?:in|after|for|at least))? ((?:{_PART}[, ]{{0,2}})+)",
    re.IGNORECASE | re.ASCII,
)


def wait_of(case: Case) -> float | None:
    """Seconds to wait: `retry-after-ms`, else `retry-after`, else what the body says.

    The order is that of OpenAI's own client. Google tells it in the details of the error,
    OpenRouter as a moment in milliseconds.
    """
    data = case.said.data
    for found in (
        _number(case.headers.get("retry-after-ms"), 0.001),
        _number(case.headers.get("retry-after"), 1.0),
        _date(case),
        _told(case.said.message),
        _delay(error_of(data).get("details")),
        _reset(case, metadata_of(data).get("headers")),
    ):
        if found is not None:
            return min(max(found, 0.0), LONGEST)
    return None


def wait_words(seconds: float | None) -> str:
    """“ in 12 seconds”, with the space before it; empty when nothing is known."""
    if seconds is None:
        return ""
    if seconds >= 7200:
        return f" in {round(seconds / 3600)} hours"
    if seconds >= 120:
        return f" in {round(seconds / 60)} minutes"
    count = max(1, round(seconds))
    return f" in {count} second{'s' if count > 1 else ''}"


def _number(text: str | None, unit: float) -> float | None:
    if text is None or not re.fullmatch(rf"\s*{_NUMBER}\s*", text, re.ASCII):
        return None
    return float(text) * unit


def _date(case: Case) -> float | None:
    """Seconds until the HTTP date of `retry-after`; one without a zone is in UTC."""
    try:
        until = parsedate_to_datetime(case.headers.get("retry-after", "")[:100])
        return ((until if until.tzinfo else until.replace(tzinfo=UTC)) - case.now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _told(message: str) -> float | None:
    """“Please try again in 9m38.016s”, “retry after 6 seconds”, “Please retry in 34.07s”."""
    found = _SPAN.search(message[:2000])
    if not found:
        return None
    parts = re.findall(_PART, found.group(1), re.IGNORECASE | re.ASCII)
    return sum(float(number) * _unit(word.lower()) for number, word in parts)


def _unit(word: str) -> float:
    return _UNITS["ms"] if word.startswith(("ms", "milli")) else _UNITS[word[0]]


def _delay(details: Any) -> float | None:
    for item in details[:10] if isinstance(details, list) else ():
        told = item.get("retryDelay") if isinstance(item, dict) else None
        if isinstance(told, str) and told.endswith("s"):
            return _number(told[:-1], 1.0)
    return None


def _reset(case: Case, headers: Any) -> float | None:
    """The moment that OpenRouter's own headers name, if it is one of these years'."""
    told = headers.get("X-RateLimit-Reset") if isinstance(headers, dict) else None
    moment = _number(str(told)[:40], 0.001) if isinstance(told, (str, int)) else None
    if moment is None or not 1e9 < moment < 1e10:
        return None
    return moment - case.now.timestamp()
