"""A reply that is read as it comes: what it may take, and how it ends. Knows no http library.

A stream has three limits in time, and none of them can be stretched by a server that drips: until
its first byte, between two bytes, and in all. When one is over the connection is hung up, so
whoever reads finds the end. What was read before that stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.guards import REPLY_BYTES
from mohet_keys.scrub import PUBLIC_WORDS, Scrubber, StreamScrubber

FIRST_BYTE = 30.0
"""Seconds a provider has until its first byte."""
LOCAL_FIRST_BYTE = 120.0
"""The same for a server of the user's own, which may have to load its model first."""
REFUSAL_SECONDS = 10.0
"""For the whole body of an answer that refuses."""
BODY_BYTES = 1024 * 1024
"""The most that is read of an answer that is no stream of events."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a reply may take, in seconds and bytes."""

    first_byte: float = FIRST_BYTE
    """From the look-up of the name to the first byte of the reply."""
    idle: float = 60.0
    """Between two bytes."""
    total: float = 600.0
    reply_bytes: int = REPLY_BYTES


def is_events(headers: Mapping[str, str]) -> bool:
    """Whether the body below these headers, names in lower case, is a stream of events."""
    kind = headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "text/event-stream"


class Exchange(Protocol):
    """One request and its answer, on a connection of its own."""

    @property
    def host(self) -> str:
        """The host that is asked, for the words of an error."""

    async def begin(self) -> tuple[int, Mapping[str, str]]:
        """Send; status and headers of the answer."""

    def parts(self, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """The body, raw. Raises TransportError when it is larger than that."""

    def events(self) -> AsyncGenerator[tuple[str, str], None]:
        """The body as events: name and data of each."""

    async def close(self) -> None:
        """Hang up and tidy."""

    def hang_up(self) -> None:
        """Hang up, whoever is reading."""

    def kind_of(self, error: Exception) -> TransportKind:
        """What kind of failure an exception from below is."""

    @property
    def waiting_since(self) -> float | None:
        """Since when bytes are waited for."""

    @property
    def has_begun(self) -> bool:
        """Whether the first byte of the body is there."""


class Incoming:
    """An answer on its way in, open inside of `async with`; everything of it is scrubbed.

    `is_events` says how to read it: `events` for a stream of events, `body` for any other. Both
    raise TransportError when it broke off, and what was given before that stands.
    """

    def __init__(self, exchange: Exchange, secret: str | None, limits: Limits | None) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._exchange = exchange
        self._scrubber = Scrubber(None if secret in PUBLIC_WORDS else secret)
        self._limits = limits
        self._patience = _Patience(exchange, limits) if limits else None
        self._opening: asyncio.Timeout | None = None
        self._left = False

    @property
    def is_events(self) -> bool:
        """Whether the body is a stream of events."""
        return is_events(self.headers)

    def text(self, said: str) -> str:
        """`said` without the secret."""
        return self._scrubber.text(said)

    def scrubber(self) -> StreamScrubber:
        """A scrubber for a text that goes on over several events."""
        return self._scrubber.stream()

    def hang_up(self) -> None:
        """Close the connection now, from the loop's own thread; whoever reads finds the end."""
        self._left = True
        if self._opening is not None:
            self._opening.reschedule(0)
        self._exchange.hang_up()

    # --- opening and closing ------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Send the request and read the head of the answer. Raises TransportError."""
        error = await self._open()
        if error is None:
            return self
        await self._exchange.close()
        try:
            raise error
        finally:
            del self, error  # the error's traceback keeps this frame

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._patience:
            self._patience.stop()
        self._scrubber = Scrubber(None)
        await self._exchange.close()

    async def _open(self) -> TransportError | None:
        """Nothing, or the error as a value: raised later, it drags nothing along."""
        began = time.monotonic()
        limit = min(self._limits.first_byte, self._limits.total) if self._limits else None
        try:
            async with asyncio.timeout(0 if self._left else limit) as self._opening:
                self.status, head = await self._exchange.begin()
        except TimeoutError:
            return TransportError("reset" if self._left else "timeout", self._exchange.host)
        except Exception as error:  # noqa: BLE001  # a hostile answer may set off anything
            return self._plain(error)
        except BaseException:
            await self._exchange.close()
            raise
        finally:
            self._opening = None
        self.headers = {self.text(n).lower(): self.text(value) for n, value in head.items()}
        if self._patience:
            self._patience.start(began)
        return None

    # --- reading ------------------------------------------------------------------------------

    async def events(self) -> AsyncGenerator[tuple[str, str], None]:
        """Name and data of each event as it comes. Raises TransportError when it broke off."""
        error: TransportError | None = None
        try:
            async with aclosing(self._scrubbed()) as events:
                async for event in events:
                    yield event
        except Exception as trouble:  # noqa: BLE001  # a hostile answer may set off anything
            error = self._plain(trouble)
        error = self._end(error)
        if error is None:
            return
        try:
            raise error
        finally:
            del self, error  # the error's traceback keeps this frame

    async def _scrubbed(self) -> AsyncGenerator[tuple[str, str], None]:
        """The events, in a frame of its own: what is raw stays out of an error's traceback."""
        async with aclosing(self._exchange.events()) as events:
            async for name, data in events:
                yield name, self._scrubber.text(data)

    async def body(self) -> bytes:
        """The whole body. Raises TransportError when it broke off or is too large."""
        body, error = bytearray(), None
        refuses = self.status >= 300 and self._limits is not None
        try:
            async with asyncio.timeout(REFUSAL_SECONDS if refuses else None):
                async with aclosing(self._exchange.parts(BODY_BYTES)) as parts:
                    async for part in parts:
                        body += part
        except TimeoutError:
            error = TransportError("deadline", self._exchange.host)
        except Exception as trouble:  # noqa: BLE001  # a hostile answer may set off anything
            error = self._plain(trouble)
        error = self._end(error)
        if error is None:
            return self._scrubber.raw(bytes(body))
        try:
            raise error
        finally:
            del self, error

    def _end(self, error: TransportError | None) -> TransportError | None:
        """What the reading ended with: an end that was made here looks like any other below."""
        if self._patience and self._patience.over:
            return TransportError(self._patience.over, self._exchange.host)
        if self._left:
            return error or TransportError("reset", self._exchange.host)
        return error

    def _plain(self, error: Exception) -> TransportError:
        """The error as a value of ours, without the one it came from."""
        if isinstance(error, TransportError):
            return TransportError(error.kind, self.text(error.detail))
        return TransportError(self._exchange.kind_of(error), self._exchange.host)


class _Patience:
    """Looks at the clock when a limit may be over, not at each byte; `over` says which it was."""

    def __init__(self, exchange: Exchange, limits: Limits) -> None:
        self._exchange = exchange
        self._limits = limits
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.over: TransportKind | None = None

    def start(self, began: float) -> None:
        """From now on, for a request that began at `began`."""
        self._began = began
        self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        byte, total = self._next_byte(now), self._began + self._limits.total
        left = min(byte, total) - now
        if left > 0:  # with the first byte there, the next may have to be sooner than it had
            left = min(left, self._limits.idle)
            self._timer = asyncio.get_running_loop().call_later(left, self._look)
            return
        self.over = "timeout" if byte < total else "deadline"
        self._exchange.hang_up()

    def _next_byte(self, now: float) -> float:
        """By when the next byte has to be there. Time that the reader takes counts for nothing."""
        if not self._exchange.has_begun:
            return self._began + self._limits.first_byte
        waiting = self._exchange.waiting_since
        return (now if waiting is None else waiting) + self._limits.idle
