"""The chat as people meet it: first reply, switching, keys that turn bad, streams that end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pydantic import SecretStr

from mohet_keys.background import shared
from mohet_keys.model import LOCAL_OWNER, KeyEntry, NewKey, Verdict
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.chat_screen import ChatScreen
from tests.browser.secrets import good
from tests.browser.waiting import Stopwatch, until
from tests.leaks import canary

LONG = "Say 2000 words"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Six providers of this test's own, which it may slow down and stop."""
    with Simulator() as running:
        yield running


def seed(
    app: AppServer, simulator: Simulator, *names: str, chosen: str = ""
) -> dict[str, KeyEntry]:
    """Checked keys, each named as its provider; `chosen` is the selected one."""
    parts = app.parts()
    saved = {}
    for slug in names:
        secret = good(slug) if slug not in {"lmstudio", "ollama"} else ""
        new = NewKey(
            provider=slug,
            name=f"My {slug}",
            secret=SecretStr(secret),
            endpoint=simulator.endpoint(slug),
        )
        entry = parts.keys.add(new, owner=LOCAL_OWNER).entry
        shared().run(parts.checks.check(entry.id, owner=LOCAL_OWNER), 10)
        saved[slug] = parts.keys.entry(entry.id, owner=LOCAL_OWNER)
    if chosen:
        parts.keys.select(saved[chosen].id, owner=LOCAL_OWNER)
    parts.close()
    return saved


