"""A browser's tab, as far as a server can tell, and the servers it can be open at."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parents[1]
STARTS_WITHIN = 30.0
"""Seconds."""
ANSWERS_WITHIN = 60.0
"""Seconds after which what does not come any more is an error."""


class Tab:
    """A browser's tab, as far as the server can tell. The first visit names the page."""

    def __init__(self, connection: ClientConnection, page: str = "", query: str = "") -> None:
        self._connection = connection
        self._name = page
        self._query = query
        self._page = ""
        self.drawn = 0
        """Elements that came with the last rerun."""

    def rerun(self) -> float:
        """Ask for the page again; seconds until all of it was there."""
        began = time.perf_counter()
        self._connection.send(self._request())
        self.drawn = 0
        while True:
            heard = ForwardMsg.FromString(self._connection.recv(timeout=ANSWERS_WITHIN))
            if heard.HasField("navigation"):
                self._page = heard.navigation.page_script_hash
            self.drawn += heard.HasField("delta")
            if heard.HasField("delta") and heard.delta.new_element.HasField("exception"):
                raise RuntimeError(f"The page failed: {heard.delta.new_element.exception.message}")
            if heard.WhichOneof("type") == "script_finished":
                return time.perf_counter() - began

    def _request(self) -> bytes:
        request = BackMsg()
        request.rerun_script.query_string = self._query
        request.rerun_script.page_script_hash = self._page
        request.rerun_script.page_name = "" if self._page else self._name
        return request.SerializeToString()


@contextmanager
def serving(app: Path, keys: Path, **more: str) -> Iterator[int]:
    """The port of a server of this app, on the store below `keys`. It may still be starting.

    `more` are further variables of its environment.
    """
    port = _free_port()
    own = {
        "MOHET_DATA_DIR": str(keys / "data"),
        "MOHET_CONFIG_DIR": str(keys / "config"),
        "MOHET_WATCH_MINUTES": "0",  # made-up keys are shown to no provider
        "PYTHONDONTWRITEBYTECODE": "",  # what Python compiled is there, for our code as for others'
        **more,
    }
    flags = ["--server.port", str(port), "--server.headless", "true"]
    command = [sys.executable, "-m", "streamlit", "run", str(app), *flags]
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet) as server:
        try:
            yield port
        finally:
            server.kill()  # what it would tidy up is thrown away, and would count as its work


def connected(port: int) -> ClientConnection:
    """A connection to the server at a port, as soon as it takes one."""
    address, ends = f"localhost:{port}", time.monotonic() + STARTS_WITHIN
    while True:
        try:
            return connect(
                f"ws://{address}/_stcore/stream",
                origin=f"http://{address}",
                subprotocols=["streamlit"],
                max_size=None,
                proxy=None,
            )
        except (OSError, WebSocketException):
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
