"""Shares work: who asks for the same thing at the same moment waits for one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Flights(Generic[T]):
    """Work under way, by what it is for. Nothing is remembered once it is done."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Flight[T]] = {}

    async def join(self, slot: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of the work for `slot`, begun now unless it is under way already.

        Raises what the work raises. When the last who waits is cancelled, the work is too.
        """
        place = (slot, id(asyncio.get_running_loop()))  # two loops cannot share a task
        flight = self._under_way.get(place) or self._begin(place, work)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._end(place, flight)
                flight.task.cancel()

    def _begin(self, place: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(work()))
        self._under_way[place] = flight
        flight.task.add_done_callback(lambda _: self._end(place, flight))
        return flight

    def _end(self, place: Hashable, flight: _Flight[T]) -> None:
        """Forget a flight, unless a later one has its place by now."""
        if self._under_way.get(place) is flight:
            del self._under_way[place]