def test_from_the_first_run_to_the_first_reply(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A newcomer chooses a provider, fails once, mends it, and talks."""
    page.goto(app.url)
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="Groq").click()
    page.get_by_role("textbox", name="API Key").fill(canary("gsk_"))
    page.get_by_role("textbox", name="Endpoint").fill(simulator.endpoint("groq"))
    page.get_by_role("button", name="Test & Start Chat").click()
    expect(page.get_by_text("does not recognise this key")).to_be_visible()
    expect(page.get_by_role("textbox", name="Endpoint")).to_have_value(simulator.endpoint("groq"))
    page.get_by_role("textbox", name="API Key").fill(good("groq"))
    page.get_by_role("button", name="Test & Start Chat").click()
    expect(page.get_by_role("heading", name="Welcome to Mohet")).to_be_visible()
    chat = ChatScreen(page, app.url)
    chat.send("Hello")
    chat.expect_done("What can I help you with today?")


def test_three_keys_of_three_providers_are_switched_and_talked_through(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Each reply comes through the key in the header, and the last one is remembered."""
    seed(app, simulator, "openai", "groq", "ollama", chosen="openai")
    chat = ChatScreen(page, app.url)
    chat.open()
    for slug in ("openai", "groq", "ollama"):
        if slug != "openai":
            chat.switch(f"My {slug}")
        chat.send("Hello")
        chat.expect_done(f"My {slug}")
    page.reload()
    expect(chat.keys_button()).to_contain_text("My ollama")


def test_the_model_is_picked_and_remembered_for_its_key(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The recommended model is marked; another one stays with its key over a reload."""
    saved = seed(app, simulator, "openai", "groq", chosen="openai")
    check = saved["openai"].check
    assert check is not None
    other = next(model for model in check.models if model != check.recommended_model)
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.models_button().click()
    recommended = chat.popover().get_by_role(
        "button", name=f"{check.recommended_model} Recommended"
    )
    expect(recommended).to_be_visible()
    chat.popover().get_by_role("button", name=other, exact=False).first.click()
    expect(chat.models_button()).to_contain_text(other)
    chat.switch("My groq")
    chat.switch("My openai")
    expect(chat.models_button()).to_contain_text(other)
    page.reload()
    expect(chat.models_button()).to_contain_text(other)
    chat.send("Hello")
    chat.expect_done(other)


def test_any_model_id_can_be_typed(app: AppServer, simulator: Simulator, page: Page) -> None:
    """An id that no list has is used as it is; the server then says that it has no such model."""
    seed(app, simulator, "groq", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.models_button().click()
    chat.popover().get_by_role("combobox").fill("my/own-model")
    page.keyboard.press("Enter")
    expect(chat.models_button()).to_contain_text("my/own-model")
    chat.send("Hello")
    chat.expect_done("Choose another model")


def test_typing_finds_one_of_many_keys(app: AppServer, simulator: Simulator, page: Page) -> None:
    """With two hundred keys the list opens at once, and typing finds the one."""
    seed(app, simulator, "groq", chosen="groq")
    parts = app.parts()
    for number in range(200):
        new = NewKey(
            provider="mistral",
            name=f"Key {number:03}",
            secret=SecretStr(good("mistral", str(number))),
            endpoint=simulator.endpoint("mistral"),
        )
        parts.keys.add(new, owner=LOCAL_OWNER)
    parts.close()
    chat = ChatScreen(page, app.url)
    chat.open()
    watch = Stopwatch()
    chat.keys_button().click()
    expect(chat.popover().get_by_role("link", name="Manage API Keys")).to_be_visible()
    assert watch.seconds < 3
    chat.popover().get_by_role("combobox").fill("Key 123")
    page.get_by_role("option", name="Key 123").click()
    expect(chat.keys_button()).to_contain_text("Key 123")


def test_a_key_revoked_between_two_messages_costs_no_message(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The provider's no closes the field; the message stays and is sent through another key."""
    saved = seed(app, simulator, "groq", "mistral", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send("Hello")
    chat.expect_done()
    simulator.revoke(good("groq"))
    chat.send("Are you there?")
    expect(page.get_by_role("button", name="Fix this key")).to_be_visible()
    expect(chat.field()).to_be_disabled()
    parts = app.parts()
    check = parts.keys.entry(saved["groq"].id, owner=LOCAL_OWNER).check
    parts.close()
    assert check is not None
    assert check.diagnosis.verdict is Verdict.INVALID
    page.get_by_role("button", name="Use My mistral (Mistral)").click()
    expect(chat.field()).to_be_enabled()
    page.get_by_role("button", name="Send again").click()
    chat.expect_done("My mistral")
    expect(page.get_by_text("Are you there?", exact=True)).to_be_visible()


def test_a_key_mended_elsewhere_opens_the_field_without_a_reload(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """What was typed is still there, and can be sent as soon as the key is valid again."""
    saved = seed(app, simulator, "groq", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.field().fill("A draft that stays")
    parts = app.parts()
    simulator.revoke(good("groq"))
    shared().run(parts.checks.check(saved["groq"].id, owner=LOCAL_OWNER), 10)
    expect(chat.field()).to_be_disabled()
    simulator.restore(good("groq"))
    shared().run(parts.checks.check(saved["groq"].id, owner=LOCAL_OWNER), 10)
    parts.close()
    expect(chat.field()).to_be_enabled()
    expect(chat.field()).to_have_value("A draft that stays")
    chat.field().press("Enter")
    chat.expect_done("A draft that stays")


def test_a_key_deleted_in_a_second_browser_stops_the_stream(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Within a second the stream ends, its text stays, and no other key is chosen silently."""
    saved = seed(app, simulator, "groq", "mistral", chosen="groq")
    simulator.world.pace = 0.05
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")
    parts = app.parts()
    parts.keys.remove(saved["groq"].id, owner=LOCAL_OWNER)
    parts.close()
    until(lambda: not simulator.world.active[simulator.port], within=2)
    expect(chat.reply()).to_contain_text("The key was deleted")
    expect(chat.reply()).to_contain_text("A simulated model says")
    expect(page.get_by_text("No key is selected")).to_be_visible()
    expect(chat.field()).to_be_disabled()


def test_without_any_key_that_works_nothing_is_sent(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """With all keys bad the notice names the reason and offers to fix the selected one."""
    saved = seed(app, simulator, "groq", "mistral", chosen="groq")
    parts = app.parts()
    for slug in ("groq", "mistral"):
        simulator.revoke(good(slug))
        shared().run(parts.checks.check(saved[slug].id, owner=LOCAL_OWNER), 10)
    parts.close()
    asked = len(simulator.requests)
    chat = ChatScreen(page, app.url)
    chat.open()
    expect(chat.field()).to_be_disabled()
    expect(page.get_by_text("does not recognise this key")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Use My"))).to_have_count(0)
    page.get_by_role("button", name="Fix this key").click()
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()
    assert len(simulator.requests) == asked


def test_a_server_that_goes_down_and_comes_back(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """An outage is said and changes nothing for good; the message can be sent again."""
    seed(app, simulator, "groq", chosen="groq")
    chat = ChatScreen(page, app.url)
    chat.open()
    simulator.down = True
    chat.send("Hello")
    chat.expect_done("problem right now")
    expect(chat.field()).to_be_enabled()
    simulator.down = False
    page.get_by_role("button", name="Send again").click()
    chat.expect_done("What can I help you with today?")


def test_two_thousand_words_come_in_whole(app: AppServer, simulator: Simulator, page: Page) -> None:
    """A long reply streams to its end, with its tokens counted."""
    seed(app, simulator, "openai", chosen="openai")
    simulator.world.pace = 0.001
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send(LONG)
    chat.expect_done("2000 out")
    text = chat.reply().inner_text()
    assert text.count("simulated") >= 2000 // 19


def test_t33_a_reply_is_stopped_kept_and_given_anew(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Stop hangs up within a second and keeps the text; regenerate and edit go on from there."""
    seed(app, simulator, "groq", chosen="groq")
    simulator.world.pace = 0.05
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")
    page.get_by_role("button", name="Stop").click()
    expect(chat.reply()).to_contain_text("Stopped.")
    expect(chat.reply()).to_contain_text("A simulated model says")
    assert simulator.world.active[simulator.port] == 0
    simulator.world.pace = 0.0
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Your message").fill("Hello")
    page.get_by_role("button", name="Send", exact=True).click()
    chat.expect_done("What can I help you with today?")
    expect(chat.messages()).to_have_count(2)
    page.get_by_role("button", name="Regenerate").click()
    chat.expect_done("What can I help you with today?")
    expect(chat.messages()).to_have_count(2)


def test_waiting_says_how_long(app: AppServer, simulator: Simulator, page: Page) -> None:
    """Until the first word comes, the chat says that the model is thinking, and for how long."""
    seed(app, simulator, "groq", chosen="groq")
    simulator.delay = 4.0
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send("Hello")
    expect(page.get_by_text(re.compile(r"Model is thinking… \([1-4] s\)"))).to_be_visible()
    chat.expect_done()


def test_opening_a_list_does_not_break_a_stream(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Looking at the keys while a reply comes in costs nothing of it."""
    seed(app, simulator, "groq", "mistral", chosen="groq")
    simulator.world.pace = 0.02
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send("Say 150 words")
    expect(chat.reply()).to_contain_text("A simulated model says")
    assert page.get_by_text("Welcome to").count() == 0
    chat.keys_button().click()
    expect(chat.popover().get_by_role("link", name="Manage API Keys")).to_be_visible()
    page.keyboard.press("Escape")
    chat.expect_done("out")
    assert len(chat.reply().inner_text().split()) >= 150
    assert [request.method for request in simulator.requests].count("POST") <= 3


def test_t33_closing_the_tab_hangs_up(app: AppServer, simulator: Simulator, page: Page) -> None:
    """A stream that nobody sees any more is ended within a second."""
    seed(app, simulator, "groq", chosen="groq")
    simulator.world.pace = 0.05
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")
    page.close()
    until(lambda: not simulator.world.active[simulator.port], within=1)


def close_while_silent(app: AppServer, simulator: Simulator, window: BrowserContext) -> None:
    """Open two tabs whose server says nothing, close them, and wait until it is left."""
    tabs = [window.new_page() for _ in range(2)]
    for tab in tabs:
        chat = ChatScreen(tab, app.url)
        chat.open()
        chat.send("Are you there?")
    for tab in tabs:
        expect(tab.get_by_text("Model is thinking")).to_be_visible()
        tab.close()
    until(lambda: simulator.world.active[simulator.port] == 0)


def test_t33_closed_tabs_leave_no_thread_behind(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A server that hangs keeps neither a thread nor a connection for tabs that were closed."""

    def threads() -> int:
        return len(list(Path(f"/proc/{app.pid}/task").iterdir()))

    seed(app, simulator, "groq", chosen="groq")
    simulator.world.slow = 60.0
    simulator.behave("groq", "slow")
    close_while_silent(app, simulator, page.context)
    time.sleep(1)
    before = threads()
    close_while_silent(app, simulator, page.context)
    until(lambda: threads() <= before + 1)


def test_t31_nothing_a_model_says_makes_the_browser_ask_elsewhere(
    app: AppServer, simulator: Simulator, page: Page, asked: list[str]
) -> None:
    """Over every page, and while streaming: pictures stay words, links tell their host."""
    seed(app, simulator, "groq", chosen="groq")
    simulator.world.pace = 0.01
    chat = ChatScreen(page, app.url)
    chat.open()
    chat.send("Show me links and images")
    chat.expect_done("a red square")
    expect(chat.reply().locator("img")).to_have_count(0)
    expect(chat.reply()).to_contain_text("(manual.example)")
    chat.send("![x](https://evil.example/x.png) <img src=https://evil.example/y.png> [a](//evil.x)")
    chat.expect_done()
    for path in ("/api_keys", "/setup", "/"):
        page.goto(app.url + path)
        page.wait_for_timeout(800)
    own = (app.url, "data:", "blob:", app.url.replace("http", "ws"))
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(own)] == []
