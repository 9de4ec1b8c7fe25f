"""Everything on the page can be reached by keyboard, and has a name for a screen reader."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.screen import ApiKeys
from tests.browser.secrets import good
from tests.browser.test_page import seed
from tests.browser.unhurried import look
from tests.leaks import canary
from tests.sink import LONG, Sink, reply

CONTROLS = "button, input, textarea, a[href], [role=tab], [role=menuitem], [role=checkbox]"
NAMELESS = """
(root, controls) => [...root.querySelectorAll(controls)].filter(control => {
    if (!control.offsetParent || control.closest('[aria-hidden=true]')) return false
    const labels = [...(control.labels || [])].map(label => label.innerText).join(' ')
    const pictures = [...control.querySelectorAll('img[alt]')].map(img => img.alt).join(' ')
    const by = control.getAttribute('aria-labelledby')
    const named = by ? by.split(' ').map(id => document.getElementById(id)?.innerText).join('') : ''
    const name = control.getAttribute('aria-label') || labels || named || pictures
        || control.innerText || control.title
    return !name.trim()
}).map(control => control.outerHTML.slice(0, 200))
"""


@pytest.mark.parametrize("what", ["list", "add", "edit", "delete", "menu"])
def test_every_control_has_a_name(
    app: AppServer, simulator: Simulator, page: Page, what: str
) -> None:
    """No button, field, tab or menu entry is silent."""
    seed(app, "groq", simulator.endpoint("groq"), *[f"Key {n:02}" for n in range(14)])
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    if what == "add":
        page.get_by_role("button", name="Add New Key").click()
        expect(page.get_by_role("textbox", name="Key Name")).to_be_visible()
    if what in {"edit", "delete"}:
        keys.choose("Key 13", what.capitalize())
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    if what == "menu":
        keys.card("Key 13").get_by_role("button", name="Actions").click()
        expect(page.get_by_role("menuitem", name="Edit")).to_be_visible()
    assert page.locator("body").evaluate(f"root => ({NAMELESS})(root, '{CONTROLS}')") == []


def test_a_key_lives_its_life_by_keyboard_alone(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """Add with Enter, check, rename, and delete a key without touching the mouse."""
    keys = ApiKeys(page, app.url)
    keys.open("groq")
    reach(page, "Add New Key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Key Name")).to_be_visible()
    reach(page, "Key Name")
    page.keyboard.type("Typed")
    reach(page, "API Key")
    page.keyboard.type(good("groq"))
    reach(page, "Endpoint")
    page.keyboard.press("Control+A")
    page.keyboard.type(simulator.endpoint("groq"))
    page.keyboard.press("Enter")
    keys.expect_badge("Typed", "Valid")

    press(page, "Edit")
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()
    reach(page, "Key Name")
    page.keyboard.press("Control+A")
    page.keyboard.type("Renamed")
    page.keyboard.press("Enter")
    keys.expect_badge("Renamed", "Valid")

    press(page, "Edit")
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()
    press(page, "Delete")
    expect(page.get_by_role("dialog")).to_contain_text("Renamed")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()

    press(page, "Delete")
    expect(page.get_by_role("dialog")).to_be_visible()
    press(page, "Delete Key")
    expect(page.get_by_text("No API keys yet")).to_be_visible()


FOCUSED = """() => {
    const at = document.activeElement
    if (!at || !at.matches('button, input, a, [role=tab]')) return ''
    const labels = [...(at.labels || [])].map(label => label.innerText).join(' ')
    const pictures = [...at.querySelectorAll('img[alt]')].map(img => img.alt).join(' ')
    return at.getAttribute('aria-label') || labels || pictures || at.innerText || ''
}"""


def press(page: Page, name: str) -> None:
    """Go to the button by Tab and press it with Enter."""
    reach(page, name)
    look(page)
    page.keyboard.press("Enter")


def reach(page: Page, name: str) -> None:
    """Press Tab until the control with this name has the focus."""
    look(page)
    for _ in range(60):
        if name in page.evaluate(FOCUSED):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach “{name}”")


def test_times_are_those_of_the_reader(
    app: AppServer, simulator: Simulator, browser: Browser, page: Page
) -> None:
    """Two readers in two zones see the same check at their own hours."""
    keys = ApiKeys(page, app.url)  # this one is in Tokyo
    keys.open("groq")
    keys.add("Clock", good("groq"), simulator.endpoint("groq"))
    keys.expect_badge("Clock", "Valid")
    context = browser.new_context(timezone_id="America/New_York")
    elsewhere = ApiKeys(context.new_page(), app.url)
    elsewhere.open("groq")
    expect(elsewhere.card("Clock")).to_contain_text("answered in")
    seen = []
    for reader in (keys, elsewhere):
        asked = reader.page.evaluate(
            "new Date().toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'})"
        )
        hour = asked.split(":")[0]
        expect(reader.card("Clock")).to_contain_text(f"({hour}:")
        seen.append(hour)
    assert seen[0] != seen[1]
    context.close()


def test_a_slow_check_spins_on_its_card_alone(app: AppServer, page: Page) -> None:
    """While one key is checked another tab can be opened, and the answer still arrives."""
    answered = threading.Event()

    def waits() -> Iterator[object]:
        answered.wait(LONG)
        yield from reply()()

    keys = ApiKeys(page, app.url)
    keys.open("groq")
    with Sink(waits) as server:
        keys.add("Slow", canary("gsk_"), server.url())
        expect(keys.card("Slow")).to_contain_text("Checking")
        expect(page.get_by_test_id("stSpinner")).to_have_count(0)
        page.get_by_role("tab", name="Mistral").click()
        expect(page.get_by_text("No API keys yet")).to_be_visible()
        answered.set()
        page.get_by_role("tab", name="Groq").click()
        keys.expect_badge("Slow", "Valid, limited")


def test_a_wrong_path_is_mended_with_one_click(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """A server that answers at another form of its address is moved there from the card."""
    keys = ApiKeys(page, app.url)
    keys.open("ollama")
    keys.add("Home", "", simulator.endpoint("ollama").removesuffix("/v1") + "/openai/v1")
    keys.expect_badge("Home", "Wrong endpoint")
    keys.card("Home").get_by_role("button", name=f"Use {simulator.endpoint('ollama')}").click()
    keys.expect_badge("Home", "Valid")
    expect(keys.card("Home")).to_contain_text(simulator.endpoint("ollama"))
