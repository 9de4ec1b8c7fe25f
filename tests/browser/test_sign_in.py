"""Signing in as people meet it: a real identity provider, a browser each, and what ends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from pydantic import SecretStr

from mohet_keys.background import shared
from mohet_keys.model import NewKey, Role
from mohet_keys.simulator.server import Simulator
from tests.browser.chat_screen import ChatScreen
from tests.browser.conftest import leave
from tests.browser.identity_provider import PEOPLE, IdentityProvider, TeamServer
from tests.browser.screen import ApiKeys, expect_to_fit
from tests.browser.secrets import good
from tests.browser.test_access import CONTROLS, NAMELESS, reach
from tests.browser.waiting import Stopwatch, until
from tests.tab import Tab
from tests.team import allow
from tests.test_forged_values import ids, pressed

WITHIN = 10.0
"""Seconds within which the end of a sign-in has to be seen."""
LONG = "Say 2000 words"


@pytest.fixture(scope="module")
def identity_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    """The one that everybody here has an account at."""
    with IdentityProvider(tmp_path_factory.mktemp("identity")) as running:
        yield running


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Six providers of this test's own, which it may slow down."""
    with Simulator() as running:
        yield running


@pytest.fixture
def team(tmp_path: Path, identity_provider: IdentityProvider) -> Iterator[TeamServer]:
    """A server of this test's own, on which nobody ever signed in; it may reach the simulator."""
    with TeamServer(tmp_path, identity_provider.url) as server:
        parts = server.parts()
        allow(parts.repository, "127.0.0.1")
        parts.close()
        yield server


@dataclass
class Someone:
    """A person with a browser of their own."""

    who: str
    team: TeamServer
    context: BrowserContext
    page: Page

    @property
    def name(self) -> str:
        """As the identity provider gives it."""
        return str(PEOPLE[self.who]["name"])

    @property
    def way_in(self) -> Locator:
        """The button to sign in with."""
        return self.page.get_by_role("button", name="Sign in with Example")

    @property
    def menu(self) -> Locator:
        """The button in the header with their name.

        A first visit leads on to another page, and for a moment there are the buttons of both.
        """
        return self.page.get_by_role("button", name=self.name).last

    def sign_in(self) -> None:
        """Go to the app and sign in."""
        self.page.goto(self.team.url)
        self.way_in.click()
        self.page.get_by_role("button", name=self.who, exact=True).click()
        self.page.wait_for_url(re.compile(re.escape(self.team.url)))

    def user_cookie(self) -> str:
        """The cookie that says who this browser's owner is."""
        (cookie,) = (c for c in self.context.cookies() if c.get("name") == "_streamlit_user")
        return str(cookie.get("value"))

    def sign_out(self) -> None:
        """Sign out by the menu in the header."""
        self.menu.click()
        self.page.get_by_role("button", name="Sign out").click()

    def another_tab(self, address: str = "") -> Page:
        """One more tab of the same browser."""
        page = self.context.new_page()
        page.goto(f"{self.team.url}/{address}")
        return page


People = Callable[..., Someone]


@pytest.fixture
def people(window: BrowserContext, browser: Browser, team: TeamServer) -> Iterator[People]:
    """Gives somebody a browser: to the first one the window, which has loaded the most already."""
    opened: list[BrowserContext] = []

    def somebody(who: str, width: int = 1440) -> Someone:
        context = browser.new_context() if opened else window
        opened.append(context)
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        return Someone(who, team, context, page)

    yield somebody
    for context in opened[1:]:
        context.close()
    leave(window)


def seed(team: TeamServer, simulator: Simulator, owner: str) -> None:
    """A checked and selected key of somebody who signed in before."""
    parts = team.parts()
    new = NewKey(
        provider="groq",
        name="My groq",
        secret=SecretStr(good("groq")),
        endpoint=simulator.endpoint("groq"),
    )
    entry = parts.keys.add(new, owner=owner).entry
    shared().run(parts.checks.check(entry.id, owner=owner), 10)
    parts.keys.select(entry.id, owner=owner)
    parts.close()


