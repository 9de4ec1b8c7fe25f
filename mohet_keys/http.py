"""The one way out, guarded. What puts a request on the wire is `exchange`, the door to httpx.

A request goes to the origin its secret was sealed for and nowhere else, at an address that was
vetted. No redirect, no proxy, no cookie; identity encoding only; caps on what is read; one deadline
that a dripping server cannot stretch, because httpx's own time limits start anew with each byte.
"""

from __future__ import annotations

import asyncio
import json as jsonlib
import ssl
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar

from mohet_keys.dialling import Resolver, gullible_context, shared_context
from mohet_keys.errors import TransportError
from mohet_keys.guards import USER_AGENT, AddressPolicy, Asked, Guards, Rules
from mohet_keys.incoming import Exchange, Incoming, Limits
from mohet_keys.lookup import Lookup
from mohet_keys.model import Answer, OpenedKey
from mohet_keys.scrub import Scrubber

__all__ = [
    "DEADLINE",
    "METADATA_BYTES",
    "USER_AGENT",
    "AddressPolicy",
    "Guards",
    "Incoming",
    "Limits",
    "Outbound",
]

DEADLINE = 10.0
"""Seconds for a whole request, from the look-up of the name to the last byte."""
METADATA_BYTES = 1024 * 1024
"""The most that is read of an answer that is no chat."""

_STREAMED = "text/event-stream, application/json"


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
        key, url = self._addressed(key, url)
        rules = Rules(key, self._guards, self._policy)
        content = None if json is None else jsonlib.dumps(json).encode()
        asked = Asked(rules, method, url, content, max_bytes, authorize)
        outcome = await self._attempt(asked, deadline)
        if isinstance(outcome, Answer):
            return outcome
        try:
            raise outcome
        finally:
            del key, rules, asked, outcome  # the error's traceback keeps this frame

    def stream(
        self,
        key: OpenedKey,
        url: str,
        *,
        json: object,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> Incoming:
        """A POST whose answer is read as it comes, inside of `async with`.

        `json` is sent as the body. Leaving the block closes the connection at once.
        """
        key, url = self._addressed(key, url)
        content = jsonlib.dumps(json).encode()
        rules = Rules(key, self._guards, self._policy)
        asked = Asked(rules, "POST", url, content, limits.reply_bytes, accept=_STREAMED)
        secret = key.secret if self._guards.scrub else None
        return Incoming(self._exchange(asked), secret, limits if self._guards.deadline else None)

    def _addressed(self, key: OpenedKey, url: str) -> tuple[OpenedKey, str]:
        """Key and URL as they are dialled: as they were given, but for the demo."""
        return key, url

    def _exchange(self, asked: Asked) -> Exchange:
        # httpx takes a tenth of a second to import; the first request pays for it, not the start.
        from mohet_keys.exchange import HttpxExchange

        return HttpxExchange(asked, self._resolver, self._context, self._jar)

    async def _attempt(self, asked: Asked, deadline: float) -> Answer | TransportError:
        """The answer, or the error as a value: raised later, it drags nothing along."""
        scrubber = Scrubber(asked.rules.key.secret if self._guards.scrub else None)
        exchange = self._exchange(asked)
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline if self._guards.deadline else None):
                status, head, body = await _whole(exchange, asked.max_bytes)
        except TimeoutError:
            return TransportError("deadline", asked.rules.host)
        except TransportError as error:
            return TransportError(error.kind, scrubber.text(error.detail))
        except Exception as error:  # noqa: BLE001  # a hostile answer may set off anything
            return TransportError(exchange.kind_of(error), asked.rules.host)
        elapsed = round((time.monotonic() - started) * 1000)
        head = {scrubber.text(name).lower(): scrubber.text(value) for name, value in head.items()}
        return Answer(status, head, scrubber.raw(body), elapsed)

    def _context(self) -> ssl.SSLContext:
        if not self._guards.tls:
            return gullible_context()
        return self._tls or shared_context()


async def _whole(exchange: Exchange, max_bytes: int) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body."""
    body = bytearray()
    try:
        status, headers = await exchange.begin()
        async for part in exchange.parts(max_bytes):
            body += part
        return status, headers, bytes(body)
    finally:
        await exchange.close()
