"""All keys checked at once in a real browser, while the page is used for something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr

from mohet_keys.model import LOCAL_OWNER, NewKey
from mohet_keys.simulator.server import Simulator
from tests.browser.app_server import AppServer
from tests.browser.secrets import behaving
from tests.browser.waiting import until


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Providers of its own at four hosts, for some of them are going to hang."""
    with Simulator(doors=4, delay=0.3) as running:
        running.world.slow = 60.0
        yield running


def stock(app: AppServer, sim: Simulator, *plan: tuple[str, int, str, int]) -> None:
    """So many keys of a provider, at a host, with a behaviour."""
    parts = app.parts()
    for slug, door, behaviour, count in plan:
        for number in range(count):
            new = NewKey(
                provider=slug,
                name=f"{behaviour} {door} {number:03}",
                secret=SecretStr(behaving(slug, behaviour, f"{door}{number:03}")),
                endpoint=sim.endpoint(slug, door),
            )
            parts.keys.add(new, owner=LOCAL_OWNER)
    parts.close()


def test_two_hundred_keys_some_hanging_are_checked_and_cancelled_while_the_page_is_used(
    app: AppServer, sim: Simulator, page: Page
) -> None:
    """Lines stream in, the filter answers meanwhile, another page and back finds it running, and
    Cancel hangs up on all within a second; then what was rejected is listed and removed."""
    stock(
        app,
        sim,
        ("openrouter", 0, "revoked", 6),
        ("openrouter", 1, "good", 44),
        ("mistral", 2, "good", 80),
        ("mistral", 2, "slow", 20),
        ("openrouter", 3, "slow", 50),
    )
    page.goto(f"{app.url}/overview")
    page.get_by_role("button", name="Check all").click()
    expect(page.get_by_text(re.compile(r"\d+ of 200"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"OpenRouter\s\d+\sof\s100"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"6\sinvalid"))).to_be_visible()
    expect(page.get_by_role("button", name="Check all")).to_be_disabled()

    search = page.get_by_role("searchbox", name="Search keys")
    search.fill("nobody")
    search.press("Enter")
    expect(page.get_by_text("No key matches this.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ of 200"))).to_be_visible()
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_text("What happened to your keys")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text(re.compile(r"\d+ of 200"))).to_be_visible()
    assert sum(sim.world.active.values()) >= 8  # those that hang

    page.get_by_role("button", name="Cancel", exact=True).click()
    until(lambda: not sum(sim.world.active.values()), within=1.5)
    asked = len(sim.requests)
    expect(page.get_by_text(re.compile(r"Cancelled: \d+ of 200 keys were checked"))).to_be_visible()
    expect(page.get_by_role("button", name="Check all")).to_be_enabled()
    page.wait_for_timeout(500)
    assert len(sim.requests) == asked

    page.get_by_role("button", name="Remove invalid").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(6)
    dialog.get_by_role("button", name="Delete 6 keys").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(re.compile(r"6 keys \(.*\) were deleted"))).to_be_visible()
    parts = app.parts()
    names = {entry.name for entry in parts.keys.list(owner=LOCAL_OWNER).entries}
    parts.close()
    assert len(names) == 194
    assert not any("revoked" in name for name in names)
