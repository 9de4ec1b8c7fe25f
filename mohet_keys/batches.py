"""Writes things together that come at the same time: reaching the disk is what takes the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Batch(Generic[T]):
    """Gives what it gets to `write`, on a thread; what comes while that runs waits for the next.

    `write` gives back one thing for each, in order. For one event loop.
    """

    def __init__(self, write: Callable[[list[T]], Sequence[T]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[T]]] = []
        self._turn = asyncio.Lock()

    async def keep(self, item: T) -> T:
        """What was written for `item`. Raises what the write raised that it was a part of."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        async with self._turn:
            if not outcome.done():
                await self._flush()
        return outcome.result()

    async def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            kept = await asyncio.to_thread(self._write, [item for item, _ in batch])
        except asyncio.CancelledError:
            self._waiting = batch + self._waiting  # who waits still writes it, perhaps again
            raise
        except Exception as error:  # noqa: BLE001  # it belongs to those who wait
            for _, outcome in batch:
                outcome.set_exception(error)
                outcome.exception()  # seen, also when nobody waits any more
        else:
            for (_, outcome), result in zip(batch, kept, strict=True):
                outcome.set_result(result)
