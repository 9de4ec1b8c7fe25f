"""Which pages may open a session here: those that this server gave out itself.

Streamlit asks the same, and says yes to more: to a page of any port of this machine and to a client
that names no page. To find out whether the page is of this machine it asks another server for this
machine's public address, so anybody's page could have it do so.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

_ALSO = "server.corsAllowedOrigins"
_USUAL = {"http": ":80", "https": ":443"}


class OwnPages:
    """ASGI middleware that refuses a WebSocket of a page from elsewhere, or of no page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] != "websocket" or is_own(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # answered with 403, as none is open


def is_own(headers: Headers) -> bool:
    """Whether the page is of the host that was asked, or of one that the operator added."""
    origins, hosts = headers.getlist("Origin"), headers.getlist("Host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    try:
        page = urlsplit(origins[0])
    except ValueError:
        return False
    usual = _USUAL.get(page.scheme)
    if usual is None or not page.hostname:
        return False
    if page.netloc.lower().removesuffix(usual) == hosts[0].lower().removesuffix(usual):
        return True
    return origins[0] in (config.get_option(_ALSO) or ())
