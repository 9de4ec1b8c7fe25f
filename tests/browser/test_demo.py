"""The demo as a stakeholder meets it: from its start to a chat reply, on this machine alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mohet_keys.ui.places import PLACES
from tests.browser.app_server import AppServer
from tests.browser.chat_screen import ChatScreen
from tests.browser.screen import ApiKeys
from tests.census import LOCAL, Book

BANNER = "Nothing leaves this machine"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Where the server writes down whom it calls."""
    return Book(tmp_path / "book")


@pytest.fixture
def demo(tmp_path: Path, book: Book) -> Iterator[AppServer]:
    """The demo, with a proxy in its environment and a folder for its temporary files."""
    (tmp_path / "tmp").mkdir()
    own = {"MOHET_DEMO": "1", "TMPDIR": str(tmp_path / "tmp"), **book.environment}
    with AppServer(tmp_path, HTTPS_PROXY="http://192.0.2.1:8080", **own) as server:
        yield server


def test_t41_from_the_start_of_the_demo_to_a_reply(
    demo: AppServer, book: Book, page: Page, asked: list[str], tmp_path: Path
) -> None:
    """Every page says that it is a demo, a message is answered at once, keys are checked, no
    request leaves for elsewhere, and nothing is left when it ends."""
    chat = ChatScreen(page, demo.url)
    chat.open()
    expect(page.get_by_text(BANNER)).to_be_visible()
    expect(chat.keys_button()).to_contain_text("Production")
    chat.send("How do I keep API keys safe?")
    chat.expect_done("One key for one purpose")

    for place in PLACES[1:]:
        page.goto(f"{demo.url}/{place.name}")
        expect(page.get_by_text(BANNER)).to_be_visible()
    keys = ApiKeys(page, demo.url)
    keys.open("openrouter")
    keys.check("Student Project")
    keys.expect_badge("Student Project", "Valid, limited")
    expect(keys.card("Student Project")).to_contain_text(re.compile("just now|0 minutes"))

    folder = next((tmp_path / "tmp").glob("mohet-demo-*"))
    assert (folder / "data" / "mohet_keys.db").exists()
    demo.stop()
    assert not folder.exists()
    assert not demo.settings.data_dir.exists()
    assert not demo.settings.config_dir.exists()

    book.read()
    assert {place for place in book.places if place[0] not in LOCAL} == set()
    assert book.names <= {"localhost"}
    own = (demo.url, demo.url.replace("http", "ws"), "data:", "blob:")
    assert len(asked) > 10
    assert [there for there in asked if not there.startswith(own)] == []


def test_the_product_in_earnest_has_no_banner(app: AppServer, page: Page) -> None:
    """The twin: without MOHET_DEMO nobody is told of a demo."""
    page.goto(f"{app.url}/api_keys")
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    expect(page.get_by_text(BANNER)).to_have_count(0)
