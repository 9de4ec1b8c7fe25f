"""Checking 200 keys on eight hosts that take 200 ms to answer, 50 at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks import store
from benchmarks.row import Row, middle
from benchmarks.servers import DELAY, HOSTS, running
from mohet_keys import wiring
from mohet_keys.background import Background
from mohet_keys.http import Outbound
from mohet_keys.model import LOCAL_OWNER, Verdict
from mohet_keys.validation import OVERALL, ValidationService

KEYS = 200
RUNS = 5
"""Times that all keys are checked."""
IDEAL = KEYS / OVERALL * DELAY


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    where = store.settings(folder)
    with running() as endpoints:
        ids = store.seed(where, KEYS, lambda n: ("groq", endpoints[n % HOSTS]), checked=False)
        parts, loop = wiring.build(where), Background()
        ours, bare = [], []
        for _ in range(RUNS + 1):
            ours.append(_timed(loop, _check(parts, ids)))
            bare.append(_timed(loop, _bare(endpoints)))
        loop.close()
        parts.close()
    clock, processor = _without_first(ours)
    bare_clock, bare_processor = _without_first(bare)
    what = f"check {KEYS} keys, {HOSTS} hosts, {OVERALL} at once"
    note = f"processor {processor:.2f} s"
    bare_note = f"processor {bare_processor:.2f} s"
    return [
        Row(what, clock, IDEAL, "ideal", 1.15, note),
        Row("the same requests by bare httpx", bare_clock, IDEAL, "ideal", None, bare_note),
    ]


async def _check(parts: wiring.Parts, ids: Sequence[str]) -> None:
    """Check all as a fresh start would: no server is known yet."""
    checks = ValidationService(parts.keys, Outbound())
    found = await checks.check_many(ids, owner=LOCAL_OWNER)
    verdicts = [result.diagnosis.verdict for result in found]
    assert verdicts == [Verdict.VALID] * KEYS, f"not all were valid: {set(verdicts)}"


async def _bare(endpoints: Sequence[str]) -> None:
    """As many requests with httpx alone, one client for all of them."""
    places = asyncio.Semaphore(OVERALL)

    async def one(n: int) -> None:
        headers = {"Authorization": f"Bearer gsk_sim-good-{n:032}"}
        async with places:
            answer = await client.get(f"{endpoints[n % HOSTS]}/models", headers=headers)
        assert answer.status_code == 200

    async with httpx.AsyncClient(trust_env=False) as client:
        await asyncio.gather(*map(one, range(KEYS)))


def _timed(loop: Background, work: Coroutine[Any, Any, None]) -> tuple[float, float]:
    """Seconds on the clock and seconds of processor, all threads together."""
    clock, processor = time.perf_counter(), time.process_time()
    loop.run(work)
    return time.perf_counter() - clock, time.process_time() - processor


def _without_first(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The middle of the times, the first of which warmed up."""
    clock, processor = zip(*times[1:], strict=True)
    return middle(clock), middle(processor)
