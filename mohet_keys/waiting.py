"""How long a provider asks to wait, from its headers or its words; pure."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

from mohet_keys.case import Case

LONGEST = 24 * 3600.0
"""Seconds; a longer wait is named as a day."""

_SPAN = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_of(case: Case) -> float | None:
    """Seconds to wait: `retry-after-ms`, else `retry-after`, else what the message says."""
    for found in (
        _number(case.headers.get("retry-after-ms"), 0.001),
        _number(case.headers.get("retry-after"), 1.0),
        _date(case),
        _told(case.said.message),
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
    if text is None or not re.fullmatch(r"\s*\d{1,15}(\.\d+)?\s*", text):
        return None
    return float(text) * unit


def _date(case: Case) -> float | None:
    try:
        until = parsedate_to_datetime(case.headers.get("retry-after", ""))
        return (until - case.now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _told(message: str) -> float | None:
    found = _SPAN.search(message[:2000])
    if not found:
        return None
    return sum(float(n[:15]) * _UNITS[unit.lower()] for n, unit in _PART.findall(found.group(1)))
