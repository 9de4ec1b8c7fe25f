"""The sign-in as somebody meets it who forges what a browser sends: on a real server, by hand."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus

from mohet_keys.identity import Rules, from_claims
from mohet_keys.model import NewKey, Person
from mohet_keys.ui import clock, places
from mohet_keys.wiring import Parts
from tests.browser.app_server import AppServer
from tests.browser.identity_provider import COOKIE_SECRET, TeamServer
from tests.leaks import canary
from tests.tab import Tab, cookie

COUNTING = Path(__file__).parent / "counting"
SIGN_IN = "Sign in with Example"
INSIDE = "No API keys yet"
PAGES = ["", *(place.name for place in places.PLACES)]


class Team(TeamServer):
    """The app of a team; it writes down every statement, by the thread it is from."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.book = folder / "statements"
        counting = {"PYTHONPATH": str(COUNTING), "STATEMENTS_BOOK": str(self.book)}
        super().__init__(folder, **counting, **environment)

    def of_visitors(self) -> list[str]:
        """The statements that were made for visitors so far."""
        lines = self.book.read_text().splitlines() if self.book.exists() else []
        return [line for line in lines if line.startswith("ScriptRunner")]

    def claims(self, name: str = "ada", nonce: str = "one", **more: object) -> dict[str, object]:
        """What the identity provider says of somebody, just now."""
        now = int(time.time())
        email = f"{name}@example.com"
        said = {"iss": "https://idp", "sub": name, "aud": "mohet", "iat": now, "exp": now + 3600}
        who = {"email": email, "email_verified": True, "name": name.title(), "nonce": nonce}
        return {**said, **who, **more}

    def cookie(self, name: str = "ada", nonce: str = "one", **more: object) -> str:
        """The cookie that somebody has after they signed in."""
        return cookie(COOKIE_SECRET, self.url, self.claims(name, nonce, **more))


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """One server for all that changes nothing for others."""
    with Team(tmp_path_factory.mktemp("team")) as server:
        yield server


@pytest.fixture
def parts(team: Team) -> Iterator[Parts]:
    """The same store, opened on another server so to say."""
    opened = team.parts()
    yield opened
    opened.close()


# --- who is nobody ----------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["", "api_keys"])
def test_t47_nobody_gets_the_sign_in_and_costs_no_statement(tmp_path: Path, first: str) -> None:
    """Whichever page is asked for, on the first visit to a server and later on."""
    with Team(tmp_path) as server:
        for page in (first, *PAGES):
            with Tab(server.url) as tab:
                drawn = tab.run(page)
                assert SIGN_IN in drawn
                assert INSIDE not in drawn
                assert tab.fragments == []
        assert server.of_visitors() == []


def test_t47_the_counter_counts(team: Team) -> None:
    """The twin: whoever is let in does cost statements."""
    before = len(team.of_visitors())
    with Tab(team.url, user=team.cookie(nonce="counter")) as tab:
        assert INSIDE in tab.run("api_keys")
        assert tab.fragments
    assert len(team.of_visitors()) > before


@pytest.mark.parametrize("page", PAGES)
def test_t47_somebody_elses_parts_cannot_be_run(team: Team, page: str) -> None:
    """The id of a part of a page is the same for everybody, and of no use to nobody."""
    with Tab(team.url, user=team.cookie(nonce="parts")) as tab:
        tab.run(page)
        fragments = tab.fragments
    assert fragments
    before = team.of_visitors()
    with Tab(team.url) as tab:
        tab.run(page)
        for fragment in fragments:
            tab.send(page, fragment=fragment)  # which draws nothing, as there is no such part
            drawn = tab.run(page)
            assert SIGN_IN in drawn
            assert INSIDE not in drawn
    assert team.of_visitors() == before


FORGED = ["garbage", "other_secret", "other_name", "elsewhere", "nobody", "unverified", "outsider"]


