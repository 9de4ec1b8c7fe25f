"""A real OpenID Connect provider on loopback, and an app that people sign in to by it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.browser.app_server import AppServer, free_port

COOKIE_SECRET = "7Qw-2kXz9pLm4RtVbN8sYd3GhJ6fEa1c"
PEOPLE: dict[str, dict[str, object]] = {
    "ada": {"email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"},
    "grace": {"email": "grace@example.com", "email_verified": True, "name": "Grace Hopper"},
    "alan": {"email": "alan@example.com", "email_verified": True, "name": "Alan Turing"},
    "mallory": {"email": "mallory@evil.org", "email_verified": True, "name": "Mallory"},
    "unverified": {"email": "ada@example.com", "email_verified": False, "name": "Not Ada"},
}


class IdentityProvider:
    """`oidc_provider_mock` in a process of its own. Each person signs in with one click."""

    def __init__(self, folder: Path, *, lasts: int = 24 * 3600) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._lasts = lasts
        self._log = folder / "identity_provider.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
        command += ["--port", str(self.port), "--token-max-age", str(self._lasts)]
        for sub, claims in PEOPLE.items():
            command += ["--user-claims", json.dumps({"sub": sub, **claims})]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(10)

    def _wait(self) -> None:
        for _ in range(300):
            assert self._process
            assert self._process.poll() is None, self._log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/.well-known/openid-configuration"):  # noqa: S310  # loopback
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self._log.read_text())


class TeamServer(AppServer):
    """The app with sign-in, at `localhost`: for a browser that is another site than 127.0.0.1."""

    def __init__(
        self, folder: Path, provider: str = "http://127.0.0.1:9", **environment: str
    ) -> None:
        rules = {
            "MOHET_ALLOWED_DOMAINS": "example.com",
            "MOHET_ADMINISTRATORS": "grace@example.com",
            "STREAMLIT_SECRETS_FILES": str(folder / "secrets.toml"),
        }
        super().__init__(folder, **rules | environment)
        self.url = f"http://localhost:{self.port}"
        (folder / "secrets.toml").write_text(
            f'''[auth]
redirect_uri = "{self.url}/oauth2callback"
cookie_secret = "{COOKIE_SECRET}"

[auth.example]
client_id = "mohet"
client_secret = "any"
server_metadata_url = "{provider}/.well-known/openid-configuration"
'''
        )
