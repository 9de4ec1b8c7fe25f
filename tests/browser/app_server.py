"""Starts the app the way a person does, on a free port, with folders of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mohet_keys import wiring
from mohet_keys.model import LOCAL_OWNER, Doing
from mohet_keys.settings import Settings

ROOT = Path(__file__).parents[2]


_left: list[int] = []
"""Ports that servers have left. A browser knows what it has loaded by host and port, so the next
server at the same port is spared to give it all that again."""


def free_port() -> int:
    """A port nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _port() -> int:
    while _left:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port := _left.pop()))
            return port
    return free_port()


class AppServer:
    """`streamlit run app.py` in a process of its own; its output goes to `log`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.settings = Settings(data_dir=folder / "data", config_dir=folder / "config")
        self.port = _port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "app.log"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        _left.append(self.port)

    def start(self) -> None:
        """Start and wait until the health check answers at all."""
        own = {
            "MOHET_DATA_DIR": str(self.settings.data_dir),
            "MOHET_CONFIG_DIR": str(self.settings.config_dir),
            "HOME": str(self.folder),
        }
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        flags = ["--server.port", str(self.port), "--server.headless", "true"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command + flags,
                cwd=ROOT,
                env={**os.environ, **own, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def stop(self) -> None:
        """End the process."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        assert self._process is not None
        return self._process.pid

    def parts(self) -> wiring.Parts:
        """The same store, opened from the test's side."""
        return wiring.build(self.settings)

    def empty(self) -> None:
        """Delete all keys with what belongs to them, while it runs. The record keeps it all."""
        parts = self.parts()
        told = Doing("delete", LOCAL_OWNER, LOCAL_OWNER, datetime.now(UTC))
        saved = {entry.id: told for entry in parts.keys.list(owner=LOCAL_OWNER).entries}
        parts.repository.delete_all(saved, LOCAL_OWNER, vet=lambda _: True)
        parts.close()

    def _wait(self) -> None:
        """Until it answers: Streamlit takes connections before it has read the app."""
        for _ in range(300):
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                asked.request("GET", "/_stcore/health")
                asked.getresponse().read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            else:
                return
            finally:
                asked.close()
        raise AssertionError(self.log.read_text())
