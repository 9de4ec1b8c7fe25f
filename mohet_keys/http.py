"""The one way out, guarded. Only importer of httpx and httpcore.

A request goes to the origin its secret was sealed for and nowhere else: the name is resolved
once, every address it gives is vetted, and a vetted one is dialled. No redirect, no proxy, no
cookie; identity encoding only; caps on what is read; one deadline that a dripping server cannot
stretch, because httpx's own time limits start anew with each byte.
"""

from __future__ import annotations

import asyncio
import base64
import json as jsonlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore
import httpx

from mohet_keys import addresses, endpoints
from mohet_keys.errors import TransportError, TransportKind
from mohet_keys.model import Answer, OpenedKey

DEADLINE = 10.0
"""Seconds for a whole request, from the look-up of the name to the last byte."""
METADATA_BYTES = 1024 * 1024
"""The most that is read of an answer that is no chat."""
USER_AGENT = "mohet-keys/0.1"

logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

Resolver = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class Guards:
    """Test switches: what does each guard keep in? The product never passes this."""

    redirects: bool = True
    proxies: bool = True
    tls: bool = True
    encoding: bool = True
    caps: bool = True
    deadline: bool = True
    plain_http: bool = True
    addresses: bool = True
    origin: bool = True
    scrub: bool = True


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be dialled. A local run allows private ones: Ollama lives there."""

    allow_private: bool = True

    def allows(self, address: str) -> bool:
        """Whether this resolved address may be asked."""
        found = addresses.literal(address)
        if found is None or addresses.is_forbidden(found):
            return False
        return self.allow_private or not addresses.is_private(found)


async def _resolve(host: str, port: int) -> list[str]:
    """Every address of a host, each once, in the system's order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM
    return list(dict.fromkeys(str(item[4][0]) for item in found))


class Outbound:
    """Asks providers. Holds no secret, no cookie and no connection between two requests."""

    def __init__(
        self,
        *,
        guards: Guards | None = None,
        policy: AddressPolicy | None = None,
        resolver: Resolver = _resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guards = guards or Guards()
        self._policy = policy or AddressPolicy()
        self._resolver = resolver
        self._tls = tls

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

        `deadline` is in seconds. `authorize=False` sends no secret. Raises TransportError when no
        whole answer came, or when a guard kept the request in.
        """
        self._vet(key, url)
        headers = _headers(key.secret if authorize else None, json is not None)
        content = None if json is None else jsonlib.dumps(json).encode()
        request = httpx.Request(method, url, headers=headers, content=content)
        limit = asyncio.timeout(deadline if self._guards.deadline else None)
        started = time.monotonic()
        try:
            async with limit:
                status, head, body = await self._exchange(request, key, max_bytes)
        except TimeoutError:
            raise TransportError("deadline", endpoints.host(key.destination)) from None
        elapsed = round((time.monotonic() - started) * 1000)
        return self._scrubbed(key.secret, Answer(status, head, body, elapsed))

    # --- before anything is sent --------------------------------------------------------------

    def _vet(self, key: OpenedKey, url: str) -> None:
        if self._guards.origin and _origin(url) != endpoints.origin(key.destination):
            raise TransportError("blocked", "another host than the key was saved for")
        if not self._guards.plain_http or key.allow_http:
            return
        if endpoints.needs_http_consent(key.destination):
            raise TransportError("blocked", "plain http to a public address")

    # --- the exchange -------------------------------------------------------------------------

    async def _exchange(
        self, request: httpx.Request, key: OpenedKey, max_bytes: int
    ) -> tuple[int, dict[str, str], bytes]:
        """Send and read. Raises TransportError alone, with nothing of httpx in its chain."""
        trouble: TransportError | None = None
        try:
            async with self._transport(key) as transport:
                response = await transport.handle_async_request(request)
                try:
                    return await self._read(request, response, max_bytes)
                finally:
                    await response.aclose()
        except TransportError as error:
            trouble = error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            trouble = _translated(error, key)
        except (httpx.HTTPError, ssl.SSLError, OSError, UnicodeError, ValueError) as error:
            trouble = _translated(error, key)
        raise TransportError(trouble.kind, trouble.detail) from None

    def _transport(self, key: OpenedKey) -> _Transport:
        backend = _VettedBackend(self._resolver, self._allows(key))
        context = self._tls or (_tls() if self._guards.tls else _open_tls())
        return _Transport(
            httpcore.AsyncConnectionPool(
                ssl_context=context if key.destination.startswith("https:") else None,
                network_backend=backend,
                max_connections=1,
                max_keepalive_connections=0,
                http2=False,
                retries=0,
            )
        )

    def _allows(self, key: OpenedKey) -> Callable[[str], bool]:
        plain = key.destination.startswith("http://") and not key.allow_http

        def allows(address: str) -> bool:
            if self._guards.addresses and not self._policy.allows(address):
                return False
            found = addresses.literal(address)
            public = found is None or not addresses.is_private(found)
            return not (plain and public and self._guards.plain_http)

        return allows

    async def _read(
        self, request: httpx.Request, response: httpx.Response, max_bytes: int
    ) -> tuple[int, dict[str, str], bytes]:
        head = {name.lower(): value for name, value in response.headers.items()}
        if 300 <= response.status_code < 400 and "location" in head and self._guards.redirects:
            raise TransportError("redirect", _host_of(head["location"], request))
        if head.get("content-encoding", "identity") != "identity" and self._guards.encoding:
            raise TransportError("encoding", head["content-encoding"][:40])
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes and self._guards.caps:
                raise TransportError("too_large", f"more than {max_bytes} bytes")
        return response.status_code, head, bytes(body)

    def _scrubbed(self, secret: str | None, answer: Answer) -> Answer:
        if not secret or not self._guards.scrub:
            return answer
        head = {name: _scrub(value, secret) for name, value in answer.headers.items()}
        body = _scrub_bytes(answer.body, secret)
        return Answer(answer.status, head, body, answer.elapsed_ms)


class _Transport(httpx.AsyncBaseTransport):
    """httpx's face over our own connection pool, so that names are resolved and vetted by us."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
            )
        )
        stream = _Stream(raw)
        return httpx.Response(status_code=raw.status, headers=raw.headers, stream=stream)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    """The body of an answer, piece by piece, as it comes."""

    def __init__(self, raw: httpcore.Response) -> None:
        self._raw = raw

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._raw.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._raw.aclose()


