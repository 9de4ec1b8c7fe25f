"""All keys at a glance: how many are how, what to do next, each key's line, and the past in charts.

Nothing here asks a provider: it is what is known, read in pages and counted by the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from mohet_keys import reminders
from mohet_keys.history import Seen, Tally
from mohet_keys.model import KeyEntry, Verdict
from mohet_keys.queries_overview import TROUBLED, Asked
from mohet_keys.reminders import Reminder, Rules
from mohet_keys.repository import Repository
from mohet_keys.rights import Rights
from mohet_keys.service import KeyService
from mohet_keys.uses import DayOfUse

__all__ = ["PAGE", "PERIODS", "TROUBLED", "Asked", "Overview"]

PAGE = 50
"""Keys on a page of the table."""
LATELY = 20
"""Checks in the small line of a key."""
WORKING = frozenset({Verdict.VALID, Verdict.UNVERIFIED})
PERIODS: dict[str, timedelta] = {
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
}
"""How far a chart looks back."""
_BUCKETS = {"24 h": timedelta(hours=1), "7 d": timedelta(hours=6), "30 d": timedelta(days=1)}
_TRIED = "see the overview"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Why = Literal["verdict", "expires", "old"]
"""What a key needs attention for: how it stands, the end its provider set, or its secret's age."""
Counts = dict[tuple[str, Verdict], int]


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands on top. `verdicts` has the keys of each provider by verdict.

    Keys that are `unused` are reminded of, and need no attention for that.
    """

    keys: int
    working: int
    attention: int
    unchecked: int
    ending: int
    unused: int
    oldest: datetime | None
    verdicts: Counts


@dataclass(frozen=True, slots=True)
class Concern:
    """A key that needs something to be done."""

    entry: KeyEntry
    why: Why


@dataclass(frozen=True, slots=True)
class Line:
    """A key in the table. `latencies` are in milliseconds, the oldest first."""

    entry: KeyEntry
    latencies: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """A page of the table, and how many keys there are on all its pages."""

    lines: tuple[Line, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Point:
    """Checks of one provider's keys in one stretch of time, which begins at `at`.

    `latency_ms` is the mean of those that were answered.
    """

    at: datetime
    provider: str
    checks: int
    answered: int
    latency_ms: float | None


def _now() -> datetime:
    return datetime.now(UTC)


class Overview:
    """What the Overview page asks, of the keys that `owner` sees.

    Any method may raise StoreError, and DeniedError for who may not ask.
    """

    def __init__(
        self,
        keys: KeyService,
        repository: Repository,
        *,
        clock: Callable[[], datetime] = _now,
        rules: Rules | None = None,
        rights: Rights | None = None,
    ) -> None:
        self._keys = keys
        self._rights = rights or Rights(repository, clock=clock)
        self._repository = repository
        self._survey = repository.survey
        self._clock = clock
        self._rules = rules or Rules()

    # --- figures ----------------------------------------------------------------------------------

    def figures(self, *, owner: str) -> Figures:
        """How many keys there are, and how they are."""
        self._rights.let_in(_TRIED, owner)
        survey = self._survey
        counts = self._verdicts(owner)
        keys, since = sum(counts.values()), self.unused_since
        return Figures(
            keys=keys,
            working=_of(counts, WORKING),
            attention=sum(self._parts(owner, counts).values()) if keys else 0,
            unchecked=_of(counts, {Verdict.UNCHECKED}),
            ending=survey.ending(owner, self._ends_soon) if keys else 0,
            unused=survey.unused(owner, since) if keys and since else 0,
            oldest=survey.oldest_secret(owner) if keys else None,
            verdicts=counts,
        )

    def _verdicts(self, owner: str) -> Counts:
        counts = self._survey.verdicts(owner)
        if not self._keys.locked:
            return counts
        locked: Counts = defaultdict(int)
        for (slug, _), count in counts.items():
            locked[slug, Verdict.LOCKED] += count
        return dict(locked)

    # --- needs attention --------------------------------------------------------------------------

    def concerns(self, verdicts: Counts, *, owner: str, offset: int, limit: int) -> list[Concern]:
        """Keys that need something to be done, the worst first. `verdicts` is of the figures."""
        self._rights.let_in(_TRIED, owner)
        found: list[tuple[str, Why]] = []
        for why, count in self._parts(owner, verdicts).items():
            wanted = limit - len(found)
            if wanted > 0 and offset < count:
                found += [(key_id, why) for key_id in self._ids(why, owner, offset, wanted)]
            offset = max(0, offset - count)
        why_of = dict(found)
        return [Concern(entry, why_of[entry.id]) for entry in self._entries(list(why_of), owner)]

    def _parts(self, owner: str, verdicts: Counts) -> dict[Why, int]:
        """How many keys need attention for what, the worst first, each counted once."""
        troubled = _of(verdicts, TROUBLED)
        if self._keys.locked:
            return {"verdict": troubled}
        return {
            "verdict": troubled,
            "expires": self._survey.ending_of_working(owner, self._ends_soon),
            "old": self._survey.old(owner, self._old_before, self._ends_soon),
        }

    def _ids(self, why: Why, owner: str, offset: int, limit: int) -> list[str]:
        survey = self._survey
        if why == "expires":
            return survey.ending_ids(owner, self._ends_soon, offset=offset, limit=limit)
        if why == "old":
            return survey.old_ids(
                owner, self._old_before, self._ends_soon, offset=offset, limit=limit
            )
        if self._keys.locked:
            return survey.ids(owner, Asked(), offset=offset, limit=limit)
        return survey.troubled_ids(owner, offset=offset, limit=limit)

    def reminders(self, entry: KeyEntry) -> tuple[Reminder, ...]:
        """What there is to remind of for a key, the most pressing first."""
        return reminders.of(entry, now=self._clock(), rules=self._rules)

    @property
    def unused_since(self) -> datetime | None:
        """Keys that were saved before that and not used since are reminded of; None is never."""
        days = self._rules.unused_days
        return self._clock() - timedelta(days=days) if days else None

    @property
    def _old_before(self) -> datetime:
        """Secrets from before that are old; none is where that is never reminded of."""
        days = self._rules.max_age_days
        return self._clock() - timedelta(days=days) if days else _EPOCH

    @property
    def _ends_soon(self) -> datetime:
        """Keys that end until then end soon."""
        days = self._rules.expires_within_days
        return self._clock() + timedelta(days=days) if days else _EPOCH

    # --- the table --------------------------------------------------------------------------------

    def page(self, asked: Asked, verdicts: Counts, *, owner: str, page: int = 1) -> Lines:
        """A page of the keys that are asked for, the first one being 1. `verdicts` is of the
        figures; a page behind the last one is the last one."""
        self._rights.let_in(_TRIED, owner)
        if self._leaves_none(asked):
            return Lines((), 0)
        asked = self._while_locked(asked)
        total = self._total(asked, verdicts, owner)
        page = max(1, min(page, -(-total // PAGE)))
        ids = self._survey.ids(owner, asked, offset=(page - 1) * PAGE, limit=PAGE) if total else []
        return Lines(tuple(self._lines(ids, owner)), total)

    def all(self, asked: Asked, *, owner: str, most: int) -> list[Line]:
        """All keys that are asked for, at most `most`, without their latencies."""
        self._rights.let_in(_TRIED, owner)
        if self._leaves_none(asked):
            return []
        ids = self._survey.ids(owner, self._while_locked(asked), limit=most)
        return [
            line
            for at in range(0, len(ids), 500)
            for line in self._lines(ids[at : at + 500], owner, lately=False)
        ]

    def _leaves_none(self, asked: Asked) -> bool:
        """Whether another verdict is asked for while all keys are locked."""
        return bool(self._keys.locked) and asked.verdict not in {None, Verdict.LOCKED}

    def _while_locked(self, asked: Asked) -> Asked:
        """While no key can be opened all are locked, whatever was known of them before."""
        if not self._keys.locked:
            return asked
        sort = "name" if asked.sort == "status" else asked.sort
        return replace(asked, verdict=None, sort=sort)

    def _total(self, asked: Asked, verdicts: Counts, owner: str) -> int:
        if asked.search or asked.unused_since:
            return self._survey.count(owner, asked)
        return sum(
            count
            for (slug, verdict), count in verdicts.items()
            if asked.provider in {None, slug} and asked.verdict in {None, verdict}
        )

    def _lines(self, ids: Sequence[str], owner: str, *, lately: bool = True) -> list[Line]:
        history = self._repository.history
        latencies = history.latencies(ids, each=LATELY) if lately and ids else {}
        return [
            Line(entry, tuple(latencies.get(entry.id, ()))) for entry in self._entries(ids, owner)
        ]

    def _entries(self, ids: Sequence[str], owner: str) -> list[KeyEntry]:
        """These keys in this order; one that was deleted meanwhile is left out."""
        found = {entry.id: entry for entry in self._keys.entries(ids, owner=owner)} if ids else {}
        return [found[key_id] for key_id in ids if key_id in found]

    # --- the past ---------------------------------------------------------------------------------

    def checks_of(self, key_id: str, *, owner: str, limit: int) -> list[Seen]:
        """The last checks of a key, the latest first."""
        self._rights.let_in(_TRIED, owner)
        return self._repository.history.of_key(key_id, owner, limit=limit)

    def points(self, period: str, *, owner: str) -> list[Point]:
        """The checks of a period by provider and stretch of time, the oldest first."""
        self._rights.let_in(_TRIED, owner)
        length, width = PERIODS[period], _BUCKETS[period]
        return gathered(self._repository.history.tallies(owner, self._clock() - length), width)

    def use(self, days: int, *, owner: str, key_id: str | None = None) -> list[DayOfUse]:
        """What was sent on each of the last days, of one key or of all, the oldest first. A day on
        which nothing was sent is there too, with nothing in it."""
        self._rights.let_in(_TRIED, owner)
        today = self._clock().date()
        first = today - timedelta(days=days - 1)
        known = {day.day: day for day in self._repository.uses.days(owner, first, key_id=key_id)}
        every = (first + timedelta(days=number) for number in range(days))
        return [known.get(day) or _idle(day) for day in every]


def gathered(tallies: Sequence[Tally], width: timedelta) -> list[Point]:
    """Hours put together to stretches of this width."""
    parts: dict[tuple[datetime, str], list[Tally]] = defaultdict(list)
    for tally in tallies:
        at = _EPOCH + (tally.hour - _EPOCH) // width * width
        parts[at, tally.provider].append(tally)
    return [_point(at, slug, part) for (at, slug), part in sorted(parts.items())]


def _point(at: datetime, slug: str, tallies: Sequence[Tally]) -> Point:
    timed = [(tally.latency_ms, tally.count) for tally in tallies if tally.latency_ms is not None]
    weight = sum(count for _, count in timed)
    return Point(
        at,
        slug,
        checks=sum(tally.count for tally in tallies),
        answered=sum(t.count for t in tallies if t.verdict is not Verdict.UNREACHABLE),
        latency_ms=sum(mean * count for mean, count in timed) / weight if weight else None,
    )


def _of(counts: Counts, verdicts: frozenset[Verdict] | set[Verdict]) -> int:
    return sum(count for (_, verdict), count in counts.items() if verdict in verdicts)


def _idle(day: date) -> DayOfUse:
    return DayOfUse(day, requests=0, errors=0, tokens_in=0, tokens_out=0)
