"""Work that several ask for at once is done once, and ends with the last who waits."""

from __future__ import annotations

import asyncio

import pytest

from mohet_keys.flights import Flights


class Work:
    """Counts how often it began and was cancelled."""

    def __init__(self, *, fails: bool = False) -> None:
        self.begun = self.cancelled = 0
        self._fails = fails

    async def __call__(self) -> int:
        """Take a moment, then give the number of this run."""
        self.begun += 1
        number = self.begun
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._fails:
            raise ValueError(number)
        return number


def test_the_same_slot_is_shared_and_forgotten_when_done() -> None:
    """Three at once get one run; who comes later gets another; another slot is on its own."""

    async def story() -> list[int]:
        flights, work = Flights[int](), Work()
        first = await asyncio.gather(*(flights.join("a", work) for _ in range(3)))
        return [*first, await flights.join("a", work), await flights.join("b", work)]

    assert asyncio.run(story()) == [1, 1, 1, 2, 3]


def test_everybody_hears_of_a_failure_and_the_next_begins_anew() -> None:
    """A failure is raised to all who wait and answers nobody after them."""

    async def story() -> list[object]:
        flights, work = Flights[int](), Work(fails=True)
        both = await asyncio.gather(
            flights.join("a", work), flights.join("a", work), return_exceptions=True
        )
        with pytest.raises(ValueError, match="2"):
            await flights.join("a", work)
        return [str(error) for error in both]

    assert asyncio.run(story()) == ["1", "1"]


def test_the_work_ends_with_the_last_who_waits() -> None:
    """One of two leaves and the work goes on; the second leaves and it is cancelled."""

    async def story() -> None:
        flights, work = Flights[int](), Work()
        waiting = [asyncio.create_task(flights.join("a", work)) for _ in range(2)]
        await asyncio.sleep(0.005)
        waiting[0].cancel()
        await asyncio.wait([waiting[0]])
        assert work.cancelled == 0
        waiting[1].cancel()
        await asyncio.wait(waiting)
        await asyncio.sleep(0)
        assert (work.begun, work.cancelled) == (1, 1)

    asyncio.run(story())


def test_who_comes_after_a_cancelled_flight_gets_one_of_their_own() -> None:
    """Work that is being cancelled is joined by nobody."""

    async def story() -> int:
        flights, work = Flights[int](), Work()
        leaver = asyncio.create_task(flights.join("a", work))
        await asyncio.sleep(0.005)
        leaver.cancel()
        await asyncio.wait([leaver])
        return await flights.join("a", work)

    assert asyncio.run(story()) == 2
