"""A team as people meet it: a key shared and taken back, and the page for administrators.

A proxy names who somebody is, which takes no identity provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydantic import SecretStr

from mohet_keys.background import shared
from mohet_keys.model import KeyEntry, NewKey
from mohet_keys.rules import TeamRules
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.app_server import AppServer
from tests.browser.screen import ApiKeys, expect_to_fit
from tests.browser.secrets import good
from tests.browser.test_access import CONTROLS, NAMELESS
from tests.team import ADA, BOB, ROOT, allow, name_of

HEADER, NAME = "X-Forwarded-Email", "X-Forwarded-Name"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    """The app behind a proxy that this test plays; Root is the administrator."""
    rules = {
        "MOHET_IDENTITY_HEADER": HEADER,
        "MOHET_IDENTITY_NAME_HEADER": NAME,
        "MOHET_ADMINISTRATORS": ROOT,
    }
    with AppServer(tmp_path, **rules) as running:
        yield running


@pytest.fixture
def parts(server: AppServer) -> Iterator[Parts]:
    """The same store, in which everybody came before and the simulator may be asked."""
    opened = server.parts()
    for who in (ADA, BOB, ROOT):
        now = datetime.now(UTC)
        opened.repository.people.arrived(who, name_of(who), now, administrator=who == ROOT)
    allow(opened.repository, "127.0.0.1")
    yield opened
    opened.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, server: AppServer) -> Iterator[Visit]:
    """Opens a browser for somebody, at an address."""
    opened: list[BrowserContext] = []

    def somebody(who: str, address: str = "", width: int = 1440) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            extra_http_headers={HEADER: who, NAME: name_of(who)},
        )
        context.set_default_timeout(20_000)
        opened.append(context)
        page = context.new_page()
        page.goto(f"{server.url}/{address}")
        return page

    yield somebody
    for context in opened:
        context.close()


def save(parts: Parts, simulator: Simulator, owner: str) -> KeyEntry:
    """A key that was checked."""
    new = NewKey(
        provider="groq",
        name="Production",
        secret=SecretStr(good("groq")),
        endpoint=simulator.endpoint("groq"),
    )
    entry = parts.keys.add(new, owner=owner).entry
    shared().run(parts.checks.check(entry.id, owner=owner), 10)
    return parts.keys.entry(entry.id, owner=owner)


def test_a_key_is_shared_used_and_taken_away(
    server: AppServer, parts: Parts, visit: Visit, simulator: Simulator
) -> None:
    """Ada shares it, Bob uses what he cannot change, and his open page says when it is gone."""
    save(parts, simulator, ADA)
    hers = visit(ADA, "api_keys?provider=groq")
    ada = ApiKeys(hers, server.url)
    expect(ada.card("Production").get_by_text("Private")).to_be_visible()
    ada.choose("Production", "Share with the team")
    expect(hers.get_by_text("Nobody can read the key itself")).to_be_visible()
    hers.get_by_role("dialog").get_by_role("button", name="Share with the team").click()
    expect(ada.card("Production").get_by_text("Team, by Ada")).to_be_visible()

    his = visit(BOB, "api_keys?provider=groq")
    card = ApiKeys(his, server.url).card("Production")
    expect(card.get_by_text("Team, by Ada")).to_be_visible()
    for name in ("Edit", "Check API Key"):
        expect(card.get_by_role("button", name=name)).to_have_count(0)
    card.get_by_role("button", name="Use in chat").click()
    expect(card.get_by_text("In use")).to_be_visible()
    his.get_by_role("link", name="Overview").click()

    ada.choose("Production", "Delete")
    dialog = hers.get_by_role("dialog")
    expect(dialog.get_by_text("1 other person")).to_be_visible()
    dialog.get_by_role("button", name="Delete Key").click()
    expect(hers.get_by_text("was deleted")).to_be_visible()

    told = his.get_by_text("Ada deleted “Groq/Production”. Select another key.")
    expect(told).to_be_visible()
    his.get_by_role("button", name="Got it").click()
    expect(told).to_have_count(0)
    his.reload()
    expect(his.get_by_role("button", name="Select API Key")).to_be_visible()
    expect(told).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 400])
def test_an_administrator_looks_after_the_team(
    server: AppServer, parts: Parts, visit: Visit, width: int
) -> None:
    """In a wide and a narrow window: a role is changed, the rules are, and a member sees none of
    it. Nothing is cut off, and each control has a name."""
    page = visit(ROOT, "overview", width)
    page.get_by_role("link", name="Team", exact=True).click()
    bob = page.locator("[class*='st-key-person-bob']")
    bob.get_by_role("button", name="Make administrator").click()
    page.get_by_role("dialog").get_by_role("button", name="Make administrator").click()
    expect(bob.get_by_role("button", name="Make member")).to_be_visible()
    page.get_by_role("button", name="Mistral").click()
    page.get_by_label("Requests a month for each person").fill("100")
    page.get_by_label("Further hosts").fill("###")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("“###” is no host.")).to_be_visible()
    page.get_by_label("Further hosts").fill("llm.example.com")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("The rules hold from now on.")).to_be_visible()
    expect(page.get_by_text("“###” is no host.")).to_have_count(0)
    assert parts.repository.rules.find() == TeamRules(
        providers=frozenset({"openai", "groq", "lmstudio", "ollama", "openrouter"}),
        hosts=frozenset({"llm.example.com"}),
        person_limit=100,
    )
    expect_to_fit(page, width)
    assert page.evaluate(f"({NAMELESS})(document.body, '{CONTROLS}')") == []
    page.get_by_label("Requests a month for each person").fill("")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_label("Requests a month for each person")).to_have_value("")
    page.reload()
    expect(page.get_by_label("Further hosts")).to_have_value("llm.example.com")
    assert parts.repository.rules.find().person_limit is None

    member = visit(ADA, "team", width)
    expect(member.get_by_text("This page is for administrators.")).to_be_visible()
    expect(member.get_by_role("link", name="Team", exact=True)).to_have_count(0)
