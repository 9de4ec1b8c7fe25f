"""One request and its answer by httpx, with our own dialling beneath. Only importer of httpx and
httpx_sse.

Each request has a client and a connection of its own: none can inherit a cookie, a proxy or an
address from another, and it takes less time than httpx takes for a new connection.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from http.cookiejar import CookieJar

import httpx
import httpx_sse

from mohet_keys.connection import Meter, ProtocolError, RawAnswer, Target, body_of, speak
from mohet_keys.dialling import Line, Resolver, dial
from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.guards import Asked
from mohet_keys.incoming import is_events

_log = logging.getLogger(__name__)

for _name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # their debug lines tell URLs and headers


async def events_of(response: httpx.Response | None) -> AsyncGenerator[tuple[str, str], None]:
    """Name and data of each event of an answer, which is UTF-8 whatever its header says."""
    if response is None:
        return
    response.headers["content-type"] = "text/event-stream"
    response.encoding = "utf-8-sig"
    async with aclosing(httpx_sse.EventSource(response).aiter_sse()) as events:
        async for event in events:
            yield event.event, event.data


class HttpxExchange(httpx.AsyncBaseTransport):
    """One request and its answer: a client, and beneath it a connection with our own dialling.

    With a guard off it does what httpx would do by itself.
    """

    def __init__(
        self,
        asked: Asked,
        resolver: Resolver,
        context: Callable[[], ssl.SSLContext],
        jar: CookieJar | None,
    ) -> None:
        self._asked = asked
        self._rules = asked.rules
        self._guards = asked.rules.guards
        self._resolver = resolver
        self._context = context
        self._client = httpx.AsyncClient(
            transport=self if self._guards.proxies else None,
            trust_env=not self._guards.proxies,
            follow_redirects=not self._guards.redirects,
            cookies=jar,
            timeout=None,  # noqa: S113  # whoever asks sets limits around everything
        )
        self._meter: Meter | None = None
        self._body: _Body | None = None
        self._response: httpx.Response | None = None

    # --- for whoever asks -----------------------------------------------------------------------

    async def begin(self) -> tuple[int, Mapping[str, str]]:
        """Send the request; status and headers of the answer."""
        asked = self._asked
        headers = self._rules.headers(
            authorize=asked.authorize, has_body=asked.content is not None, accept=asked.accept
        )
        request = self._client.build_request(
            asked.method, asked.url, headers=headers, content=asked.content
        )
        self._response = await self._client.send(request, stream=True)
        return self._response.status_code, self._response.headers

    async def parts(self, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """The body as it came over the wire; decoding is what blows a small bomb up."""
        if self._response is None:
            return
        answer = self._response
        size = 0
        async for part in answer.aiter_raw() if self._guards.encoding else answer.aiter_bytes():
            size += len(part)
            if self._guards.caps and size > max_bytes:
                raise TransportError("too_large", f"more than {max_bytes} bytes")
            yield part

    def events(self) -> AsyncGenerator[tuple[str, str], None]:
        """Name and data of each event of the body."""
        return events_of(self._response)

    async def close(self) -> None:
        """Hang up, and forget the secret."""
        if self._response is not None:
            await self._response.aclose()
        await self._client.aclose()
        self._response = self._body = None
        key = replace(self._rules.key, secret=None)
        self._rules = replace(self._rules, key=key)
        self._asked = replace(self._asked, rules=self._rules, content=None)

    def hang_up(self) -> None:
        """Hang up, whoever is reading."""
        if self._meter is not None:
            self._meter.abort()

    @property
    def host(self) -> str:
        """The host that the key was saved for."""
        return self._rules.host

    @property
    def waiting_since(self) -> float | None:
        """Since when bytes are waited for."""
        return self._meter.waiting_since if self._meter else None

    @property
    def has_begun(self) -> bool:
        """Whether the first byte of the body is there."""
        return self._body is not None and self._body.has_begun

    def kind_of(self, error: Exception) -> TransportKind:
        """What kind of failure an exception from below is."""
        if isinstance(error, httpx.InvalidURL):
            return "blocked"
        if isinstance(error, ProtocolError):
            return "reset" if self._meter and self._meter.ended else "protocol"
        if not isinstance(error, httpx.HTTPError):
            _log.error("A request broke off with %s.", type(error).__name__)
        return "protocol"

    # --- for httpx --------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Vet, dial, send, and vet the head of what comes back. Raises TransportError."""
        await self.aclose()
        self._rules.vet_origin(_origin(request.url))
        cap = self._asked.max_bytes if self._guards.caps else None
        self._meter = Meter(await self._dial(request.url), cap)
        raw = await speak(
            self._meter, request.method, _target(request.url), request.headers.raw, request.stream
        )
        self._meter.body_begins()
        headers = httpx.Headers(raw.headers)
        if self._guards.cookies:  # before anything can keep one
            headers.pop("set-cookie", None)
        self._rules.vet_head(raw.status, headers, self._asked.max_bytes)
        self._body = _Body(raw, cap if is_events(headers) else None)
        return httpx.Response(raw.status, headers=headers, stream=self._body)

    async def aclose(self) -> None:
        """Hang up, whatever state the connection is in."""
        self.hang_up()

    async def _dial(self, url: httpx.URL) -> Line:
        secure = url.scheme == "https"
        return await dial(
            url.raw_host.decode("ascii"),
            url.port or (443 if secure else 80),
            tls=self._context() if secure else None,
            resolver=self._resolver,
            allows=lambda address: self._rules.allows(address, secure=secure),
        )


def _target(url: httpx.URL) -> Target:
    return Target(url.raw_scheme, url.raw_host, url.port, url.raw_path)


def _origin(url: httpx.URL) -> str:
    """What will be dialled, as text; a user name in it makes it nobody's origin."""
    at = "@" if url.userinfo else ""
    return f"{url.scheme}://{at}{url.netloc.decode('ascii')}"


class _Body(httpx.AsyncByteStream):
    """The body of an answer, piece by piece, as it comes; measured if it is one of events."""

    def __init__(self, raw: RawAnswer, events_cap: int | None) -> None:
        self._raw = raw
        self._events_cap = events_cap
        self.has_begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in body_of(self._raw, self._events_cap):
            self.has_begun = True
            yield part

    async def aclose(self) -> None:
        await self._raw.aclose()
