"""A secret replaced, brought back and shown, as people meet it and as their browser hears it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.screen import ApiKeys, expect_to_fit
from tests.browser.test_access import press, reach
from tests.browser.test_planted_secret import evidence
from tests.browser.waiting import Stopwatch
from tests.leaks import canary, scan
from tests.sink import Sink, reply

ELSEWHERE = (
    "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"
)
"""What a page may keep besides what it shows."""


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A server where secrets may be shown."""
    with AppServer(tmp_path_factory.mktemp("showing"), MOHET_ALLOW_REVEAL="1") as server:
        yield server


def seed(app: AppServer, name: str, secret: str, endpoint: str) -> str:
    """Save a Groq key from the test's side; gives its id."""
    parts = app.parts()
    new = NewKey(provider="groq", name=name, secret=SecretStr(secret), endpoint=endpoint)
    entry = parts.keys.add(new, owner=LOCAL_OWNER).entry
    parts.close()
    return entry.id


def secret_of(app: AppServer, key_id: str) -> str | None:
    """What the key opens to now."""
    parts = app.parts()
    secret = parts.keys.open(key_id, owner=LOCAL_OWNER).secret
    parts.close()
    return secret


def test_t38_a_secret_is_replaced_undone_and_replaced_by_keyboard(
    showing: AppServer, simulator: Simulator, watched: tuple[Page, list[bytes]]
) -> None:
    """A bad one is explained, a good one swapped in, and no frame or file ever holds either."""
    page, heard = watched
    old, bad, new = (canary(f"gsk_sim-{how}-") for how in ("good", "revoked", "good"))
    key_id = seed(showing, "Production", old, simulator.endpoint("groq"))
    keys = ApiKeys(page, showing.url)
    keys.open("groq")
    keys.choose("Production", "Replace secret")
    keys.fill(secret=bad)
    page.get_by_role("button", name="Test and replace").click()
    expect(page.get_by_text("Nothing was replaced")).to_be_visible()
    assert secret_of(showing, key_id) == old
    keys.fill(secret=new)
    page.get_by_role("textbox", name="API Key").press("Enter")
    expect(keys.card("Production")).to_contain_text("Secret replaced just now.")
    keys.expect_badge("Production", "Valid")
    assert secret_of(showing, key_id) == new
    keys.card("Production").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("has its former secret again")).to_be_visible()
    assert secret_of(showing, key_id) == old

    press(page, "Edit")
    expect(page.get_by_role("button", name="Update Key")).to_be_visible()
    press(page, "Replace secret")
    expect(page.get_by_role("button", name="Test and replace")).to_be_visible()
    for width in (400, 1440):
        expect_to_fit(page, width)
    reach(page, "API Key")
    page.keyboard.type(new)
    page.keyboard.press("Enter")
    expect(keys.card("Production")).to_contain_text("Secret replaced just now.")
    for width in (400, 1440):
        expect_to_fit(page, width)
    for secret in (old, bad, new):
        assert scan(secret, evidence(showing, heard, b"")) == []


def test_a_secret_is_shown_for_twenty_seconds_and_leaves_nothing(
    showing: AppServer, simulator: Simulator, watched: tuple[Page, list[bytes]]
) -> None:
    """In the frames that draw it and in no other; it goes by itself, also in a tab that slept.

    A check that ends meanwhile redraws the page, and the secret with it, without a second record.
    """
    page, heard = watched
    secret = canary("gsk_sim-good-")
    key_id = seed(showing, "Shown", secret, simulator.endpoint("groq"))
    answered = threading.Event()

    def waits() -> Iterator[object]:
        answered.wait(30)
        yield from reply()()

    asleep = page.context.new_page()
    with Sink(waits) as server:
        seed(showing, "Slow", canary("gsk_"), server.url())
        reveal(showing, asleep)
        sleeping = page.context.new_cdp_session(asleep)
        sleeping.send("Page.setWebLifecycleState", {"state": "frozen"})
        reveal(showing, page, check="Slow")
        slow = ApiKeys(page, showing.url).card("Slow")
        again = "Checking" in slow.inner_text()  # on a busy machine its time may be over by now
        answered.set()
        watch = Stopwatch()
        expect(slow).not_to_contain_text("Checking")
    expect(page.get_by_role("dialog")).to_contain_text(secret)

    expect(page.get_by_role("dialog")).to_be_hidden(timeout=60_000)
    assert watch.seconds < 22
    sleeping.send("Page.setWebLifecycleState", {"state": "active"})
    watch = Stopwatch()
    expect(asleep.get_by_role("dialog")).to_be_hidden()
    assert watch.seconds < 5
    drawn = [frame for frame in heard if secret.encode() in frame]
    assert [len(drawn), len(heard) > 50] == [1 + again, True]
    quiet = [frame for frame in heard if frame not in drawn]
    for tab in (page, asleep):
        quiet += [tab.content().encode(), tab.evaluate(ELSEWHERE).encode()]
    assert scan(secret, evidence(showing, quiet, b"")) == []
    parts = showing.parts()
    told = parts.repository.journal.page(Wanted(action="reveal", key_id=key_id))
    parts.close()
    assert [each.result for each in told] == ["done", "done"]  # one for each tab


def reveal(app: AppServer, tab: Page, *, check: str | None = None) -> None:
    """Have the secret shown, perhaps while another key is checked."""
    keys = ApiKeys(tab, app.url)
    keys.open("groq")
    if check:
        keys.check(check)
        expect(keys.card(check)).to_contain_text("Checking")
    show = tab.get_by_role("button", name="Show", exact=True)
    for _ in range(6):  # a check that ends at this moment draws the card anew
        keys.choose("Shown", "Reveal")
        with contextlib.suppress(AssertionError):
            expect(show).to_be_visible(timeout=5000)
            break
    show.click()
    expect(tab.get_by_role("dialog")).to_contain_text("Hidden again in")
