"""Things written together: each once, in order, with its own outcome, whoever gives up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mohet_keys.batches import Batch


def test_what_comes_meanwhile_is_written_together() -> None:
    """While one write runs the others gather, and the next write takes them all."""
    batches: list[list[int]] = []
    going = threading.Event()

    def write(items: list[int]) -> list[int]:
        batches.append(items)
        going.wait(5)
        return [item * 10 for item in items]

    async def run() -> list[int]:
        batch = Batch(write)
        first = asyncio.create_task(batch.keep(1))
        while not batches:  # noqa: ASYNC110  # it is filled by a thread
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batch.keep(n)) for n in (2, 3, 4)]
        await asyncio.sleep(0.01)
        going.set()
        return [await first, *await asyncio.gather(*others)]

    assert asyncio.run(run()) == [10, 20, 30, 40]
    assert batches == [[1], [2, 3, 4]]


def test_a_failed_write_is_told_to_all_it_was_for() -> None:
    """Each of them hears of it, and the next write is a new one."""
    calls: list[list[int]] = []

    def write(items: list[int]) -> list[int]:
        calls.append(items)
        if len(calls) == 1:
            raise OSError("full")
        return items

    async def run() -> int:
        batch = Batch(write)
        with pytest.raises(OSError, match="full"):
            await batch.keep(1)
        return await batch.keep(2)

    assert asyncio.run(run()) == 2


def test_who_gives_up_takes_nobody_along() -> None:
    """When the one whose turn it is is cancelled, the others are written all the same."""
    going = threading.Event()
    seen: list[list[int]] = []

    def write(items: list[int]) -> list[int]:
        seen.append(items)
        going.wait(5)
        return items

    async def run() -> int:
        batch = Batch(write)
        first = asyncio.create_task(batch.keep(1))
        second = asyncio.create_task(batch.keep(2))
        while not seen:  # noqa: ASYNC110  # it is filled by a thread
            await asyncio.sleep(0.001)
        first.cancel()
        going.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await asyncio.wait_for(second, 5)

    assert asyncio.run(run()) == 2


def test_no_more_are_done_at_once_than_is_allowed() -> None:
    """What waits is worked off in groups, in the order it came."""
    groups: list[list[int]] = []
    going = threading.Event()

    def work(items: list[int]) -> list[int]:
        groups.append(items)
        going.wait(5)
        return items

    async def run() -> None:
        batch = Batch(work, most=2)
        waiting = [asyncio.create_task(batch.keep(number)) for number in range(5)]
        await asyncio.sleep(0.01)
        going.set()
        assert await asyncio.gather(*waiting) == [0, 1, 2, 3, 4]

    asyncio.run(run())
    assert groups == [[0, 1], [2, 3], [4]]


def test_what_nobody_waits_for_any_more_is_left_out() -> None:
    """Who gives up before it was begun has nothing done in his name."""
    seen: list[int] = []
    going = threading.Event()

    def work(items: list[int]) -> list[int]:
        seen.extend(items)
        going.wait(5)
        return items

    async def run() -> None:
        batch = Batch(work)
        first, second = (asyncio.create_task(batch.keep(number)) for number in (1, 2))
        while not seen:  # noqa: ASYNC110  # it is filled by a thread
            await asyncio.sleep(0.001)
        third = asyncio.create_task(batch.keep(3))
        await asyncio.sleep(0)
        third.cancel()
        going.set()
        await asyncio.gather(first, second)

    asyncio.run(run())
    assert 3 not in seen


class EndError(BaseException):
    """The end of the thread, as `sys.exit` in it would be."""


def test_nobody_waits_for_ever() -> None:
    """Whatever ends the work, all it was for hear of it."""

    def work(_items: list[int]) -> list[int]:
        raise EndError

    async def run() -> list[BaseException | int]:
        batch = Batch(work)
        waiting = [asyncio.create_task(batch.keep(number)) for number in range(3)]
        return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    assert {type(outcome) for outcome in asyncio.run(run())} == {EndError}


def test_the_end_of_the_loop_lets_go_of_who_waits() -> None:
    """A loop that is closed while work is under way does not hang."""
    going = threading.Event()

    async def run() -> None:
        batch = Batch(lambda items: [going.wait(5) for _ in items])
        kept = asyncio.create_task(batch.keep(1))
        await asyncio.sleep(0.01)
        batch._worker.cancel()
        going.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(kept, 5)

    asyncio.run(run())
