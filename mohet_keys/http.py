"""The one way out, guarded. Only importer of httpx and httpcore.

A request goes to the origin its secret was sealed for and nowhere else, at an address that was
vetted. No redirect, no proxy, no cookie; identity encoding only; caps on what is read; one deadline
that a dripping server cannot stretch, because httpx's own time limits start anew with each byte.

Each request has a client and a connection of its own: none can inherit a cookie, a proxy or an
address from another, and it takes less time than httpx takes for a new connection.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any

import httpcore
import httpx

from mohet_keys.dialling import Line, Resolver, dial, gullible_context, shared_context
from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.guards import USER_AGENT, AddressPolicy, Guards, Rules
from mohet_keys.lookup import Lookup
from mohet_keys.model import Answer, OpenedKey
from mohet_keys.scrub import Scrubber

__all__ = ["DEADLINE", "METADATA_BYTES", "USER_AGENT", "AddressPolicy", "Guards", "Outbound"]

DEADLINE = 10.0
"""Seconds for a whole request, from the look-up of the name to the last byte."""
METADATA_BYTES = 1024 * 1024
"""The most that is read of an answer that is no chat."""
HEAD_BYTES = 64 * 1024
"""The most that a server may say before its answer's body begins, `100 Continue` included."""
WIRE_FACTOR = 8
"""Bytes on the wire for each byte of body, at most. A body in one-byte chunks takes six."""

_READ = 32 * 1024
_log = logging.getLogger(__name__)

