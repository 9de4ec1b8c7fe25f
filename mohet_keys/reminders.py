"""What a key that works will want soon: another secret, or to be deleted. Pure.

A reminder stops nothing; it says in a sentence what is coming, and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mohet_keys.model import KeyEntry

Kind = Literal["old", "expires", "unused"]
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """When to remind, in days; 0 means never.

    `max_age_days` is about the age of a secret, `unused_days` about how long nothing was sent
    through a key, `expires_within_days` about how long before its end a key is reminded of.
    """

    max_age_days: int = 90
    unused_days: int = 60
    expires_within_days: int = 14


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reason to do something about a key: what it is, and what to do."""

    kind: Kind
    words: str
    remedy: str


def of(entry: KeyEntry, *, now: datetime, rules: Rules) -> tuple[Reminder, ...]:
    """What there is to remind of, the most pressing first; mostly nothing.

    A clock that was put back makes a key young, never old.
    """
    found = (_expires(entry, now, rules), _old(entry, now, rules), _unused(entry, now, rules))
    return tuple(each for each in found if each is not None)


def _expires(entry: KeyEntry, now: datetime, rules: Rules) -> Reminder | None:
    at = entry.check.expires_at if entry.check else None
    within = rules.expires_within_days
    if at is None or not within or at - now > within * _DAY:
        return None
    if at <= now:
        words = f"The provider ended this key{_days_ago(now - at)}."
    else:
        words = f"The provider ends this key {_in_days(at - now)}."
    return Reminder("expires", words, "Create a new key there, and replace the secret here.")


def _old(entry: KeyEntry, now: datetime, rules: Rules) -> Reminder | None:
    since = now - (entry.secret_at or entry.created_at)
    if not entry.has_secret or not _is_over(since, rules.max_age_days):
        return None
    words = f"This secret is {_days(since)} old."
    return Reminder("old", words, "Create a new one at the provider, and replace it here.")


def _unused(entry: KeyEntry, now: datetime, rules: Rules) -> Reminder | None:
    """Says no more than what was asked: use was not always counted."""
    since = now - max(entry.used_at or entry.created_at, entry.created_at)
    if not _is_over(since, rules.unused_days):
        return None
    words = f"Nothing was sent through this key for {_days(rules.unused_days * _DAY)} or more."
    return Reminder("unused", words, "Delete it if nobody needs it any more.")


def _is_over(since: timedelta, days: int) -> bool:
    return days > 0 and since >= days * _DAY


def _days(span: timedelta) -> str:
    count = span // _DAY
    return f"{count} day" if count == 1 else f"{count} days"


def _in_days(span: timedelta) -> str:
    return f"in {_days(span)}" if span >= _DAY else "within a day"


def _days_ago(span: timedelta) -> str:
    return f" {_days(span)} ago" if span >= _DAY else ""