def test_three_people_in_three_browsers(
    team: TeamServer, people: People, simulator: Simulator
) -> None:
    """Each signs in, saves a key, and sees no other until it is shared, whatever they try."""
    three = [people(who) for who in ("ada", "grace", "alan")]
    for someone in three:
        someone.sign_in()
        expect(someone.menu).to_be_visible()
        keys = ApiKeys(someone.page, team.url)
        keys.open("groq")
        expect(someone.page.get_by_text("No API keys yet")).to_be_visible()
        secret = good("groq", f"-{someone.who}")
        keys.add(f"Key of {someone.who}", secret, simulator.endpoint("groq"))
        keys.expect_badge(f"Key of {someone.who}", "Valid")
    for someone in three:
        for address in ("api_keys?provider=groq", "overview", "activity"):
            someone.page.goto(f"{team.url}/{address}")
            drawn = someone.page.get_by_test_id("stApp")
            expect(drawn).to_have_attribute("data-test-script-state", "notRunning")
            if address.startswith("api_keys"):
                own = someone.page.get_by_text(f"Key of {someone.who}").first
                expect(own).to_be_visible()
            if address == "activity":
                told = someone.page.get_by_role("row", include_hidden=True)
                expect(told.filter(has_text=f"Key of {someone.who}").first).to_be_attached()
            for other in three:
                sees = other is someone or (address == "activity" and someone.who == "grace")
                if not sees:  # an administrator sees what everybody did
                    expect(someone.page.get_by_text(f"Key of {other.who}")).to_have_count(0)
    forge(team, three)
    share(three)
    parts = team.parts()
    assert parts.keys.list(owner="ada@example.com").total == 1
    assert [(each.name, each.role.value) for each in parts.repository.people.everyone()] == [
        ("Ada Lovelace", "member"),
        ("Alan Turing", "member"),
        ("Grace Hopper", "administrator"),
    ]
    parts.close()


def share(three: list[Someone]) -> None:
    """The first shares a key; the last uses it, and gets no further by addresses."""
    ada, _, alan = three
    hers = ApiKeys(ada.page, ada.team.url)
    hers.open("groq")
    hers.choose("Key of ada", "Share with the team")
    ada.page.get_by_role("dialog").get_by_role("button", name="Share with the team").click()
    expect(hers.card("Key of ada").get_by_text("Team, by Ada Lovelace")).to_be_visible()
    his = ApiKeys(alan.page, alan.team.url)
    his.open("groq")
    card = his.card("Key of ada")
    expect(card.get_by_text("Team, by Ada Lovelace")).to_be_visible()
    card.get_by_role("button", name="Use in chat").click()
    expect(card.get_by_text("In use")).to_be_visible()
    expect(card.get_by_role("button", name="Edit")).to_have_count(0)
    alan.page.goto(f"{alan.team.url}/team")
    expect(alan.page.get_by_text("This page is for administrators.")).to_be_visible()
    expect(alan.page.get_by_text("Ada Lovelace")).to_have_count(0)


def forge(team: TeamServer, three: list[Someone]) -> None:
    """As the last of them, press by hand what only the others have on their pages."""
    ada, grace, alan = ((each, each.user_cookie()) for each in three)
    pages = {"team": grace, "api_keys": ada}
    found: set[str] = set()
    for page, (_, cookie) in pages.items():
        with Tab(team.url, user=cookie) as tab:
            found |= ids(tab.run(page, query="provider=groq"))
    with Tab(team.url, user=alan[1]) as tab:
        for page in pages:
            forged = found - ids(tab.run(page, query="provider=groq"))
            assert any("team.able:" in each for each in forged)
            assert any("card.edit:" in each for each in forged)
            drawn = tab.run(page, query="provider=groq", widgets=pressed(*sorted(forged)))
            assert "put out of every tab" not in drawn
            assert "Key of ada" not in drawn


@pytest.mark.parametrize("who", ["mallory", "unverified"])
def test_who_may_not_come_in_is_told_so(people: People, team: TeamServer, who: str) -> None:
    """With a way out, wherever they go, and without anything that could be used."""
    someone = people(who)
    someone.sign_in()
    words = "is not among those" if who == "mallory" else "does not say that it verified"
    for address in ("", "api_keys", "team"):
        someone.page.goto(f"{team.url}/{address}")
        expect(someone.page.get_by_text(words)).to_be_visible()
        expect(someone.page.get_by_role("button")).to_have_count(1)
    someone.page.get_by_role("button", name="Sign out").click()
    someone.page.wait_for_url(re.compile("end_session"))
    someone.page.goto(team.url)
    expect(someone.way_in).to_be_visible()
    parts = team.parts()
    assert parts.repository.people.everyone() == []
    parts.close()


