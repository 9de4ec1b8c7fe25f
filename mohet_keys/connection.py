"""One HTTP/1.1 request on a connection of its own, and what came in counted. Only importer of
httpcore.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore

from mohet_keys.dialling import Line
from mohet_keys.errors import TransportError
from mohet_keys.guards import EventGauge

HEAD_BYTES = 64 * 1024
"""The most that a server may say before its answer's body begins, `100 Continue` included."""
WIRE_FACTOR = 8
"""Bytes on the wire for each byte of body, at most. A body in one-byte chunks takes six."""

_READ = 32 * 1024

ProtocolError = httpcore.ProtocolError
RawAnswer = httpcore.Response


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, in the bytes that are sent."""

    scheme: bytes
    host: bytes
    port: int | None
    path: bytes
    """With the query."""


async def speak(
    line: Meter,
    method: str,
    target: Target,
    headers: list[tuple[bytes, bytes]],
    content: AsyncIterable[bytes] | Iterable[bytes],
) -> RawAnswer:
    """Send a request, and read the head of the answer."""
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    connection = httpcore.AsyncHTTP11Connection(url.origin, line)
    return await connection.handle_async_request(
        httpcore.Request(method=method, url=url, headers=headers, content=content)
    )


async def body_of(answer: RawAnswer, events_cap: int | None) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises TransportError.

    With a cap it is one of events, and measured: the parser above takes lines and events of any
    size. What came before the one that is too long is passed on.
    """
    parts = answer.aiter_stream()
    if events_cap is None:
        async for part in parts:
            yield part
        return
    gauge, left = EventGauge(), events_cap
    async for part in parts:
        room = min(gauge.room(part), left)
        left -= room
        yield part[:room]
        if room < len(part):
            raise TransportError("too_large", "more than a reply needs")
    yield b"\n\n"  # not every server ends its last event with a blank line


class Meter(httpcore.AsyncNetworkStream):
    """A connection that counts what comes in, and hangs up when that is too much.

    A cap on the body alone leaves a flood of `100 Continue`, or of chunk extensions, unbounded.
    """

    def __init__(self, line: Line, max_bytes: int | None) -> None:
        self._reader, self._writer = line
        self._max_bytes = max_bytes
        self._allowance = HEAD_BYTES
        self._seen = 0
        self.ended = False
        """Whether the other side hung up."""
        self.waiting_since: float | None = None
        """Since when bytes are waited for, by the clock of `time.monotonic`; None if not now."""

    def body_begins(self) -> None:
        """The head is read; from now on the cap is that of the body."""
        self._allowance = HEAD_BYTES + WIRE_FACTOR * (self._max_bytes or 0)

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002  # httpcore's signature
    ) -> bytes:
        """What came in, empty at the end. Raises TransportError."""
        if self._max_bytes is not None and self._seen >= self._allowance:
            raise TransportError("too_large", "more than an answer needs")
        self.waiting_since = time.monotonic()
        try:
            data = await self._reader.read(min(max_bytes, _READ))
        except ssl.SSLError:
            raise TransportError("tls") from None
        except OSError:
            raise TransportError("reset") from None
        self.waiting_since = None
        if not self._seen and not data.startswith(b"HTTP/"[: len(data)]):
            raise TransportError("protocol")  # it may never say enough for a parser to see that
        self._seen += len(data)
        self.ended = not data
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002  # httpcore's signature
    ) -> None:
        """Send. Raises WriteError, which httpcore takes as a reason to read what was answered."""
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError:
            raise httpcore.WriteError from None

    async def aclose(self) -> None:
        """Let go at once."""
        self.abort()

    def abort(self) -> None:
        """Let go at once; a polite goodbye in TLS would wait for the other side's."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002  # httpcore's signature
        """Nothing: httpcore asks this only of connections that it keeps."""
        return None