class _VettedBackend(httpcore.AsyncNetworkBackend):
    """Looks a name up once, and dials only an address that was vetted."""

    def __init__(self, resolver: Resolver, allows: Callable[[str], bool]) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._resolver = resolver
        self._allows = allows

    async def connect_tcp(
        self,
        host: str | bytes,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        name = host.decode("ascii") if isinstance(host, bytes) else host
        found = await self._looked_up(name.strip("[]"), port)
        if not all(map(self._allows, found)):
            raise TransportError("blocked", f"{name} is at an address that is never asked")
        return await self._dial(found, port, timeout, socket_options)

    async def _looked_up(self, name: str, port: int) -> list[str]:
        if addresses.literal(name):
            return [name]
        try:
            found = await self._resolver(name, port)
        except (OSError, UnicodeError):
            raise TransportError("dns", name) from None
        if not found:
            raise TransportError("dns", name)
        return found

    async def _dial(
        self, found: list[str], port: int, limit: float | None, options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        """The first address that answers; `localhost` may be two, and only one of them serves."""
        last: Exception | None = None
        for address in found:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout=limit, socket_options=options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last or TransportError("refused", "")


# --- small parts -----------------------------------------------------------------------------


@cache
def _tls() -> ssl.SSLContext:
    """The system's trust with the names checked. Built once: it takes some 10 ms."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def _open_tls() -> ssl.SSLContext:
    """Trusts anybody. Only for the test that shows what `_tls` keeps in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _headers(secret: str | None, has_body: bool) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
        "Connection": "close",
    }
    if has_body:
        headers["Content-Type"] = "application/json"
    if secret:
        if not all(0x21 <= ord(character) <= 0x7E for character in secret):
            raise TransportError("blocked", "the key has a character that no header can carry")
        headers["Authorization"] = f"Bearer {secret}"
    return headers


def _origin(url: str) -> str:
    """The origin of a URL in canonical form; empty when it has none, which equals no other."""
    parts = urlsplit(url)
    try:
        return endpoints.origin(f"{parts.scheme}://{parts.netloc}")
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is not the key's origin
        return ""


def _host_of(location: str, request: httpx.Request) -> str:
    """The host a redirect points to, and nothing else of it."""
    try:
        return urlsplit(location).hostname or request.url.host
    except ValueError:
        return "an address that cannot be read"


def _translated(error: Exception, key: OpenedKey) -> TransportError:
    host = endpoints.host(key.destination)
    return TransportError(_kind(error), host)


def _kind(error: BaseException | None) -> TransportKind:
    """What went wrong, read from the exception and what caused it."""
    chain: list[BaseException] = []
    while error is not None and len(chain) < 10:
        chain.append(error)
        error = error.__cause__ or error.__context__
    for link in chain:
        if isinstance(link, ssl.SSLError):
            return "protocol" if "WRONG_VERSION" in str(link) else "tls"
        if isinstance(link, ConnectionRefusedError):
            return "refused"
    first = chain[0] if chain else None
    if isinstance(first, (httpcore.ConnectTimeout, httpcore.TimeoutException)):
        return "timeout"
    if isinstance(first, httpcore.ConnectError):
        return "refused"
    if isinstance(first, (httpcore.LocalProtocolError,)):
        return "protocol"
    if isinstance(first, httpcore.RemoteProtocolError):
        return "reset" if "disconnect" in str(first) or "closed" in str(first) else "protocol"
    return "reset"


REMOVED = "[key removed]"


def _forms(secret: str) -> list[str]:
    """How a server may write the secret back: as it is, escaped for JSON or a URL, in base64."""
    escaped = jsonlib.dumps(secret)[1:-1]
    bearer = base64.b64encode(f"Bearer {secret}".encode()).decode()
    alone = base64.b64encode(secret.encode()).decode()
    forms = {
        secret,
        escaped,
        quote(secret, safe=""),
        bearer,
        alone,
        alone.rstrip("="),
        secret[::-1],
    }
    return sorted((form for form in forms if len(form) >= 4), key=len, reverse=True)


def _scrub(text: str, secret: str) -> str:
    for form in _forms(secret):
        text = text.replace(form, REMOVED)
    return text


def _scrub_bytes(body: bytes, secret: str) -> bytes:
    for form in _forms(secret):
        body = body.replace(form.encode(), REMOVED.encode())
    return body
