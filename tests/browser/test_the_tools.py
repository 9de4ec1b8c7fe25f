"""What the other tests here rely on: acts that arrive, and a beginning without a past."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from playwright.sync_api import Page, expect

from mohet_keys.model import LOCAL_OWNER
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.conftest import leave
from tests.browser.screen import ApiKeys
from tests.browser.test_page import seed
from tests.browser.waiting import Stopwatch, until

SLIPPERY = """
<button onclick="this.innerText = 'Done'">Save</button>
<script>
    addEventListener('pointerdown', () => document.querySelector('button').style.marginTop = '90px')
</script>
"""
BUSY = """
<div data-testid="stApp" data-test-script-state="running"><button>Save</button><input></div>
<script>
    const app = document.querySelector('div')
    const during = []
    for (const name of ['click', 'input', 'keydown'])
        addEventListener(name, () => during.push(app.dataset.testScriptState))
    const run = () => {
        app.dataset.testScriptState = 'running'
        setTimeout(() => app.dataset.testScriptState = 'notRunning', 300)
    }
</script>
"""


def test_a_press_that_slips_off_its_button_is_made_again(page: Page) -> None:
    """A button that moves between press and release is clicked nevertheless."""
    page.set_content(SLIPPERY)
    page.get_by_role("button").click()
    expect(page.get_by_role("button")).to_have_text("Done")


def test_nothing_is_done_while_the_script_runs(page: Page) -> None:
    """Clicks, typing and keys wait until the page stands still."""
    page.set_content(BUSY)
    for act in (
        page.get_by_role("button").click,
        lambda: page.get_by_role("textbox").fill("text"),
        lambda: page.get_by_role("textbox").press("a"),
    ):
        page.evaluate("run()")
        act()
    assert set(page.evaluate("during")) == {"notRunning"}


def test_a_test_begins_without_the_past_of_another(
    app: AppServer, simulator: Simulator, page: Page
) -> None:
    """The tabs, cookies and stored words of a visitor are gone, and so are the keys."""
    seed(app, "groq", simulator.endpoint("groq"), "Former")
    ApiKeys(page, app.url).open("groq")
    page.evaluate("document.cookie = 'a=1'; localStorage.a = 1; sessionStorage.a = 1")
    leave(page.context)
    app.empty()
    assert page.is_closed()
    fresh = page.context.new_page()
    ApiKeys(fresh, app.url).open("groq")
    expect(fresh.get_by_text("No API keys yet")).to_be_visible()
    assert "a=1" not in fresh.evaluate("document.cookie")
    assert fresh.evaluate("[localStorage.a, sessionStorage.a]") == [None, None]
    parts = app.parts()
    assert parts.keys.selection(owner=LOCAL_OWNER) is None
    parts.close()


def test_what_does_not_come_in_its_time_fails() -> None:
    """Waiting ends."""
    with pytest.raises(AssertionError, match="not within"):
        until(lambda: False, within=0.1)


def test_standing_in_line_is_no_time_that_passes() -> None:
    """A machine that is busy with something else takes nothing from the time that a test allows."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    rival = subprocess.Popen(["sh", "-c", "while :; do :; done"])  # on the same processor
    try:
        watch, began = Stopwatch(), time.monotonic()
        while time.monotonic() - began < 0.5:
            pass
        assert watch.seconds < 0.4
    finally:
        rival.kill()
        rival.wait()
        os.sched_setaffinity(0, everywhere)
