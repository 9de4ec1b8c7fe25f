"""The watcher as people meet it: a key turns bad while a page is open."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from mohet_keys.model import LOCAL_OWNER, Verdict
from mohet_keys.simulator.asgi import Request
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.chat_screen import ChatScreen
from tests.browser.screen import box_of
from tests.browser.secrets import good
from tests.browser.test_chat_journey import seed
from tests.browser.waiting import until

TURNED = "My groq turned invalid: wrong key. Fix it or choose another key."


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Six providers of this test's own, which forget keys."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server that looks at each key about every second."""
    with AppServer(tmp_path_factory.mktemp("watching"), MOHET_WATCH_MINUTES="0.02") as server:
        yield server


@pytest.fixture
def app(watching: AppServer) -> AppServer:
    """The same, without keys."""
    watching.empty()
    return watching


def toasts(page: Page) -> Locator:
    """The notices that pop up."""
    return page.get_by_test_id("stToast")


def notice(page: Page) -> Locator:
    """The notice at the lower edge of the window."""
    return page.locator(".st-key-notice")


def test_a_key_that_is_revoked_closes_the_open_chat(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A notice, a mark on the switcher and a closed field, without a reload; all opens again."""
    seed(app, simulator, "groq", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    expect(chat.field()).to_be_enabled()
    expect(chat.keys_button()).to_contain_text("●")
    simulator.revoke(good("groq"))
    expect(toasts(page)).to_contain_text(TURNED)
    expect(chat.field()).to_be_disabled()
    expect(page.get_by_text(re.compile("My groq cannot be used"))).to_be_visible()
    expect(chat.keys_button()).not_to_contain_text("●")
    simulator.restore(good("groq"))
    expect(chat.field()).to_be_enabled()
    expect(chat.keys_button()).to_contain_text("●")


def test_it_is_told_on_every_page(app: AppServer, simulator: Simulator, page: Page) -> None:
    """On a page that has nothing to do with keys too, where it covers nothing of the head; of a key
    that is not selected nothing."""
    saved = seed(app, simulator, "groq", "openai", chosen="groq")
    page.goto(f"{app.url}/activity")
    expect(page.get_by_role("button", name="My groq")).to_be_visible()
    simulator.revoke(good("openai"))
    parts = app.parts()

    def is_found_out() -> bool:
        check = parts.keys.entry(saved["openai"].id, owner=LOCAL_OWNER).check
        return check is not None and check.diagnosis.verdict is Verdict.INVALID

    until(is_found_out)
    parts.close()
    page.wait_for_timeout(2500)
    expect(notice(page)).to_have_count(0)
    simulator.revoke(good("groq"))
    expect(notice(page)).to_contain_text(TURNED)
    expect(toasts(page)).to_have_count(0)
    box = box_of(notice(page))
    assert 600 < box["y"] < box["y"] + box["height"] < 900
    notice(page).get_by_role("button", name="Close").click()
    expect(notice(page)).to_have_count(0)


def chats(simulator: Simulator) -> list[Request]:
    """The messages that came in so far."""
    return [each for each in simulator.requests if each.route.endswith("/chat/completions")]


def test_a_reply_that_comes_in_is_not_disturbed(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The key turns invalid meanwhile; the reply comes whole, and then it is told."""
    seed(app, simulator, "groq", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    before = len(chats(simulator))
    chat.send("Say 300 words")
    until(lambda: len(chats(simulator)) > before)
    simulator.revoke(good("groq"))
    chat.expect_done()
    assert len(chat.reply().inner_text().split()) > 290
    expect(toasts(page)).to_contain_text(TURNED)
