"""All keys that somebody may check, checked at once in the background: how far that is, at any
moment."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from mohet_keys.background import Background
from mohet_keys.errors import MohetError
from mohet_keys.model import CheckResult, KeyEntry, Verdict
from mohet_keys.providers import PROVIDERS
from mohet_keys.service import KeyService
from mohet_keys.validation import HELD_BACK, ValidationService

State = Literal["running", "finished", "cancelled", "failed"]
BROKE_OFF = "The check broke off. Try again."
_PLACES = {row.slug: place for place, row in enumerate(PROVIDERS)}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """How far the keys of one provider are."""

    provider: str
    of: int
    """How many keys there are."""
    verdicts: tuple[tuple[Verdict, int], ...]
    """What the keys that were asked about came to, in the order of the verdicts."""
    held: int
    """Keys that were sent nowhere, for they look like another vendor's."""
    left: int
    """Keys whose check was not carried out."""
    waits: float
    """Seconds for which the provider asked to be left alone; 0 when it may be asked."""

    @property
    def done(self) -> int:
        """How many of the keys are done with."""
        return sum(count for _, count in self.verdicts) + self.held + self.left


@dataclass(slots=True)
class _Tally:
    of: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    held: int = 0
    left: int = 0
    waits_until: float = 0.0

    def count(self, result: CheckResult) -> None:
        """Take in one result."""
        said = result.diagnosis
        if said.verdict is not Verdict.UNCHECKED:
            self.verdicts[said.verdict] += 1
        elif said.reason == HELD_BACK:
            self.held += 1
        else:
            self.left += 1


class CheckAll:
    """One run over all keys that `owner` may check, begun when it is made. Threads may share it.

    It goes on to its end whether or not anybody looks, and has nothing of a secret. `monotonic`
    tells seconds.
    """

    def __init__(
        self,
        keys: KeyService,
        checks: ValidationService,
        loop: Background,
        *,
        owner: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._checks = checks
        self._owner = owner
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        self._providers: dict[str, str] = {}
        self._given_up = False
        self._began = monotonic()
        self._ended: float | None = None
        self._future: Future[None] = loop.submit(self._run())
        self._future.add_done_callback(self._end)

    def cancel(self) -> None:
        """Ask no more, and hang up on every server that is being asked. Again does nothing."""
        with self._lock:
            self._given_up = True
        self._future.cancel()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._future.done()

    @property
    def state(self) -> State:
        """How it is going, or how it ended."""
        if not self._future.done():
            return "running"
        if self._future.cancelled():
            return "cancelled"
        return "failed" if self._future.exception() else "finished"

    @property
    def problem(self) -> str:
        """Why it failed; empty when it did not."""
        if self.state != "failed":
            return ""
        error = self._future.exception()
        return str(error) if isinstance(error, MohetError) else BROKE_OFF

    @property
    def seconds(self) -> float:
        """How long it runs, or ran."""
        return (self._monotonic() if self._ended is None else self._ended) - self._began

    @property
    def done(self) -> int:
        """How many keys are done with."""
        return sum(line.done for line in self.lines())

    @property
    def total(self) -> int | None:
        """How many keys there are; None before that is known."""
        with self._lock:
            return sum(tally.of for tally in self._tallies.values()) if self._tallies else None

    def lines(self) -> list[Line]:
        """A line for each provider that has keys, in the order of the providers."""
        now = self._monotonic()
        with self._lock:
            return [
                Line(
                    slug,
                    tally.of,
                    tuple((v, tally.verdicts[v]) for v in Verdict if tally.verdicts[v]),
                    tally.held,
                    tally.left,
                    0.0 if self._future.done() else max(0.0, tally.waits_until - now),
                )
                for slug, tally in self._tallies.items()
            ]

    # --- on the background loop -----------------------------------------------------------------

    async def _run(self) -> None:
        page = await asyncio.to_thread(self._keys.list, owner=self._owner, sort="name")
        self._begin([entry for entry in page.entries if entry.may_change])
        await self._checks.check_many(
            list(self._providers),
            owner=self._owner,
            on_result=self._heard,
            on_wait=self._waiting,
        )

    def _begin(self, entries: Sequence[KeyEntry]) -> None:
        slugs = {entry.provider for entry in entries}
        with self._lock:
            for slug in sorted(slugs, key=lambda slug: (_PLACES.get(slug, len(_PLACES)), slug)):
                self._tallies[slug] = _Tally()
            for entry in entries:
                self._providers[entry.id] = entry.provider
                self._tallies[entry.provider].of += 1

    def _heard(self, result: CheckResult) -> None:
        with self._lock:
            if not self._given_up:
                self._tallies[self._providers[result.key_id]].count(result)

    def _waiting(self, entry: KeyEntry, seconds: float) -> None:
        with self._lock:
            tally = self._tallies[self._providers[entry.id]]
            tally.waits_until = max(tally.waits_until, self._monotonic() + seconds)

    def _end(self, future: Future[None]) -> None:
        self._ended = self._monotonic()
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, MohetError):
            _log.error("A check of all keys broke off with %s.", type(error).__name__)