@pytest.mark.parametrize("kind", FORGED)
def test_t47_a_forged_or_foreign_cookie_lets_nobody_in(team: Team, kind: str) -> None:
    """Nor does it cost a statement, whatever it says."""
    good = team.claims(nonce=kind)
    user = {
        "garbage": "x" * 200,
        "other_secret": cookie(COOKIE_SECRET[::-1], team.url, good),
        "other_name": cookie(COOKIE_SECRET, team.url, good)[::-1],
        "elsewhere": cookie(COOKIE_SECRET, "https://evil.org", good),
        "nobody": cookie(COOKIE_SECRET, team.url, {}),
        "unverified": team.cookie(nonce=kind, email_verified=False),
        "outsider": team.cookie(nonce=kind, email="ada@evil.org"),
    }[kind]
    before = team.of_visitors()
    with Tab(team.url, user=user) as tab:
        drawn = tab.run("api_keys")
        assert INSIDE not in drawn
        assert SIGN_IN in drawn or "Sign out" in drawn
        assert tab.fragments == []
    assert team.of_visitors() == before


# --- whose session it is ----------------------------------------------------------------------


def test_t44_another_persons_session_is_of_no_use(team: Team) -> None:
    """Who has its id gets a session of their own, while the other is there and afterwards."""
    ada = team.cookie(nonce="resume")
    others = {"": SIGN_IN, team.cookie("grace"): "Grace", team.cookie(nonce="again"): "Ada"}
    with Tab(team.url, user=ada) as tab:
        tab.run("api_keys")
        session = tab.session
        for user, seen in others.items():
            with Tab(team.url, user=user, resume=session) as thief:
                assert seen in thief.run("api_keys")
                assert thief.session != session
        tab.run("api_keys")
        assert tab.session == session
    for user in others:
        with Tab(team.url, user=user, resume=session) as thief:
            thief.run("api_keys")
            assert thief.session != session


def test_a_tab_comes_back_to_its_own_session(team: Team) -> None:
    """The twin: whose it is gets it back after a break of the line."""
    user = team.cookie(nonce="back")
    with Tab(team.url, user=user) as tab:
        tab.run("api_keys")
        session = tab.session
    with Tab(team.url, user=user, resume=session) as tab:
        tab.run("api_keys")
        assert tab.session == session


def test_t44_a_header_makes_nobody_of_a_sign_in(team: Team) -> None:
    """Where people sign in, a header that names somebody is only a header."""
    named = [("X-Forwarded-Email", "grace@example.com"), ("X-Forwarded-User", "admin")]
    with Tab(team.url, headers=named) as tab:
        assert SIGN_IN in tab.run("api_keys")


# --- what ends it -----------------------------------------------------------------------------


def sign_out(parts: Parts, claims: dict[str, object]) -> None:
    """Sign out in another tab."""
    parts.visitors.leave(from_claims(claims, Rules.of(domains=["*"]), clock.now()))


def test_t45_t46_signing_out_reaches_another_tab(team: Team, parts: Parts) -> None:
    """The next look of the open page leads out, and the cookie that is left counts no more."""
    claims = team.claims(nonce="out")
    user = cookie(COOKIE_SECRET, team.url, claims)
    with Tab(team.url, user=user) as tab:
        assert INSIDE in tab.run("api_keys")
        (look,) = tab.fragments
        sign_out(parts, claims)
        time.sleep(0.6)  # an answer counts for half a second
        drawn = tab.run("api_keys", fragment=look)
        assert "You are signed out" in drawn
        assert INSIDE not in drawn
        assert tab.fragments == []
    for page in PAGES:
        with Tab(team.url, user=user) as replayed:
            assert "You are signed out" in replayed.run(page)


def test_t45_who_is_disabled_is_led_out(team: Team, parts: Parts) -> None:
    """In words of its own, on every page, and signing in again does not help."""
    people = parts.repository.people
    people.arrived("boss@example.com", "", clock.now(), administrator=True)
    with Tab(team.url, user=team.cookie("eve")) as tab:
        assert INSIDE in tab.run("api_keys")
        (look,) = tab.fragments
        people.disable("eve@example.com")
        time.sleep(0.6)
        assert "You may not use Mohet Keys any more" in tab.run("api_keys", fragment=look)
    with Tab(team.url, user=team.cookie("eve", "two")) as tab:
        assert "You may not use Mohet Keys any more" in tab.run("overview")