def test_t45_t46_signing_out_ends_every_tab_and_a_running_stream(
    team: TeamServer, people: People, simulator: Simulator, browser: Browser
) -> None:
    """Within five seconds, whatever the tab does; and the cookie is worth nothing afterwards."""
    ada = people("ada")
    ada.sign_in()
    expect(ada.menu).to_be_visible()
    seed(team, simulator, "ada@example.com")
    simulator.world.pace = 0.05
    copied = ada.context.cookies()
    idle, streaming = ada.another_tab("overview"), ada.another_tab()
    expect(idle.get_by_role("button", name=ada.name)).to_be_visible()
    chat = ChatScreen(streaming, team.url)
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")
    assert any(simulator.world.active.values())

    ada.sign_out()
    watch = Stopwatch()
    for page in (idle, streaming):
        expect(page.get_by_text("You are signed out")).to_be_visible()
        assert watch.seconds < WITHIN
        expect(page.get_by_role("button")).to_have_count(1)
    until(lambda: not any(simulator.world.active.values()), WITHIN)

    thief = browser.new_context()
    thief.add_cookies(copied)  # type: ignore[arg-type]
    page = thief.new_page()
    page.goto(f"{team.url}/api_keys?provider=groq")
    expect(page.get_by_text("You are signed out")).to_be_visible()
    expect(page.get_by_text("My groq")).to_have_count(0)
    thief.close()

    ada.sign_in()
    expect(ada.page.get_by_role("button", name="My groq")).to_be_visible()


def test_t45_who_is_disabled_while_chatting_is_led_out(
    team: TeamServer, people: People, simulator: Simulator
) -> None:
    """Within five seconds the stream is over, the page says why, and signing in does not help."""
    ada, grace = people("ada"), people("grace")
    for someone in (grace, ada):
        someone.sign_in()
        expect(someone.menu).to_be_visible()
    seed(team, simulator, "ada@example.com")
    simulator.world.pace = 0.05
    chat = ChatScreen(ada.page, team.url)
    chat.open()
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")
    parts = team.parts()
    parts.repository.people.disable("ada@example.com")
    watch = Stopwatch()
    expect(ada.page.get_by_text("You may not use Mohet Keys any more")).to_be_visible()
    assert watch.seconds < WITHIN
    until(lambda: not any(simulator.world.active.values()), WITHIN)
    ada.page.get_by_role("button", name="Sign out").click()
    ada.page.wait_for_url(re.compile("end_session"))
    ada.sign_in()
    expect(ada.page.get_by_text("You may not use Mohet Keys any more")).to_be_visible()
    grace.page.reload()
    expect(grace.menu).to_be_visible()
    parts.close()


def test_t45_who_is_demoted_while_chatting_administers_no_more(
    team: TeamServer, people: People, simulator: Simulator
) -> None:
    """The reply goes on, for a member may chat; an open page of administrators does nothing."""
    grace = people("grace")
    grace.sign_in()
    expect(grace.menu).to_be_visible()
    seed(team, simulator, "grace@example.com")
    simulator.world.pace = 0.05
    parts = team.parts()
    for who in ("ada", "alan"):
        parts.repository.people.arrived(f"{who}@example.com", who, datetime.now(UTC))
    administers = grace.another_tab("team")
    button = administers.get_by_role("button", name="Disable").first
    expect(button).to_be_visible()
    chat = ChatScreen(grace.page, team.url)
    chat.open()
    chat.send(LONG)
    expect(chat.reply()).to_contain_text("A simulated model says")

    parts.team.set_role("ada@example.com", Role.ADMINISTRATOR, owner="grace@example.com")
    parts.team.set_role("grace@example.com", Role.MEMBER, owner="ada@example.com")
    button.click()
    expect(administers.get_by_role("dialog")).to_have_count(0)
    expect(administers.get_by_role("heading", name="Rules for all")).to_have_count(0)
    so_far = len(chat.reply().inner_text())
    until(lambda: len(chat.reply().inner_text()) > so_far + 20)
    grace.page.reload()
    expect(grace.menu).to_be_visible()
    expect(grace.page.get_by_role("link", name="Team")).to_have_count(0)
    assert not any(each.disabled for each in parts.repository.people.everyone())
    parts.close()


@pytest.mark.parametrize("width", [1440, 400])
def test_the_way_in_and_out_fits_every_window(people: People, width: int) -> None:
    """And can be gone by keyboard, with a name for each control."""
    ada = people("ada", width)
    ada.page.goto(ada.team.url)
    expect(ada.way_in).to_be_in_viewport()
    for _ in range(2):
        nameless = ada.page.evaluate(f"({NAMELESS})(document.body, '{CONTROLS}')")
        assert nameless == []
        expect_to_fit(ada.page, width)
        if ada.way_in.count():
            reach(ada.page, "Sign in with Example")
            ada.page.keyboard.press("Enter")
            ada.page.get_by_role("button", name="ada", exact=True).click()
            expect(ada.menu).to_be_in_viewport()
    reach(ada.page, ada.name)
    ada.page.keyboard.press("Enter")
    reach(ada.page, "Sign out")
    ada.page.keyboard.press("Enter")
    ada.page.wait_for_url(re.compile("end_session"))
