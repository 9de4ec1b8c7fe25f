"""Watches the keys: each is checked from time to time in the background, by free requests alone.

However many processes share the store, the one that has the lease watches. Nothing is asked while
nobody uses any of them. The watcher also deletes what was kept for long enough.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from mohet_keys import endpoints
from mohet_keys.errors import InputError, StoreError
from mohet_keys.http import Outbound
from mohet_keys.leases import name_of_this_process
from mohet_keys.model import Action, CheckResult, KeyEntry, OpenedKey, Verdict
from mohet_keys.repository import Repository
from mohet_keys.service import KeyService
from mohet_keys.uses import month_of
from mohet_keys.validation import HELD_BACK, ValidationService
from mohet_keys.watches import Next, Watched

EVERY = timedelta(minutes=30)
KEEP = timedelta(days=90)
LEASE = "watch"
LASTS = timedelta(seconds=45)
"""How long the lease lasts. Whoever watches renews it every `RENEWED`."""
RENEWED = timedelta(seconds=15)
TICK = 5.0
"""Seconds between two looks at the store, so also until a watcher that was killed is replaced."""
IN_USE = timedelta(minutes=30)
"""How long the app counts as in use after somebody last did something."""
AGAIN = timedelta(minutes=1)
"""When a failure is looked at again that may be a passing one, and the network while it is out."""
FORGOTTEN = timedelta(minutes=10)
"""A failure whose key was to be looked at so long ago is no first of two in a row any more."""
JITTER = 0.1
"""Part of a time by which it may be shorter or longer, so that not all keys come at once."""
SLOWEST = 8
"""How many times the usual time at most lies between two looks at a key that fails."""
SEVERAL = 2
"""Hosts that cannot be reached, and none that can, are an outage of our own network."""
BATCH = 100
"""Keys that are looked at together."""
AT_ONCE, PER_HOST = 16, 4
"""Looks under way at once, in all and at one server: visitors’ own checks come first."""
PRUNED = timedelta(hours=1)

_STANDS_WELL = {Verdict.VALID.value, Verdict.LIMITED.value}
_WORKS = {Verdict.VALID, Verdict.LIMITED}
_DOUBTFUL = {Verdict.UNREACHABLE, Verdict.UNVERIFIED, Verdict.MISCONFIGURED}
"""Verdicts that are no clear word of the provider's: of a key that works, two are needed."""
_FAILS = {Verdict.UNREACHABLE, Verdict.MISCONFIGURED, Verdict.INVALID}
_NOT_ASKED = {Verdict.UNCHECKED, Verdict.LOCKED}
_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def _is_far(endpoint: str) -> bool:
    """Whether it takes our connection to the Internet to get there."""
    try:
        return not endpoints.is_private(endpoint)
    except InputError:
        return False