def test_t46_an_old_cookie_lets_nobody_in(team: Team) -> None:
    """Streamlit takes it for a month; here it is over with its token, or after twelve hours."""
    now = int(time.time())
    for times in ({"iat": now - 7200, "exp": now - 3600}, {"iat": now - 12 * 3600 - 1}):
        with Tab(team.url, user=team.cookie(nonce=f"{times}", **times)) as tab:
            drawn = tab.run("api_keys")
            assert "has ended" in drawn
            assert SIGN_IN in drawn


def test_t46_what_happens_by_itself_is_no_doing(tmp_path: Path) -> None:
    """A page that is left open looks for changes all day, draws them, and is signed out at last."""
    with Team(tmp_path, MOHET_IDLE_MINUTES="0.1") as server:
        claims = server.claims()
        parts = server.parts()

        def last_at() -> datetime:
            found = from_claims(claims, Rules.of(domains=["*"]), clock.now()).sign_in
            kept = parts.repository.sessions.find(found.id) if found else None
            assert kept
            return kept.last_at

        with Tab(server.url, user=cookie(COOKIE_SECRET, server.url, claims)) as tab:
            tab.run("api_keys")
            began = last_at()
            time.sleep(1.6)
            tab.run("api_keys")
            acted = last_at()
            assert acted > began
            time.sleep(1.6)
            new = NewKey(provider="openai", name="Production", secret=SecretStr(canary("sk-")))
            entry = parts.keys.add(new, owner="ada@example.com").entry
            parts.keys.select(entry.id, owner="ada@example.com")
            (look,) = tab.fragments
            assert "Production" in tab.run("api_keys", fragment=look)
            assert last_at() == acted
            drawn = ""
            for _ in range(60):
                (look,) = tab.fragments or [look]
                drawn = tab.run("api_keys", fragment=look)
                if "did nothing for a while" in drawn:
                    break
                assert last_at() == acted
                time.sleep(0.3)
            assert "did nothing for a while" in drawn
        parts.close()


# --- from where -------------------------------------------------------------------------------


def upgrade(server: AppServer, **headers: str) -> int:
    """The status of the answer to a WebSocket that begins with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    try:
        connection.putrequest("GET", "/_stcore/stream", skip_host=True)
        for name, value in {**asked, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_t48_another_site_cannot_open_a_websocket(team: Team) -> None:
    """Not from its own address, and not by having its name lead here."""
    here = f"localhost:{team.port}"
    assert upgrade(team, Host=here, Origin=team.url) == 101
    assert upgrade(team, Host=here, Origin="https://evil.org") == 403
    assert upgrade(team, Host=here, Origin="null") == 403
    assert upgrade(team, Host="evil.org", Origin="http://evil.org") == 403
    with (
        pytest.raises(InvalidStatus),
        Tab(team.url, user=team.cookie(nonce="site"), origin="https://evil.org"),
    ):
        pass


@pytest.mark.parametrize("origin", [None, "http://localhost:1", "http://127.0.0.1:{port}"])
def test_t41_t48_no_other_page_of_this_machine_can_either(team: Team, origin: str | None) -> None:
    """Nor who names no page. Streamlit alone would let these in, and to see whether some other page
    is of this machine it would ask a server elsewhere for this machine's address."""
    asked = {"Origin": origin.format(port=team.port)} if origin else {}
    assert upgrade(team, Host=f"localhost:{team.port}", **asked) == 403
    assert "external IP" not in team.log.read_text()


# --- a proxy ----------------------------------------------------------------------------------

HEADER = "X-Forwarded-Email"


