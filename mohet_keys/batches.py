"""Does things together that come at the same time: reaching the disk is what takes the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Batch(Generic[A, B]):
    """Gives what it gets to `work`, on a thread; what comes while that runs waits for the next.

    `work` gives back one thing for each, in order; it gets `most` of them at once. What nobody
    waits for any more is left out. For one event loop.
    """

    def __init__(self, work: Callable[[list[A]], Sequence[B]], *, most: int | None = None) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def keep(self, item: A) -> B:
        """What came of `item`. Raises what the work raised that it was a part of."""
        outcome: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if self._worker is None or self._worker.done():
            # A task of its own: who gives up must not take along those it was to work for.
            self._worker = asyncio.create_task(self._turn())
        return await outcome

    async def _turn(self) -> None:
        try:
            await self._work_off()
        finally:
            for _, outcome in self._waiting:  # whatever ended the turn: nobody waits for ever
                outcome.cancel()
            self._waiting.clear()

    async def _work_off(self) -> None:
        while wanted := [pair for pair in self._waiting if not pair[1].done()]:
            batch, self._waiting = wanted[: self._most], wanted
            try:
                kept = await asyncio.to_thread(self._work, [item for item, _ in batch])
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # it belongs to those who wait
                for _, outcome in batch:
                    if not outcome.cancelled():
                        outcome.set_exception(error)
            else:
                for (_, outcome), result in zip(batch, kept, strict=True):
                    if not outcome.cancelled():
                        outcome.set_result(result)
            self._waiting = [pair for pair in self._waiting if not pair[1].done()]