for _name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # their debug lines tell URLs and headers


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one request is about."""

    rules: Rules
    method: str
    url: str
    content: bytes | None
    authorize: bool
    deadline: float
    max_bytes: int


class Outbound:
    """Asks providers. Holds no secret, no cookie and no connection between two requests.

    May be used from any thread and any event loop. `resolver` finds the addresses of a host,
    `tls` replaces the authorities that are trusted.
    """

    def __init__(
        self,
        *,
        guards: Guards | None = None,
        policy: AddressPolicy | None = None,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guards = guards or Guards()
        self._policy = policy or AddressPolicy()
        self._resolver = resolver or Lookup()
        self._tls = tls
        self._jar = None if self._guards.cookies else CookieJar()

    async def ask(
        self,
        key: OpenedKey,
        method: str,
        url: str,
        *,
        json: object | None = None,
        authorize: bool = True,
        deadline: float = DEADLINE,
        max_bytes: int = METADATA_BYTES,
    ) -> Answer:
        """The whole answer to one request, scrubbed of the secret.

        `json` is sent as the body. `authorize=False` sends no secret. `deadline` is in seconds,
        `max_bytes` the largest body read. Raises TransportError when no whole answer came, or when
        a guard kept the request in; nothing of the request is in the error or its chain.
        """
        rules = Rules(key, self._guards, self._policy)
        content = None if json is None else jsonlib.dumps(json).encode()
        asked = _Asked(rules, method, url, content, authorize, deadline, max_bytes)
        outcome = await self._attempt(asked)
        if isinstance(outcome, Answer):
            return outcome
        try:
            raise outcome
        finally:
            del key, rules, asked, outcome  # the error's traceback keeps this frame

    async def _attempt(self, asked: _Asked) -> Answer | TransportError:
        """The answer, or the error as a value: raised later, it drags nothing along."""
        scrubber = Scrubber(asked.rules.key.secret if self._guards.scrub else None)
        transport = _Transport(asked, self._resolver, self._context)
        started = time.monotonic()
        try:
            async with asyncio.timeout(asked.deadline if self._guards.deadline else None):
                status, head, body = await self._exchange(asked, transport)
        except TimeoutError:
            return TransportError("deadline", asked.rules.host)
        except TransportError as error:
            return TransportError(error.kind, scrubber.text(error.detail))
        except Exception as error:  # noqa: BLE001  # a hostile answer may set off anything
            return TransportError(transport.kind_of(error), asked.rules.host)
        elapsed = round((time.monotonic() - started) * 1000)
        head = {scrubber.text(name).lower(): scrubber.text(value) for name, value in head.items()}
        return Answer(status, head, scrubber.raw(body), elapsed)

    async def _exchange(
        self, asked: _Asked, transport: _Transport
    ) -> tuple[int, Mapping[str, str], bytes]:
        has_body = asked.content is not None
        headers = asked.rules.headers(authorize=asked.authorize, has_body=has_body)
        async with self._client(transport) as client:
            request = client.build_request(
                asked.method, asked.url, headers=headers, content=asked.content
            )
            response = await client.send(request, stream=True)
            try:
                return response.status_code, response.headers, await self._read(response, asked)
            finally:
                await response.aclose()

    def _client(self, transport: _Transport) -> httpx.AsyncClient:
        """A client for one request. With a guard off it does what httpx would do by itself."""
        return httpx.AsyncClient(
            transport=transport if self._guards.proxies else None,
            trust_env=not self._guards.proxies,
            follow_redirects=not self._guards.redirects,
            cookies=self._jar,
            timeout=None,  # noqa: S113  # the deadline is around everything
        )

    async def _read(self, response: httpx.Response, asked: _Asked) -> bytes:
        """The body as it came over the wire; decoding is what blows a small bomb up."""
        body = bytearray()
        parts = response.aiter_raw() if self._guards.encoding else response.aiter_bytes()
        async for part in parts:
            body += part
            if self._guards.caps and len(body) > asked.max_bytes:
                raise TransportError("too_large", f"more than {asked.max_bytes} bytes")
        return bytes(body)

    def _context(self) -> ssl.SSLContext:
        if not self._guards.tls:
            return gullible_context()
        return self._tls or shared_context()


class _Transport(httpx.AsyncBaseTransport):
    """One request on one connection, HTTP/1.1, with our own dialling beneath httpcore."""

    def __init__(
        self, asked: _Asked, resolver: Resolver, context: Callable[[], ssl.SSLContext]
    ) -> None:
        self._asked = asked
        self._rules = asked.rules
        self._resolver = resolver
        self._context = context
        self._meter: _Meter | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Vet, dial, send, and vet the head of what comes back. Raises TransportError."""
        await self.aclose()
        self._rules.vet_origin(_origin(request.url))
        self._meter = _Meter(await self._dial(request.url), self._cap())
        raw = await _speak(self._meter, request)
        self._meter.body_begins()
        headers = httpx.Headers(raw.headers)
        if self._rules.guards.cookies:  # before anything can keep one
            headers.pop("set-cookie", None)
        self._rules.vet_head(raw.status, headers, self._asked.max_bytes)
        return httpx.Response(raw.status, headers=headers, stream=_Body(raw))

    async def aclose(self) -> None:
        """Hang up, whatever state the connection is in."""
        if self._meter is not None:
            await self._meter.aclose()

    def kind_of(self, error: Exception) -> TransportKind:
        """What kind of failure an exception from below is."""
        if isinstance(error, httpx.InvalidURL):
            return "blocked"
        if isinstance(error, httpcore.ProtocolError):
            return "reset" if self._meter and self._meter.ended else "protocol"
        if not isinstance(error, httpx.HTTPError):
            _log.error("A request broke off with %s.", type(error).__name__)
        return "protocol"

    async def _dial(self, url: httpx.URL) -> Line:
        secure = url.scheme == "https"
        return await dial(
            url.raw_host.decode("ascii"),
            url.port or (443 if secure else 80),
            tls=self._context() if secure else None,
            resolver=self._resolver,
            allows=lambda address: self._rules.allows(address, secure=secure),
        )

    def _cap(self) -> int | None:
        return self._asked.max_bytes if self._rules.guards.caps else None


def _origin(url: httpx.URL) -> str:
    """What will be dialled, as text; a user name in it makes it nobody's origin."""
    at = "@" if url.userinfo else ""
    return f"{url.scheme}://{at}{url.netloc.decode('ascii')}"


async def _speak(line: httpcore.AsyncNetworkStream, request: httpx.Request) -> httpcore.Response:
    """Send a request over a connection of its own, and read the head of the answer."""
    url = httpcore.URL(
        scheme=request.url.raw_scheme,
        host=request.url.raw_host,
        port=request.url.port,
        target=request.url.raw_path,
    )
    connection = httpcore.AsyncHTTP11Connection(url.origin, line)
    return await connection.handle_async_request(
        httpcore.Request(
            method=request.method, url=url, headers=request.headers.raw, content=request.stream
        )
    )


class _Body(httpx.AsyncByteStream):
    """The body of an answer, piece by piece, as it comes."""

    def __init__(self, raw: httpcore.Response) -> None:
        self._raw = raw

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._raw.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._raw.aclose()


class _Meter(httpcore.AsyncNetworkStream):
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
        try:
            data = await self._reader.read(min(max_bytes, _READ))
        except ssl.SSLError:
            raise TransportError("tls") from None
        except OSError:
            raise TransportError("reset") from None
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
        """Let go at once; a polite goodbye in TLS would wait for the other side's."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002  # httpcore's signature
        """Nothing: httpcore asks this only of connections that it keeps."""
        return None
