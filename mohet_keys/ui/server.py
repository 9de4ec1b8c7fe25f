"""What the server does beside the pages: health check, security headers, start and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import App

from mohet_keys import presence
from mohet_keys.entrance import Mode
from mohet_keys.errors import RefusedError, StoreError
from mohet_keys.ui import listening, marks, memory, resources

# Streamlit's own page has inline scripts and styles, so those stay allowed; what may not happen
# is that anything a provider or a key's name says makes the browser ask another host.
_SOURCES = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'wasm-unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "frame-src": "'self'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
    "base-uri": "'self'",
    "object-src": "'none'",
}

_log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": "; ".join(map(" ".join, _SOURCES.items())),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders:
    """ASGI middleware that adds `HEADERS` to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark the start of its answer."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, marked if scope["type"] == "http" else send)


def at_the_door() -> list[Middleware]:
    """Refuse an unsafe start: one sentence to stderr, or one line of the log where that is JSON,
    and the process ends with status 1.

    Returns what looks at each connection besides, where not everybody has to sign in.
    """
    try:
        entrance = resources.entrance()
        listening.vet(entrance)
    except RefusedError as error:
        said = f"Mohet Keys does not start. {error}"
        if not resources.settings().logs_json:
            raise SystemExit(said) from None
        _log.critical("%s", said)
        raise SystemExit(1) from None
    return [] if entrance.mode is Mode.OIDC else [Middleware(listening.OnlyNear)]


async def healthz(_request: Request) -> PlainTextResponse:
    """200 `ok` when the store opens, else 503 with the reason."""
    try:
        await anyio.to_thread.run_sync(lambda: resources.parts().repository.ping())
    except StoreError as error:
        return PlainTextResponse(str(error), status_code=503)
    return PlainTextResponse("ok")


async def readyz(_request: Request) -> PlainTextResponse:
    """200 `ok` when keys can be opened, else 503 with the reason."""
    try:
        locked = await anyio.to_thread.run_sync(lambda: resources.keys().locked)
    except StoreError as error:
        locked = str(error)
    return PlainTextResponse(locked, status_code=503) if locked else PlainTextResponse("ok")


async def icon(_request: Request) -> Response:
    """The mark for the browser's tab, in the place of Streamlit's."""
    return Response(marks.icon(), media_type="image/svg+xml")


async def _be_present() -> None:
    """Say from time to time that this app runs, and watch the keys; first once its store opens."""
    while True:
        try:
            parts = await asyncio.to_thread(resources.parts)
        except StoreError:
            await asyncio.sleep(presence.EVERY)
        else:
            await asyncio.gather(parts.presence.beat(), parts.watcher.run())


@asynccontextmanager
async def lifespan(_app: App) -> AsyncIterator[None]:
    """Open the store before the first visitor comes; a store that fails is said on the page."""
    with suppress(StoreError):
        await anyio.to_thread.run_sync(resources.parts)
    memory.settle("start")
    beating = resources.background().submit(_be_present())
    yield
    beating.cancel()
    resources.background().close()  # waits until what was cancelled has tidied up
    with suppress(StoreError):
        resources.parts().close()
