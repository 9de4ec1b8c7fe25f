"""What the server may listen on, decided before it answers anything.

Streamlit binds its port before it reads `app.py`, so a refusal ends the process with the port bound
and nothing answered on it. Another server than Streamlit's own has its own flags for the address,
which cannot be seen here: so each connection is looked at besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

from mohet_keys.entrance import (
    UNREADABLE,
    Entrance,
    Mode,
    auth_of,
    entrance_of,
    is_near,
    vet_address,
)
from mohet_keys.errors import RefusedError
from mohet_keys.settings import Settings

_TRUSTED = "server.trustedUserHeaders"
_REFUSED = "Nobody has to sign in here, so only this machine is answered."


def entrance(settings: Settings) -> Entrance:
    """The way in, from the settings and Streamlit's secrets. Raises RefusedError."""
    return entrance_of(settings, _auth())


def vet(found: Entrance) -> None:
    """Refuse an unsafe start, and have Streamlit tell what a trusted proxy says.

    Raises RefusedError.
    """
    vet_address(config.get_option("server.address"), found)
    if found.mode is Mode.HEADER:
        # By this, Streamlit also keeps apart whose session somebody may come back to.
        config.set_option(_TRUSTED, dict(found.headers or {}))
    elif found.mode is Mode.OIDC:
        if config.get_option(_TRUSTED):
            raise RefusedError(f"Unset {_TRUSTED}: a header would count more than a sign-in.")
        if find_spec("authlib") is None:
            raise RefusedError(
                "The package Authlib is missing, without which nobody can sign in. Install what "
                "requirements.txt lists."
            )


def _auth() -> Mapping[str, object] | None:
    """The `[auth]` section of the secrets; None when there is none.

    A file that is there and cannot be read is no file without a section: Streamlit would go on
    as if nobody had to sign in.
    """
    try:
        is_read = st.secrets.load_if_toml_exists()
    except (OSError, ValueError):
        is_read = False
    if not is_read:
        if any(Path(path).exists() for path in config.get_option("secrets.files")):
            raise RefusedError(UNREADABLE)
        return None
    return auth_of(st.secrets.to_dict())


class OnlyNear:
    """ASGI middleware that answers this machine alone, whatever the server listens on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what came to a loopback address or a unix socket."""
        server = scope.get("server")
        if scope["type"] not in {"http", "websocket"} or (server and is_near(server[0])):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(_REFUSED, status_code=403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
