"""Whom the server and the browser call: the servers of the keys, and each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mohet_keys.providers import PROVIDERS
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.chat_screen import ChatScreen
from tests.browser.screen import ApiKeys
from tests.browser.secrets import good
from tests.census import LOCAL, Book
from tests.test_outbound_census import port_of


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Where the server writes down whom it calls."""
    return Book(tmp_path / "book")


@pytest.fixture
def counted(tmp_path: Path, book: Book) -> Iterator[AppServer]:
    """The app with the book kept, and a proxy in its environment."""
    proxy = {"HTTP_PROXY": "http://192.0.2.1:8080", "HTTPS_PROXY": "http://192.0.2.1:8080"}
    with AppServer(tmp_path, **book.environment, **proxy) as server:
        yield server


def test_t41_nothing_leaves_but_for_the_server_of_a_key(
    counted: AppServer, book: Book, simulator: Simulator, page: Page, asked: list[str]
) -> None:
    """Start, every page, a key saved, checked and chatted through: the server calls that key's
    address, besides those of LMStudio and Ollama on this machine; the browser calls the server."""
    url = simulator.endpoint("groq")
    page.goto(f"{counted.url}/setup")
    expect(page.get_by_role("combobox").first).to_be_visible()
    keys = ApiKeys(page, counted.url)
    keys.open("groq")
    keys.add("Census", good("groq"), url)
    keys.expect_badge("Census", "Valid")
    keys.choose("Census", "Use in chat")
    for path in ("/setup", "/api_keys?provider=openai"):
        page.goto(counted.url + path)
        page.wait_for_timeout(300)
    chat = ChatScreen(page, counted.url)
    chat.open()
    chat.send("Hello")
    chat.expect_done("What can I help you with")
    counted.stop()
    book.read()
    looked_for = {port_of(row.endpoint) for row in PROVIDERS if row.is_local}
    ports = {port_of(url), *looked_for}
    assert {place for place in book.places if place[0] not in LOCAL} == set()
    assert {port for _, port in book.places} == ports
    assert book.names <= {"localhost", "host.docker.internal"}  # the latter in a container
    own = (counted.url, counted.url.replace("http", "ws"), "data:", "blob:")
    assert len(asked) > 10
    assert [there for there in asked if not there.startswith(own)] == []
