"""The app as people meet it: a real server, a real Chromium, and the simulator as providers.

Starting a server and having a browser load and compile what Streamlit brings along takes longer
than most journeys. So one server and one browser window serve all that need no other; each test
still begins at an empty store, in a new tab, as somebody who was never there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    ViewportSize,
    WebSocket,
    expect,
    sync_playwright,
)

from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.unhurried import unhurried
from tests.browser.waiting import PATIENCE

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class _Look(TypedDict):
    viewport: ViewportSize
    timezone_id: str


LOOK: _Look = {"viewport": {"width": 1440, "height": 900}, "timezone_id": "Asia/Tokyo"}
"""A wide window in the light theme."""


def chromium() -> str | None:
    """Debian's Chromium where there is one; None means Playwright's own."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """No test fails because the machine is busy with something else."""
    expect.set_options(timeout=1000 * PATIENCE)  # what actions have anyway
    with unhurried():
        yield


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """The window of most tests. It keeps what it has loaded of Streamlit, and compiled."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=chromium(), args=FLAGS, **LOOK
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(window: BrowserContext) -> Browser:
    """The Chromium of the window, for people who have a browser of their own."""
    assert window.browser is not None
    return window.browser


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="session")
def common_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One server for all tests that need no settings of their own."""
    with AppServer(tmp_path_factory.mktemp("common")) as server:
        yield server


@pytest.fixture
def app(common_app: AppServer) -> AppServer:
    """A server that has no keys. Its record has what happened in other tests."""
    common_app.empty()
    return common_app


@pytest.fixture(scope="session")
def loud_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """One server for all tests that look for secrets in what a server leaves behind."""
    folder = tmp_path_factory.mktemp("loud")
    scratch = folder / "scratch"
    scratch.mkdir()
    loud = {"STREAMLIT_LOGGER_LEVEL": "debug", "PYTHONASYNCIODEBUG": "1", "TMPDIR": str(scratch)}
    with AppServer(folder, **loud) as server:
        yield server


@pytest.fixture
def verbose_app(loud_app: AppServer) -> AppServer:
    """The app with all logging on, without keys. Its folder and log have more than this test."""
    loud_app.empty()
    return loud_app


@pytest.fixture
def json_app(tmp_path: Path) -> Iterator[AppServer]:
    """The same in JSON, on which nothing has ever happened."""
    loud = {"STREAMLIT_LOGGER_LEVEL": "debug", "PYTHONASYNCIODEBUG": "1", "MOHET_LOG": "json"}
    with AppServer(tmp_path, **loud) as server:
        yield server


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[AppServer]:
    """A server of its own, on which nothing has ever happened."""
    with AppServer(tmp_path) as server:
        yield server


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """An empty tab in the window, of somebody who was never there."""
    yield window.new_page()
    leave(window)


@pytest.fixture
def watched(page: Page) -> tuple[Page, list[bytes]]:
    """A tab that keeps every frame the server sends it, and every address it asks for."""
    heard: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: heard.append(_bytes(data)))

    page.on("websocket", listen)
    page.on("request", lambda request: heard.append(request.url.encode()))
    page.on("console", lambda message: heard.append(message.text.encode()))
    return page, heard


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


@pytest.fixture
def asked(window: BrowserContext, page: Page) -> Iterator[list[str]]:
    """Every address that the window asks for, and that the tab opens a socket to."""
    addresses: list[str] = []

    def hear(request: Request) -> None:
        addresses.append(request.url)

    window.on("request", hear)
    page.on("websocket", lambda socket: addresses.append(socket.url))
    yield addresses
    window.remove_listener("request", hear)


def leave(window: BrowserContext) -> None:
    """Close the tabs, all but the window's first, and take back all that pages had it keep."""
    blank, *tabs = window.pages
    origins = {urlsplit(tab.url)._replace(path="", query="", fragment="").geturl() for tab in tabs}
    for tab in tabs:
        tab.close()
    window.clear_cookies()
    session = window.new_cdp_session(blank)
    for origin in origins:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    session.detach()
