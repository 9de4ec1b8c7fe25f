"""A rerun of the API Keys page as a browser waits for it: from its request to the last message.

Two servers are asked in turns. They are the same but for the script: ours, and its floor.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from benchmarks import page
from benchmarks.row import Row, middle

ROOT = Path(__file__).parents[1]
RUNS, WARM_UP = 60, 5
PAUSE = 0.1
"""Seconds between two reruns, in which a server can tidy up as it would between two clicks."""
STARTS_WITHIN = 30.0
"""Seconds."""
_APP = """from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from mohet_keys.ui.server import SecurityHeaders, lifespan

app = st.App(
    Path(__file__).with_name("shell.py"),
    lifespan=lifespan,
    middleware=[Middleware(SecurityHeaders)],
)
"""


def rows(folder: Path) -> list[Row]:
    """Measure in `folder`."""
    keys = folder / "keys"
    scripts = page.write_floor(page.stored(keys, page.FEW), folder)
    (scripts / "app.py").write_text(_APP)
    with ExitStack() as until_done:
        tabs = [
            until_done.enter_context(_tab(app, keys))
            for app in (ROOT / "app.py", scripts / "app.py")
        ]
        ours, constants = _in_turns(tabs)
    what = f"API Keys page, {page.FEW} keys, served"
    return [Row(what, ours, constants, "same from constants", 1.15)]


class _Tab:
    """A browser's tab, as far as the server can tell."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._page = ""
        self.drawn = 0
        """Elements that came with the last rerun."""

    def rerun(self) -> float:
        """Ask for the page again; seconds until all of it was there."""
        began = time.perf_counter()
        self._connection.send(self._request())
        self.drawn = 0
        while True:
            heard = ForwardMsg.FromString(self._connection.recv())
            if heard.HasField("navigation"):
                self._page = heard.navigation.page_script_hash
            self.drawn += heard.HasField("delta")
            if heard.HasField("delta") and heard.delta.new_element.HasField("exception"):
                raise RuntimeError(f"The page failed: {heard.delta.new_element.exception.message}")
            if heard.WhichOneof("type") == "script_finished":
                return time.perf_counter() - began

    def _request(self) -> bytes:
        request = BackMsg()
        request.rerun_script.query_string = page.TAB
        request.rerun_script.page_script_hash = self._page
        request.rerun_script.page_name = "" if self._page else page.PAGE
        return request.SerializeToString()


def _in_turns(tabs: Sequence[_Tab]) -> list[float]:
    """The middle of each tab's times."""
    times: list[list[float]] = [[] for _ in tabs]
    for _ in range(WARM_UP + RUNS):
        for tab, found in zip(tabs, times, strict=True):
            time.sleep(PAUSE)
            found.append(tab.rerun())
    assert len({tab.drawn for tab in tabs}) == 1, "the two servers draw different pages"
    return [middle(found[WARM_UP:]) for found in times]


@contextmanager
def _tab(app: Path, keys: Path) -> Iterator[_Tab]:
    """A tab at a server of this app, on the store below `keys`."""
    port = _free_port()
    own = {"MOHET_DATA_DIR": str(keys / "data"), "MOHET_CONFIG_DIR": str(keys / "config")}
    flags = ["--server.port", str(port), "--server.headless", "true"]
    command = [sys.executable, "-m", "streamlit", "run", str(app), *flags]
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet) as server:
        try:
            with _connected(port) as connection:
                yield _Tab(connection)
        finally:
            server.terminate()


def _connected(port: int) -> ClientConnection:
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
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
