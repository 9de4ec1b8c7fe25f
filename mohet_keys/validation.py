"""Checks keys: one, or many within limits. Results are cached where the caller says.

A check opens the key, asks its server within one deadline, and drops the secret again. What the
server said is recorded by the source of the keys, so that everybody sees it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import WeakValueDictionary

from mohet_keys import logs
from mohet_keys.batches import Batch
from mohet_keys.errors import (
    LockedError,
    MohetError,
    NotFoundError,
    RefusedError,
    RuleError,
    TransportError,
)
from mohet_keys.flights import Flights
from mohet_keys.http import DEADLINE, Outbound
from mohet_keys.model import Action, CheckResult, Diagnosis, KeyEntry, OpenedKey, Verdict
from mohet_keys.standing import vendor_label
from mohet_keys.turns import PATIENCE, NotNowError, Rests, Turns
from mohet_keys.waiting import wait_words

if TYPE_CHECKING:
    from mohet_keys.probes import Found

FRESH_FOR = 300.0
"""Seconds a result in the caller's cache counts as known."""
OVERALL = 50
"""Checks under way at once."""
AT_ONCE = 8
"""Keys opened at once. Who sets out in small groups is answered in small groups, so that no
answer waits until forty-nine others were looked at."""
PER_HOST = 8
"""Checks under way at once at the same server."""
MODELS_KEPT = 500
"""Model ids kept of one key's list."""
PUBLIC_FOR = 600.0
"""Seconds it is remembered whether a server shows its list to everybody."""

NOT_CARRIED_OUT = "not carried out"
"""The reason of a result that came of no answer."""
HELD_BACK = "held back"
"""The reason of a result about a key that looks like another vendor's."""
_NOT_ASKED = {Verdict.LOCKED, Verdict.UNCHECKED}
_T = TypeVar("_T")
_log = logging.getLogger(__name__)
Cache = MutableMapping[Hashable, object]


