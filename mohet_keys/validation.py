"""Checks keys: one, or many within limits. Results are cached where the caller says.

A check opens the key, asks its server within one deadline, and drops the secret again. What the
server said is recorded by the source of the keys, so that everybody sees it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from mohet_keys import endpoints, recommend
from mohet_keys.diagnosis import diagnose_failure
from mohet_keys.errors import LockedError, MohetError, RefusedError, TransportError
from mohet_keys.http import DEADLINE, Outbound
from mohet_keys.model import CheckResult, Diagnosis, KeyEntry, OpenedKey, Verdict
from mohet_keys.probes import Found, Prober

FRESH_FOR = 300.0
"""Seconds a result in the caller's cache counts as known."""
OVERALL = 50
"""Checks under way at once."""
PER_HOST = 8
"""Checks under way at once at the same server."""
MODELS_KEPT = 500
"""Model ids kept of one key's list."""
_PUBLIC_FOR = 600.0

_T = TypeVar("_T")
Cache = MutableMapping[Hashable, object]


class KeySource(Protocol):
    """Where keys come from and results go."""

    def entry(self, key_id: str, *, owner: str) -> KeyEntry:
        """One key. Raises NotFoundError."""

    def open(self, key_id: str, *, owner: str) -> OpenedKey:
        """The key for one check. Raises LockedError, NotFoundError, RefusedError."""

    def record(self, result: CheckResult, *, owner: str) -> CheckResult:
        """Keep a result, and give it back with what was proven before."""


class ValidationService:
    """Asks the providers about keys."""

    def __init__(
        self,
        keys: KeySource,
        outbound: Outbound,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._outbound = outbound
        self._deadline = deadline
        self._clock = clock
        self._monotonic = monotonic
        self._flights: dict[tuple[str, str], asyncio.Task[CheckResult]] = {}
        self._public: dict[str, tuple[float, asyncio.Task[bool]]] = {}

    async def check(
        self, key_id: str, *, owner: str, cache: Cache | None = None, fresh: bool = False
    ) -> CheckResult:
        """Check one key; a result in `cache` younger than five minutes is taken unless `fresh`.

        Raises NotFoundError and StoreError. Everything a server does is a result.
        """
        if cache is not None and not fresh:
            known = self._cached(cache, await self._in_thread(self._entry, key_id, owner))
            if known is not None:
                return known
        result = await self._one_flight(key_id, owner)
        if cache is not None:
            cache[(key_id, result.revision)] = (self._monotonic(), result)
        return result

    async def check_many(
        self,
        key_ids: Sequence[str],
        *,
        owner: str,
        on_result: Callable[[CheckResult], None] | None = None,
        cap: int = OVERALL,
        per_host: int = PER_HOST,
    ) -> list[CheckResult]:
        """Check several keys at once; `on_result` hears of each as it comes.

        A key that is gone by then is left out. Cancelling stops all of them.
        """
        everywhere = asyncio.Semaphore(cap)
        hosts: dict[str, asyncio.Semaphore] = {}

        async def one(key_id: str) -> CheckResult | None:
            try:
                entry = await self._in_thread(self._entry, key_id, owner)
                place = hosts.setdefault(
                    endpoints.origin(entry.endpoint), asyncio.Semaphore(per_host)
                )
                async with place, everywhere:
                    result = await self._one_flight(key_id, owner)
            except MohetError:
                return None
            if on_result:
                on_result(result)
            return result

        found = await asyncio.gather(*map(one, key_ids))
        return [result for result in found if result is not None]

    # --- one check ----------------------------------------------------------------------------

    def _cached(self, cache: Cache, entry: KeyEntry) -> CheckResult | None:
        match cache.get((entry.id, entry.revision)):
            case (float() as at, CheckResult() as result):
                return result if self._monotonic() - at < FRESH_FOR else None
        return None

    async def _one_flight(self, key_id: str, owner: str) -> CheckResult:
        """Two who ask about the same key at the same moment share one check."""
        slot = (key_id, owner)
        flight = self._flights.get(slot)
        if flight is None:
            flight = asyncio.create_task(self._run(key_id, owner))
            self._flights[slot] = flight
            flight.add_done_callback(lambda _: self._flights.pop(slot, None))
        return await asyncio.shield(flight)

    async def _run(self, key_id: str, owner: str) -> CheckResult:
        try:
            key = await self._in_thread(self._open, key_id, owner)
        except LockedError as error:
            return await self._not_asked(key_id, owner, _locked(str(error)), keep=True)
        except RefusedError as error:
            said = Diagnosis(Verdict.UNCHECKED, "held back", str(error), "Move it, or check here.")
            return await self._not_asked(key_id, owner, said, keep=False)
        found = await self._ask(key)
        return await self._in_thread(self._record, self._result(key, found), owner)

    async def _ask(self, key: OpenedKey) -> Found:
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
        now = self._clock()
        able = recommend.chat_models(key.provider, found.models, now.date())
        best = recommend.recommended(
            key.provider, found.models, now.date(), free_only=found.free_only
        )
        return CheckResult(
            key_id=key.id,
            revision=key.revision,
            diagnosis=found.diagnosis,
            checked_at=now,
            http_status=found.status,
            latency_ms=found.latency_ms,
            models=tuple(info.id for info in able[:MODELS_KEPT]),
            recommended_model=best,
        )

    async def _not_asked(
        self, key_id: str, owner: str, said: Diagnosis, *, keep: bool
    ) -> CheckResult:
        entry = await self._in_thread(self._entry, key_id, owner)
        result = CheckResult(key_id, entry.revision, said, self._clock())
        return await self._in_thread(self._record, result, owner) if keep else result

    async def _remembered_public(self, url: str, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Whether a URL answers without a key; asked once, and remembered for ten minutes."""
        now = self._monotonic()
        known = self._public.get(url)
        if known is None or now - known[0] > _PUBLIC_FOR:
            known = (now, asyncio.ensure_future(_as_task(ask)))
            self._public[url] = known
        return await asyncio.shield(known[1])

    # --- the source of keys is asked off the loop ---------------------------------------------

    async def _in_thread(self, step: Callable[..., _T], *args: object) -> _T:
        return await asyncio.to_thread(step, *args)

    def _entry(self, key_id: str, owner: str) -> KeyEntry:
        return self._keys.entry(key_id, owner=owner)

    def _open(self, key_id: str, owner: str) -> OpenedKey:
        return self._keys.open(key_id, owner=owner)

    def _record(self, result: CheckResult, owner: str) -> CheckResult:
        return self._keys.record(result, owner=owner)


async def _as_task(ask: Callable[[], Awaitable[bool]]) -> bool:
    return await ask()


def _locked(why: str) -> Diagnosis:
    remedy = "Restore the master key or the store, or enter the secret again."
    return Diagnosis(Verdict.LOCKED, "locked", why, remedy)
