"""What a key is reminded of: when, in which words, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.reminders import Rules, of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)


def key(ends: datetime | None = None, **more: Any) -> KeyEntry:
    """A key that was saved and used just now; with a check where its provider says that it ends."""
    usual = {"has_secret": True, "created_at": NOW, "updated_at": NOW, "used_at": NOW}
    values: dict[str, Any] = {**usual, **more}
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    check = CheckResult("k", 1, said, NOW, expires_at=ends) if ends else None
    names = ("id", "owner", "provider", "name", "endpoint", "hint", "updated_by")
    entry = dict.fromkeys(names, "k") | {"revision": 1, "version": 1, "check": check, **values}
    return KeyEntry(**entry)


def told(entry: KeyEntry, **rules: int) -> list[tuple[str, str]]:
    """What is said of it, and of which kind; each with something to do about it."""
    found = of(entry, now=NOW, rules=Rules(**rules))
    assert all(each.remedy for each in found)
    return [(each.kind, each.words) for each in found]


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (90 * DAY - MOMENT, None),
        (90 * DAY, "This secret is 90 days old."),
        (400 * DAY, "This secret is 400 days old."),
        (-DAY, None),
    ],
)
def test_a_secret_grows_old(age: timedelta, words: str | None) -> None:
    """From 90 days on; one from the future, where the clock was put back, is young."""
    expected = [("old", words)] if words else []
    assert told(key(secret_at=NOW - age)) == expected


def test_the_secret_counts_and_not_the_key() -> None:
    """A replaced secret is new; where its day is not known that of the key counts."""
    old = {"created_at": NOW - 400 * DAY}
    assert told(key(**old, secret_at=NOW)) == []
    assert told(key(**old)) == [("old", "This secret is 400 days old.")]
    assert told(key(**old, has_secret=False)) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (14 * DAY + MOMENT, None),
        (14 * DAY, "The provider ends this key in 14 days."),
        (DAY, "The provider ends this key in 1 day."),
        (DAY - MOMENT, "The provider ends this key within a day."),
        (0 * DAY, "The provider ended this key."),
        (-DAY - MOMENT, "The provider ended this key 1 day ago."),
        (-9 * DAY, "The provider ended this key 9 days ago."),
    ],
)
def test_an_end_is_told_two_weeks_ahead(left: timedelta, words: str | None) -> None:
    """And when it is past, for such a key may still answer for a while."""
    assert told(key(ends=NOW + left)) == ([("expires", words)] if words else [])


@pytest.mark.parametrize(
    ("used", "is_told"),
    [(None, True), (60 * DAY, True), (60 * DAY - MOMENT, False), (200 * DAY, True)],
)
def test_a_key_that_nobody_uses_is_told(used: timedelta | None, *, is_told: bool) -> None:
    """Sixty days after its last use, or after it was saved when it was never used."""
    used_at = None if used is None else NOW - used
    words = "Nothing was sent through this key for 60 days or more."
    expected = [("unused", words)] if is_told else []
    assert told(key(created_at=NOW - 100 * DAY, secret_at=NOW, used_at=used_at)) == expected
    assert told(key(used_at=used_at)) == []


def test_zero_is_never() -> None:
    """Each reminder can be turned off by itself; what presses most comes first."""
    entry = key(ends=NOW + DAY, created_at=NOW - 500 * DAY, used_at=None)
    kinds = [kind for kind, _ in told(entry)]
    assert kinds == ["expires", "old", "unused"]
    never = {"max_age_days": 0, "unused_days": 0, "expires_within_days": 0}
    for name, kind in zip(never, ("old", "unused", "expires"), strict=True):
        assert kind not in [found for found, _ in told(entry, **{name: 0})]
    assert told(entry, **never) == []


def test_other_days_can_be_set() -> None:
    """And are said."""
    entry = key(created_at=NOW - 8 * DAY, used_at=None)
    assert told(entry, max_age_days=7, unused_days=1) == [
        ("old", "This secret is 8 days old."),
        ("unused", "Nothing was sent through this key for 1 day or more."),
    ]


@pytest.mark.parametrize("year", [1, 2000, 2199, 9999])
def test_t29_no_moment_breaks_it(year: int) -> None:
    """Whatever stands in the store, there is an answer."""
    at = datetime(year, 1, 1, tzinfo=UTC)
    told(key(ends=at, created_at=at, secret_at=at, used_at=at))