class KeySource(Protocol):
    """Where keys come from and results go."""

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError."""

    def entries(self, key_ids: Sequence[str], *, owner: str) -> Sequence[KeyEntry]:
        """Those of these keys that there are."""

    def open_all(
        self, key_ids: Sequence[str], *, owner: str, why: Action
    ) -> Sequence[OpenedKey | Exception]:
        """The keys for one check each, which is on record then; or why there is none.

        Raises StoreError.
        """

    def record_all(self, results: Sequence[CheckResult], *, owner: str) -> Sequence[CheckResult]:
        """Keep results, and give each back with what was proven before."""


class ValidationService:
    """Asks the providers about keys.

    `deadline` is the time of a whole check in seconds, whatever number of requests it takes;
    `patience` how long a run of many waits for a server that asked for it.
    """

    def __init__(
        self,
        keys: KeySource,
        outbound: Outbound,
        *,
        deadline: float = DEADLINE,
        patience: float = PATIENCE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._outbound = outbound
        self._deadline = deadline
        self._patience = patience
        self._clock = clock
        self._monotonic = monotonic
        self._rests = Rests(monotonic)
        self._checks: Flights[CheckResult] = Flights()
        self._controls: Flights[bool] = Flights()
        self._openings: WeakValueDictionary[Hashable, Batch[str, OpenedKey | Exception]] = (
            WeakValueDictionary()
        )
        self._batches: WeakValueDictionary[Hashable, Batch[CheckResult, CheckResult]] = (
            WeakValueDictionary()
        )
        self._public: dict[str, tuple[float, bool]] = {}

    async def check(
        self, key_id: str, *, owner: str, cache: Cache | None = None, fresh: bool = False
    ) -> CheckResult:
        """Check one key; a result in `cache` younger than five minutes is taken unless `fresh`.

        Raises NotFoundError and StoreError. Everything a server does is a result.
        """
        entry = await self._in_thread(self._entry, key_id, owner)
        if cache is not None and not fresh:
            known = self._cached(cache, entry)
            if known is not None:
                return known
        result = await self._shared(entry, owner, None)
        if cache is not None and result.diagnosis.verdict not in _NOT_ASKED:
            cache[(key_id, result.revision)] = (self._monotonic(), result)
        return result

    async def check_many(
        self,
        key_ids: Sequence[str],
        *,
        owner: str,
        on_result: Callable[[CheckResult], None] | None = None,
        on_wait: Callable[[KeyEntry, float], None] | None = None,
        cap: int = OVERALL,
        per_host: int = PER_HOST,
    ) -> list[CheckResult]:
        """Check several keys at once, each once; `on_result` hears of each as it comes.

        A key that is gone by then is left out. A check that breaks is reported as not carried
        out and stops no other. A server that asks for a wait gets it, which `on_wait` hears of in
        seconds; what would have to wait for too long is reported as not carried out. Cancelling
        stops all of them, with their requests. Raises StoreError when the keys cannot be read.
        """
        turns = Turns(
            self._rests,
            cap=cap,
            per_host=per_host,
            patience=self._patience,
            monotonic=self._monotonic,
            on_wait=lambda entry, seconds: _tell(on_wait, entry, seconds),
        )

        async def one(entry: KeyEntry) -> CheckResult | None:
            try:
                result = await self._shared(entry, owner, turns)
            except NotFoundError:
                return None
            except Exception as error:  # noqa: BLE001  # one check that breaks stops no other
                result = self._broken(entry, error)
            _tell(on_result, result)
            return result

        known = await self._in_thread(self._entries, key_ids, owner)
        found = await asyncio.gather(*map(one, known))
        return [result for result in found if result is not None]

    async def try_out(self, key: OpenedKey) -> CheckResult:
        """Check a key that is not saved; nothing is recorded."""
        return self._result(key, await self._ask(key))

    # --- one check ----------------------------------------------------------------------------

    def _cached(self, cache: Cache, entry: KeyEntry) -> CheckResult | None:
        match cache.get((entry.id, entry.revision)):
            case (float() as at, CheckResult() as result):
                return result if self._monotonic() - at < FRESH_FOR else None
        return None

    async def _shared(self, entry: KeyEntry, owner: str, turns: Turns | None) -> CheckResult:
        """Two who ask about the same key at the same revision and moment share one check.

        Who asks about one key does not stand in line with who asks about many.
        """
        slot = (entry.id, entry.revision, entry.looks_like, owner, turns is None)
        return await self._checks.join(slot, lambda: self._run(entry, owner, turns))

    async def _run(self, entry: KeyEntry, owner: str, turns: Turns | None) -> CheckResult:
        try:
            async with turns.of(entry) if turns else nullcontext():
                key = await self._opened(entry.id, owner)
                found = await self._ask(key)
                self._rests.told(key.destination, found.diagnosis)
        except NotNowError as error:
            return self._left_alone(entry, error.seconds)
        except LockedError as error:
            return await self._locked(entry.id, owner, str(error))
        except RefusedError as error:
            return await self._held(entry.id, owner, error)
        result = self._result(key, found)
        del key  # the secret is needed no longer, and recording may take a while
        return await self._record(result, owner)

    async def _ask(self, key: OpenedKey) -> Found:
        # With it comes all that is known of answers, which no page needs to be drawn.
        from mohet_keys.diagnosis import diagnose_failure
        from mohet_keys.probes import Found, Prober

        ends = self._monotonic() + self._deadline
        prober = Prober(
            self._outbound, key, lambda: ends - self._monotonic(), self._remembered_public
        )
        try:
            async with asyncio.timeout(self._deadline + 0.5):
                return await prober.run()
        except TimeoutError:
            error = TransportError("deadline")
            return Found(diagnose_failure(key.provider, error, endpoint=key.destination))

    def _result(self, key: OpenedKey, found: Found) -> CheckResult:
        from mohet_keys import recommend

        now = self._clock()
        able = recommend.chat_models(key.provider, found.models, now.date())
        best = recommend.recommended(
            key.provider, found.models, now.date(), free_only=found.free_only
        )
        told = found.facts(key.provider)
        return CheckResult(
            key_id=key.id,
            revision=key.revision,
            diagnosis=found.diagnosis,
            checked_at=now,
            http_status=found.status,
            latency_ms=found.latency_ms,
            models=tuple(info.id for info in able[:MODELS_KEPT]),
            recommended_model=best,
            credit=told.credit,
            expires_at=told.expires_at,
            use=key.use,
        )

    # --- keys that are not asked about --------------------------------------------------------

    async def _locked(self, key_id: str, owner: str, why: str) -> CheckResult:
        """A row that was altered stays marked. That the whole store is locked is seen live, and
        recorded it would outlive the return of the master key."""
        entry = await self._in_thread(self._entry, key_id, owner)
        remedy = "Restore the master key or the store, or enter the secret again."
        said = Diagnosis(Verdict.LOCKED, "locked", why, remedy)
        result = CheckResult(key_id, entry.revision, said, self._clock())
        if entry.locked:
            return result
        return await self._record(result, owner)

    async def _held(self, key_id: str, owner: str, why: RefusedError) -> CheckResult:
        entry = await self._in_thread(self._entry, key_id, owner)
        ruled_out = isinstance(why, RuleError)
        remedy = "Ask an administrator." if ruled_out else "Move it, or check here."
        said = Diagnosis(Verdict.UNCHECKED, HELD_BACK, str(why), remedy)
        return CheckResult(key_id, entry.revision, said, self._clock())

    def _left_alone(self, entry: KeyEntry, seconds: float) -> CheckResult:
        """Its server asked for a longer wait than a run takes; nothing was sent."""
        label = vendor_label(entry.provider)
        words = wait_words(seconds)
        why = f"{label} asked to be left alone for a while, so this key was not asked about."
        said = Diagnosis(
            Verdict.UNCHECKED, NOT_CARRIED_OUT, why, f"Check again{words}.", retry_after=seconds
        )
        return CheckResult(entry.id, entry.revision, said, self._clock())

    def _broken(self, entry: KeyEntry, error: Exception) -> CheckResult:
        """A check that could not be carried out; an unforeseen error is named by type alone."""
        why = str(error) if isinstance(error, MohetError) else "The check could not be carried out."
        if not isinstance(error, MohetError):
            _log.error("A check broke off with %s.", type(error).__name__)
        said = Diagnosis(Verdict.UNCHECKED, NOT_CARRIED_OUT, why, "Check again in a moment.")
        return CheckResult(entry.id, entry.revision, said, self._clock())

    # --- who shows a list to everybody --------------------------------------------------------

    async def _remembered_public(self, url: str, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Whether a URL answers without a key: asked once, remembered for a while.

        What raises is not remembered.
        """
        now = self._monotonic()
        known = self._public.get(url)
        if known is not None and now - known[0] < PUBLIC_FOR:
            return known[1]
        found = await self._controls.join(url, lambda: _awaited(ask))
        young = {u: k for u, k in self._public.items() if now - k[0] < PUBLIC_FOR}
        self._public = {**young, url: (now, found)}
        return found

    # --- the source of keys is asked off the loop ---------------------------------------------

    async def _in_thread(self, step: Callable[..., _T], *args: object) -> _T:
        return await asyncio.to_thread(step, *args)

    def _entry(self, key_id: str, owner: str) -> KeyEntry:
        return self._keys.entry(key_id, owner=owner)

    def _entries(self, key_ids: Sequence[str], owner: str) -> list[KeyEntry]:
        """Those there are, each once, in the order they were asked for."""
        found = {entry.id: entry for entry in self._keys.entries(key_ids, owner=owner)}
        return [found[key_id] for key_id in dict.fromkeys(key_ids) if key_id in found]

    async def _opened(self, key_id: str, owner: str) -> OpenedKey:
        """The key, recorded together with a few others. Raises why there is none."""
        # What several requests ask for at once is not mixed: the record tells them apart.
        place = (owner, logs.request_id(), id(asyncio.get_running_loop()))
        batch = self._openings.get(place)
        if batch is None:
            batch = self._openings[place] = Batch(
                lambda ids: self._keys.open_all(ids, owner=owner, why="check"), most=AT_ONCE
            )
        outcome = await batch.keep(key_id)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _record(self, result: CheckResult, owner: str) -> CheckResult:
        place = (owner, logs.request_id(), id(asyncio.get_running_loop()))
        batch = self._batches.get(place)
        if batch is None:
            batch = self._batches[place] = Batch(
                lambda results: self._keys.record_all(results, owner=owner)
            )
        return await batch.keep(result)


def _tell(listener: Callable[..., None] | None, *news: object) -> None:
    """Report something; a listener that breaks stops no check."""
    if listener is None:
        return
    try:
        listener(*news)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with the listener
        _log.error("A listener broke off with %s.", type(error).__name__)


async def _awaited(ask: Callable[[], Awaitable[bool]]) -> bool:
    return await ask()
