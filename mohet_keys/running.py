"""A reply under way on the background loop, read by a thread that may leave at any moment."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mohet_keys.background import Background
from mohet_keys.model import ChatEvent, Delta, Ended

if TYPE_CHECKING:
    from mohet_keys.talk import Talk

TICK = 0.25
"""Seconds."""
PATIENCE = 5.0
"""Seconds without anybody asking for what comes, after which the reply is given up."""
_log = logging.getLogger(__name__)
_Events = queue.SimpleQueue[ChatEvent]


class Running:
    """A reply under way. Use it in a `with` block: leaving that stops it and hangs up.

    One thread reads `events`; `stop` may come from any.
    """

    def __init__(self, talk: Talk, loop: Background) -> None:
        self._talk = talk
        self._loop = loop
        self._events: _Events = queue.SimpleQueue()
        self._next: ChatEvent | None = None
        self._is_over = False
        self._heard = _Heard()
        self._future = loop.submit(_pump(talk, self._events, self._heard))
        self._drop = weakref.finalize(self, _give_up, self._future)
        self._drop.atexit = False

    def events(self, tick: float = TICK) -> Iterator[ChatEvent | None]:
        """What comes, as it comes, and None whenever `tick` seconds brought nothing.

        Deltas that came since the last one was taken are put together. Ends after the Ended.
        """
        while not self._is_over:
            event = self._wait(tick)
            self._is_over = isinstance(event, Ended)
            yield event

    def stop(self) -> None:
        """Hang up; `events` goes on to the Ended, which says so. Again does nothing."""
        if not self._future.done():
            with suppress(RuntimeError):  # the loop is closed, and so is the connection
                self._loop.submit(_stop(self._talk))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drop()

    def _wait(self, tick: float) -> ChatEvent | None:
        event, self._next = self._next, None
        self._heard.now()
        try:
            event = event or self._events.get(timeout=tick)
        except queue.Empty:
            is_lost = self._future.done() and self._events.empty()
            return self._talk.ended("stopped") if is_lost else None
        return self._joined(event) if isinstance(event, Delta) else event

    def _joined(self, delta: Delta) -> Delta:
        """With all that followed it up to now."""
        text, reasoning = [delta.text], [delta.reasoning]
        with suppress(queue.Empty):
            while isinstance(event := self._events.get_nowait(), Delta):
                text.append(event.text)
                reasoning.append(event.reasoning)
            self._next = event
        return Delta("".join(text), "".join(reasoning)) if len(text) > 1 else delta


class _Heard:
    """When somebody last asked for what comes."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def now(self) -> None:
        """Somebody asks."""
        self.at = time.monotonic()


async def _pump(talk: Talk, events: _Events, heard: _Heard) -> None:
    leaving = asyncio.create_task(_until_unheard(talk, heard))
    try:
        async with aclosing(talk.events()) as reply:
            async for event in reply:
                events.put(event)
    finally:
        leaving.cancel()


async def _until_unheard(talk: Talk, heard: _Heard) -> None:
    """Hang up on a reply that nobody reads: the page was left, or its script was stopped."""
    while (left := heard.at + PATIENCE - time.monotonic()) > 0:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(left)
    talk.end("stopped")


async def _stop(talk: Talk) -> None:
    talk.end("stopped")


def _give_up(future: Future[None]) -> None:
    """Cancel what nobody reads any more, which closes its connection."""
    future.cancel()