class Watcher:
    """The keys of everybody, watched.

    `every` lies between two looks at a key, nothing is asked when it is zero; `keep` is how long
    past checks and daily use are kept. `chance` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        keys: KeyService,
        repository: Repository,
        outbound: Outbound,
        *,
        every: timedelta = EVERY,
        keep: timedelta = KEEP,
        clock: Callable[[], datetime] = _now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        is_far: Callable[[str], bool] = _is_far,
    ) -> None:
        self._keys = keys
        self._repository = repository
        self._looks = _Looks(keys, repository)
        self._checks = ValidationService(self._looks, outbound, clock=clock)
        self._every = every
        self._again = min(AGAIN, every)
        self._keep = keep
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._is_far = is_far
        self._lease = _Lease(repository)
        self._silent: set[str] = set()
        """Hosts that could not be reached since one last answered."""
        self._scout_at: datetime | None = None
        """During an outage of our network: when one key is looked at to see whether it ended."""
        self._pruned_at: datetime | None = None

    async def run(self) -> None:
        """Watch until cancelled, then leave the lease to another. Nothing else ends it."""
        try:
            while True:
                await self._sleep(await self._survived())
        finally:
            self._lease.leave()

    async def turn(self) -> float:
        """Do what is to be done now. Returns the seconds until the next turn. Raises StoreError."""
        now = self._clock()
        if not await asyncio.to_thread(self._lease.is_ours, now):
            return TICK
        await asyncio.to_thread(self._prune, now)
        due = await asyncio.to_thread(self._due, now)
        if not due:
            return min(TICK, max(self._every.total_seconds(), 0.1)) if self._every else TICK
        await self._watched(self._look(due))
        return 0.0

    @property
    def is_outage(self) -> bool:
        """Whether the network seems to be out, so that one key is looked at for all."""
        return self._scout_at is not None

    async def _survived(self) -> float:
        try:
            return await self.turn()
        except StoreError:
            return TICK  # it is said on the page; the store is tried again
        except Exception as error:  # noqa: BLE001  # whatever breaks, the keys stay watched
            _log.error("Watching broke off with %s.", type(error).__name__)
            return AGAIN.total_seconds()

    async def _watched(self, look: Awaitable[None]) -> None:
        """Go on with a look for as long as the lease is ours."""
        looking = asyncio.ensure_future(look)
        try:
            while not looking.done():
                await asyncio.wait({looking}, timeout=RENEWED.total_seconds())
                if not await asyncio.to_thread(self._lease.is_ours, self._clock()):
                    return
            await looking
        finally:
            looking.cancel()

    # --- which keys ----------------------------------------------------------------------------

    def _due(self, now: datetime) -> list[Watched]:
        """The keys to look at now; none while nobody is there or none can be opened."""
        if not self._every or not self._is_in_use(now) or self._keys.locked:
            return []
        self._repository.watches.enrol(lambda since: max(now, since + self._varied(self._every)))
        latest = now + max(self._every * SLOWEST, self._again) * (1 + 2 * JITTER)
        due = self._repository.watches.due(now, latest=latest, limit=BATCH)
        if self._scout_at is None:
            return due
        return [each for each in due if not self._is_far(each.endpoint)] + self._scout(now)

    def _is_in_use(self, now: datetime) -> bool:
        used_at = self._repository.leases.last_used(now)
        return used_at is not None and used_at > now - IN_USE

    def _scout(self, now: datetime) -> list[Watched]:
        """The one key that is looked at during an outage, each time another, if it is time."""
        if self._scout_at is None or self._scout_at > now:
            return []
        self._scout_at = now + self._varied(self._again)
        far = (w for w in self._repository.watches.soonest(limit=BATCH) if self._is_far(w.endpoint))
        return [each for _, each in zip(range(1), far, strict=False)]

    # --- one look -------------------------------------------------------------------------------

    async def _look(self, due: Sequence[Watched]) -> None:
        """Check these keys, say when they come next, and see what that says of the network."""
        now = self._clock()
        doubted = {w.key_id for w in due if w.verdict in _STANDS_WELL and not _failures(w, now)}
        self._looks.spared = doubted
        of_owner: dict[str, list[str]] = defaultdict(list)
        for each in due:
            of_owner[each.owner].append(each.key_id)
        found: dict[str, CheckResult] = {}
        for owner, key_ids in of_owner.items():
            results = await self._checks.check_many(
                key_ids, owner=owner, cap=AT_ONCE, per_host=PER_HOST
            )
            found.update((result.key_id, result) for result in results)
        nexts = [self._next(each, found.get(each.key_id)) for each in due]
        await asyncio.to_thread(self._repository.watches.put, nexts)
        await self._weigh([(each, found[each.key_id]) for each in due if each.key_id in found])

    def _next(self, watched: Watched, result: CheckResult | None) -> Next:
        """When a key is looked at next, after this look."""
        now = self._clock()
        if result is None or result.diagnosis.verdict is Verdict.UNCHECKED:  # not carried out
            held = result is not None and result.diagnosis.reason == HELD_BACK
            wait = self._every if held else self._again
            return Next(watched.key_id, now + self._varied(wait), watched.failures)
        verdict = result.diagnosis.verdict
        failures = 0
        wait = self._every
        if verdict in _FAILS or (verdict in _DOUBTFUL and watched.verdict in _STANDS_WELL):
            failures = _failures(watched, now) + 1
            wait *= min(2 ** max(0, failures - 2), SLOWEST)
            if watched.key_id in self._looks.spared and verdict in _DOUBTFUL:
                wait = self._again
        asked_for = timedelta(seconds=min(result.diagnosis.retry_after or 0, 86_400))
        longest = max(self._every * SLOWEST, self._again)
        wait = max(self._varied(wait), min(asked_for, longest))
        return Next(watched.key_id, now + wait, failures)

    def _varied(self, wait: timedelta) -> timedelta:
        """A time, a little shorter or longer."""
        return wait * (1 - JITTER + 2 * JITTER * self._chance())

    async def _weigh(self, pairs: Sequence[tuple[Watched, CheckResult]]) -> None:
        """See whether our own network is out, or back."""
        asked = [
            (each.endpoint, result.http_status is not None)
            for each, result in pairs
            if self._is_far(each.endpoint) and result.diagnosis.verdict not in _NOT_ASKED
        ]
        if any(has_answered for _, has_answered in asked):
            self._silent.clear()
            if self._scout_at is not None:
                self._scout_at = None
                await asyncio.to_thread(self._repository.watches.hasten, self._clock())
            return
        self._silent |= {endpoints.origin(endpoint) for endpoint, _ in asked}
        if len(self._silent) >= SEVERAL and self._scout_at is None:
            self._scout_at = self._clock() + self._varied(self._again)

    # --- what was kept for long enough -----------------------------------------------------------

    def _prune(self, now: datetime) -> None:
        if self._pruned_at is not None and self._pruned_at <= now < self._pruned_at + PRUNED:
            return
        self._repository.history.prune(now - self._keep)
        self._repository.uses.prune((now - self._keep).date())
        # What is counted against a limit is kept until the month is over, and notices for as long
        # as the past is.
        month = month_of(now)[0]
        self._repository.uses.prune_people(min(now - self._keep, month).date())
        self._repository.notices.prune(now - self._keep)
        self._pruned_at = now


def _failures(watched: Watched, now: datetime) -> int:
    """How often in a row looks at a key failed until now."""
    return 0 if watched.next_at < now - FORGOTTEN else watched.failures


class _Lease:
    """The right to watch, of which there is one."""

    def __init__(self, repository: Repository) -> None:
        self._leases = repository.leases
        self._holder = name_of_this_process()
        self._taken_at: datetime | None = None
        self._has_left = False
        self._turn = threading.Lock()

    def is_ours(self, now: datetime) -> bool:
        """Whether we are the one to watch; take it over or renew it when it is time."""
        with self._turn:
            if self._has_left:
                return False
            if self._taken_at is not None and self._taken_at <= now < self._taken_at + RENEWED:
                return True
            if self._taken_at is None and self._is_another(now):
                return False  # reading alone: writing would have to wait for its turn
            self._taken_at = None
            if self._leases.take(LEASE, self._holder, now, LASTS) is None:
                self._taken_at = now
            return self._taken_at is not None

    def _is_another(self, now: datetime) -> bool:
        held = self._leases.held(LEASE, now)
        return held is not None and held.holder != self._holder and held.until <= now + 2 * LASTS

    def leave(self) -> None:
        """Leave it to another, for good. Raises nothing: it ends by itself before long."""
        with self._turn, suppress(StoreError):
            self._has_left, self._taken_at = True, None
            self._leases.let_go(LEASE, self._holder)


class _Looks:
    """The saved keys as the watcher asks for them: on record as its looks.

    `spared` are the ids of keys that work, of which a first failure that may be a passing one is
    kept among the past checks, and does not change how they stand.
    """

    def __init__(self, keys: KeyService, repository: Repository) -> None:
        self._keys = keys
        self._repository = repository
        self.spared: set[str] = set()

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError."""
        return self._keys.entry(key_id, owner=owner)

    def entries(self, key_ids: Sequence[str], *, owner: str) -> Sequence[KeyEntry]:
        """Those of these keys that there are."""
        return self._keys.entries(key_ids, owner=owner)

    def open_all(
        self, key_ids: Sequence[str], *, owner: str, why: Action
    ) -> Sequence[OpenedKey | Exception]:
        """The keys for one look each, which is on record then. Raises StoreError."""
        del why
        return self._keys.open_all(key_ids, owner=owner, why="watch")

    def record_all(self, results: Sequence[CheckResult], *, owner: str) -> Sequence[CheckResult]:
        """Keep the results, each where it belongs."""
        passing = [result for result in results if self._is_spared(result)]
        if passing:
            self._repository.note_checks(passing, owner)
        others = [result for result in results if not self._is_spared(result)]
        kept = iter(self._keys.record_all(others, owner=owner) if others else ())
        return [result if self._is_spared(result) else next(kept) for result in results]

    def _is_spared(self, result: CheckResult) -> bool:
        return result.key_id in self.spared and result.diagnosis.verdict in _DOUBTFUL