class Proxied(AppServer):
    """The app behind a proxy that this test plays."""

    def __init__(self, folder: Path, **environment: str) -> None:
        named = {"MOHET_IDENTITY_HEADER": HEADER, "MOHET_IDENTITY_NAME_HEADER": "X-Forwarded-Name"}
        super().__init__(folder, **named, **environment)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """One server behind a proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    with Proxied(folder, MOHET_SIGN_OUT_URL="/oauth2/sign_out") as server:
        yield server


def named(*emails: str) -> list[tuple[str, str]]:
    """The headers of a proxy."""
    return [(HEADER, email) for email in emails]


def test_whom_the_proxy_names_is_in(proxied: Proxied) -> None:
    """By address, with the name it gives; a small letter more or less is the same person."""
    with Tab(
        proxied.url, headers=[*named("Ada@Example.com"), ("X-Forwarded-Name", "Ada L")]
    ) as tab:
        drawn = tab.run("api_keys")
        assert INSIDE in drawn
        assert "Ada L" in drawn
    parts = proxied.parts()
    assert parts.repository.people.find("ada@example.com") == Person(
        "ada@example.com",
        "Ada L",
        first_seen=parts.repository.people.everyone()[0].first_seen,
        last_seen=parts.repository.people.everyone()[0].last_seen,
    )
    parts.close()


@pytest.mark.parametrize("headers", [[], named(""), [("X-Forwarded-User", "admin")]])
def test_t44_whom_the_proxy_does_not_name_is_not(
    proxied: Proxied, headers: list[tuple[str, str]]
) -> None:
    """There is nothing to press: the way in is the proxy's."""
    with Tab(proxied.url, headers=headers) as tab:
        drawn = tab.run("api_keys")
        assert "Open this by the address at which you sign in" in drawn
        assert INSIDE not in drawn


@pytest.mark.parametrize("emails", [("eve@evil.org", "ada@example.com"), ("a@b.c", "a@b.c")])
def test_t44_a_header_that_comes_twice_names_nobody(proxied: Proxied, emails: list[str]) -> None:
    """A proxy that adds its own and leaves the visitor’s is set up wrongly."""
    with Tab(proxied.url, headers=named(*emails)) as tab:
        drawn = tab.run("api_keys")
        assert "came twice" in drawn
        assert INSIDE not in drawn


def test_t44_another_persons_session_is_of_no_use_behind_a_proxy(proxied: Proxied) -> None:
    """Streamlit is told who somebody is, and so keeps them apart; the same person comes back."""
    with Tab(proxied.url, headers=named("ada@example.com")) as tab:
        tab.run("api_keys")
        session = tab.session
    for headers in (named("eve@example.com"), []):
        with Tab(proxied.url, headers=headers, resume=session) as thief:
            thief.run("api_keys")
            assert thief.session != session
    with Tab(proxied.url, headers=named("ada@example.com"), resume=session) as tab:
        tab.run("api_keys")
        assert tab.session == session


def test_t45_who_is_disabled_is_led_out_behind_a_proxy(proxied: Proxied) -> None:
    """Whatever the proxy says of them."""
    parts = proxied.parts()
    parts.repository.people.arrived("boss@example.com", "", clock.now(), administrator=True)
    with Tab(proxied.url, headers=named("mallory@example.com")) as tab:
        assert INSIDE in tab.run("api_keys")
        (look,) = tab.fragments
        parts.repository.people.disable("mallory@example.com")
        time.sleep(0.6)
        assert "You may not use Mohet Keys any more" in tab.run("api_keys", fragment=look)
    parts.close()


def test_a_local_run_heeds_no_header(tmp_path: Path) -> None:
    """Nobody signs in, and nobody can be somebody else."""
    with AppServer(tmp_path) as server:
        with Tab(server.url, headers=named("grace@example.com")) as tab:
            drawn = tab.run("api_keys")
            assert INSIDE in drawn
            assert "grace" not in drawn
            assert "Sign out" not in drawn
        parts = server.parts()
        assert parts.repository.people.everyone() == []
        parts.close()
