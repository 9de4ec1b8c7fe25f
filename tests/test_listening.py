"""What the server may listen on: refused before anything is answered, in one plain sentence."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from mohet_keys.entrance import Entrance, Mode
from mohet_keys.ui import listening, resources
from mohet_keys.ui.listening import OnlyNear
from mohet_keys.ui.server import at_the_door
from tests.browser.app_server import ROOT, free_port
from tests.browser.identity_provider import COOKIE_SECRET, TeamServer

ALL = "0.0.0.0"  # noqa: S104  # what must be refused
AUTH = f"""[auth]
redirect_uri = "https://keys.example.com/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"
[auth.google]
client_id = "mohet"
client_secret = "c1ient-s3cret"
server_metadata_url = "https://accounts.google.com/.well-known/openid-configuration"
"""


def start(folder: Path, *flags: str, secrets: str = "", **environment: str) -> tuple[int, str, str]:
    """Start the app, which has to end by itself. Returns status, output, errors."""
    if secrets:
        (folder / "secrets.toml").write_text(secrets)
    own = {
        "HOME": str(folder),
        "MOHET_DATA_DIR": str(folder / "data"),
        "MOHET_CONFIG_DIR": str(folder / "config"),
        "STREAMLIT_SECRETS_FILES": str(folder / "secrets.toml"),
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    port = free_port()
    done = subprocess.run(
        [*command, "--server.port", str(port), *flags],
        cwd=ROOT,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not (folder / "data").exists()
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (["--server.address", ALL], {}),
        (["--server.address", "::"], {}),
        (["--server.address="], {}),  # none is all there are
        ([], {"STREAMLIT_SERVER_ADDRESS": ALL}),
        ([], {"STREAMLIT_SERVER_ADDRESS": ALL, "MOHET_DEMO": "1"}),
    ],
)
def test_t44_without_a_sign_in_only_this_machine_is_listened_to(
    tmp_path: Path, flags: list[str], environment: dict[str, str]
) -> None:
    """By flag or by variable; it says what to set, ends with status 1, and opened no store."""
    status, _, told = start(tmp_path, *flags, **environment)
    assert status == 1
    assert told.startswith("Mohet Keys does not start. Nobody has to sign in, and server.address")
    assert "MOHET_IDENTITY_HEADER" in told
    assert told.count("\n") == 1


def test_t44_behind_a_trusted_header_only_the_proxy_is_listened_to(tmp_path: Path) -> None:
    """Whoever else reached the port could name anybody."""
    named = {"MOHET_IDENTITY_HEADER": "X-Forwarded-Email"}
    status, _, told = start(tmp_path, "--server.address", ALL, **named)
    assert status == 1
    assert "could name anybody in X-Forwarded-Email" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        (AUTH, "MOHET_ALLOWED_DOMAINS"),
        (AUTH.replace(COOKIE_SECRET, "too-short-a-secret"), "cookie_secret"),
        (AUTH.replace("[auth]", "[auth"), "cannot be read"),
        ("auth = 'yes'\n", "must be a section"),
    ],
)
def test_a_sign_in_that_is_half_set_up_is_refused(tmp_path: Path, secrets: str, words: str) -> None:
    """Rather than going on as if nobody had to sign in; no secret is in the words."""
    status, out, told = start(tmp_path, secrets=secrets)
    assert status == 1
    assert told.startswith("Mohet Keys does not start. ")
    assert words in told
    for secret in (COOKIE_SECRET, "too-short-a-secret", "c1ient-s3cret"):
        assert secret not in told + out


def test_t44_headers_beside_a_sign_in_are_refused(tmp_path: Path) -> None:
    """Both ways that there are to trust a header: they would count more than the sign-in."""
    rules = {"MOHET_ALLOWED_DOMAINS": "example.com"}
    ours = {"MOHET_IDENTITY_HEADER": "X-Forwarded-Email", **rules}
    assert "Both MOHET_IDENTITY_HEADER" in start(tmp_path, secrets=AUTH, **ours)[2]
    theirs = {"STREAMLIT_SERVER_TRUSTED_USER_HEADERS": '{"X-Email": "email"}', **rules}
    status, _, told = start(tmp_path, secrets=AUTH, **theirs)
    assert (status, "server.trustedUserHeaders" in told) == (1, True)


def test_with_a_sign_in_it_may_listen_everywhere(tmp_path: Path) -> None:
    """Everybody has to show who they are."""
    with TeamServer(tmp_path, STREAMLIT_SERVER_ADDRESS=ALL) as server:
        assert server.pid
    assert COOKIE_SECRET not in server.log.read_text()


# --- whatever it listens on -------------------------------------------------------------------


async def _inner(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("inside")(scope, receive, send)
    else:
        await send({"type": "reached"})


def asked(kind: str, server: tuple[str, int | None] | None) -> list[Message]:
    """What is sent to a connection that came to this address of the server."""
    sent: list[Message] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": kind, "server": server, "method": "GET", "path": "/", "headers": []}
    asyncio.run(OnlyNear(_inner)(scope, receive, send))
    return sent


@pytest.mark.parametrize("server", [("127.0.0.1", 80), ("::1", 80), ("/run/mohet.sock", None)])
def test_connections_of_this_machine_are_answered(server: tuple[str, int | None]) -> None:
    """Pages and WebSockets, by loopback or by a unix socket; and the start is none."""
    assert asked("http", server)[1]["body"] == b"inside"
    assert asked("websocket", server) == [{"type": "reached"}]
    assert asked("lifespan", None) == [{"type": "reached"}]


@pytest.mark.parametrize(
    "server", [("192.168.1.5", 80), ("2001:db8::1", 80), ("testserver", 80), None]
)
def test_t44_connections_from_elsewhere_are_not(server: tuple[str, int] | None) -> None:
    """Also where another server than Streamlit's own listens on everything."""
    answer = asked("http", server)
    assert answer[0]["status"] == 403
    assert b"inside" not in answer[1]["body"]
    assert asked("websocket", server) == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("mode", "looked_at"), [("local", 1), ("header", 1), ("oidc", 0)])
def test_t44_the_app_looks_at_each_connection(
    monkeypatch: pytest.MonkeyPatch, mode: str, looked_at: int
) -> None:
    """Unless everybody has to sign in."""
    monkeypatch.setattr(resources, "entrance", lambda: Entrance(Mode(mode)))
    monkeypatch.setattr(listening, "vet", lambda _: None)
    assert [each.cls for each in at_the_door()] == [OnlyNear] * looked_at
