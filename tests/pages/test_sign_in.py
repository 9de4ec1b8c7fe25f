"""What a page does before the visitor is known, and when they are not known any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import streamlit as st
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mohet_keys.errors import DeniedError
from mohet_keys.identity import Rules, from_claims
from mohet_keys.model import NewKey
from mohet_keys.ui import clock, resources, visitor_menu
from mohet_keys.wiring import Parts
from tests.browser.identity_provider import COOKIE_SECRET
from tests.leaks import canary
from tests.pages.conftest import ROOT, SHELL
from tests.statements import statements

PAGES = sorted((ROOT / "pages").glob("*.py"))
PROVIDER = {
    "client_id": "mohet",
    "client_secret": "any",
    "server_metadata_url": "https://idp.example.com/.well-known/openid-configuration",
}
SECRETS = {
    "auth": {
        "redirect_uri": "https://keys.example.com/oauth2callback",
        "cookie_secret": COOKIE_SECRET,
        "google": PROVIDER,
        "okta": PROVIDER,
    }
}
NOBODY = {"is_logged_in": False}

Visit = Callable[..., AppTest]


@pytest.fixture
def visit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """Opens a script of the app where people have to sign in, as somebody."""
    monkeypatch.setenv("MOHET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MOHET_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MOHET_ALLOWED_DOMAINS", "example.com")

    def clear() -> None:
        st.cache_resource.clear()
        resources.settings.cache_clear()
        resources.entrance.cache_clear()

    def open_(user: dict[str, object], script: Path = SHELL) -> AppTest:
        at = AppTest.from_file(script, default_timeout=20)
        at.secrets = SECRETS
        at.user = user
        return at.run()

    clear()
    yield open_
    clear()


def user(who: str = "ada", **more: object) -> dict[str, object]:
    """What Streamlit tells of somebody who signed in just now."""
    now = int(time.time())
    said = {"iss": "https://idp", "sub": who, "aud": "mohet", "iat": now, "exp": now + 3600}
    email = f"{who}@example.com"
    told = {"email": email, "email_verified": True, "name": who.title(), "nonce": who}
    return {"is_logged_in": True, **said, **told, **more}


def save(parts: Parts, owner: str, name: str) -> str:
    """A key of somebody who signed in before."""
    new = NewKey(provider="openai", name=name, secret=SecretStr(canary("sk-proj-")))
    return parts.keys.add(new, owner=owner).entry.id


def sign_out(said: dict[str, object]) -> None:
    """Sign out in another tab."""
    identity = from_claims(said, Rules.of(domains=["*"]), clock.now())
    resources.parts().visitors.leave(identity)


def drawn(at: AppTest) -> str:
    """All text of a page."""
    return "\n".join(str(each.value) for each in (*at.markdown, *at.caption, *at.dataframe))


def is_shut(at: AppTest) -> None:
    """Nothing is there but the way in."""
    assert not at.exception
    assert not at.error
    assert {button.key for button in at.button} == {"sign-in:google", "sign-in:okta"}
    assert [*at.text_input, *at.tabs, *at.selectbox, *at.metric] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_t47_a_page_is_shut_and_asks_the_store_nothing(
    visit: Visit, tmp_path: Path, page: Path
) -> None:
    """By way of the shell and by itself: not even the store's folder is made."""
    with statements() as made:
        at = visit(NOBODY)
        is_shut(at)
        is_shut(at.switch_page(str(page)).run())
        is_shut(visit(NOBODY, page))
    assert made == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_twin_a_page_is_open_to_whoever_signed_in(visit: Visit, page: Path) -> None:
    """The same page draws, and asks the store."""
    with statements() as made:
        at = visit(user())
        at.switch_page(str(page)).run()
    assert not at.exception
    assert not at.error
    assert made


def test_each_identity_provider_has_its_button(visit: Visit) -> None:
    """With the mark and one sentence, and nothing else."""
    at = visit(NOBODY)
    assert [button.label for button in at.button] == ["Sign in with Google", "Sign in with Okta"]
    assert at.markdown[0].value.startswith("![](data:image/svg+xml")
    assert "Sign in to use your keys" in at.markdown[-1].value


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (user(email="ada@evil.org"), "ada@evil.org is not among those who may come in"),
        (user(email_verified=False), "does not say that it verified ada@example.com"),
        (user(email_verified=None), "does not say that it verified ada@example.com"),
        (user(nonce=None), "is not whole"),
    ],
)
def test_t47_who_may_not_come_in_is_told_why(
    visit: Visit, tmp_path: Path, said: dict[str, object], words: str
) -> None:
    """With a way out; the store is asked nothing for them either."""
    with statements() as made:
        at = visit(said)
        at.switch_page(str(PAGES[0])).run()
    assert words in at.markdown[-1].value.replace("\\", "").replace("\u2060", "")
    assert [button.label for button in at.button] == ["Sign out"]
    assert made == []
    assert not (tmp_path / "data").exists()


def test_names_are_shown_to_the_letter(visit: Visit) -> None:
    """An identity provider may let people choose theirs freely."""
    at = visit(user(name="![x](https://evil.org/y.png)"))
    at.session_state["header.visitor"] = True
    at.run()
    assert not at.exception
    assert "`![x](https://evil.org/y.png)`" in drawn(at)


def test_two_people_see_their_own_keys(visit: Visit) -> None:
    """On every page; who owns them is nobody's word but the identity provider's."""
    visit(user("ada"))
    visit(user("grace"))
    for owner in ("ada", "grace"):
        save(resources.parts(), f"{owner}@example.com", f"Key of {owner}")
    for name, other in (("ada", "grace"), ("grace", "ada")):
        at = visit(user(name))
        seen = ""
        for page in PAGES:
            seen += drawn(at.switch_page(str(page)).run())
        assert f"Key of {name}" in seen
        assert f"Key of {other}" not in seen


@pytest.mark.parametrize("signed_out", [True, False])
def test_t46_a_button_that_is_pressed_after_the_end_does_nothing(
    visit: Visit, *, signed_out: bool
) -> None:
    """What a page still shows does not count, though the callback comes before the guard; the
    twin is not signed out, and deletes."""
    said = user()
    at = visit(said)
    key = save(resources.parts(), "ada@example.com", "Production")
    at.session_state["mohet"].deleting = key
    at.switch_page(str(ROOT / "pages" / "api_keys.py")).run()
    if signed_out:
        sign_out(said)
        time.sleep(0.6)  # an answer counts for half a second
    at.button(key="delete.confirm").click().run()
    kept = resources.parts().repository.count("ada@example.com")
    assert kept == (1 if signed_out else 0)
    if signed_out:
        is_shut(at)
        assert "You are signed out" in at.markdown[-1].value


def test_what_somebody_was_doing_is_gone_with_them(visit: Visit) -> None:
    """Also from the memory of the server."""
    said = user()
    at = visit(said)
    at.session_state["mohet"].adding = "groq"
    sign_out(said)
    time.sleep(0.6)
    at.run()
    is_shut(at)
    assert "mohet" not in at.session_state


def test_t44_state_of_another_person_is_dropped(visit: Visit) -> None:
    """Streamlit gives a session to nobody else; should it ever, they find nothing in it."""
    at = visit(user("ada"))
    at.session_state["mohet"].adding = "groq"
    at.session_state["a widget"] = "of Ada’s"
    at.user = user("ada", nonce="another sign-in of the same person")
    at.run()
    assert at.session_state["mohet"].adding == "groq"
    at.user = user("grace")
    at.run()
    assert not at.exception
    assert at.session_state["mohet"].adding is None
    assert "a widget" not in at.session_state


def test_signing_out_ends_it_in_the_store_first(visit: Visit) -> None:
    """The button ends the sign-in for every tab and has the browser forget it."""
    said = user()
    at = visit(said)
    at.session_state["header.visitor"] = True
    at.run()
    at.button(key="visitor.sign_out").click().run()
    is_shut(at)
    assert "You are signed out" in visit(said).markdown[-1].value


def _says_the_end() -> None:
    from mohet_keys.errors import SignedOutError
    from mohet_keys.ui import unforeseen

    assert unforeseen.say(SignedOutError("You are signed out."))


def test_an_end_that_comes_up_anywhere_is_no_surprise() -> None:
    """A part of a page that fails for it says so, without a number of an error."""
    at = AppTest.from_function(_says_the_end).run()
    assert [error.value for error in at.error] == ["You are signed out\\."]


def test_t45_an_end_in_the_middle_of_a_page_leads_out(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the guard and what it guards somebody may have been disabled."""
    at = visit(user())

    def denied() -> NoReturn:
        raise DeniedError

    monkeypatch.setattr(resources, "keys", denied)
    at.run()
    assert not at.exception
    assert [button.label for button in at.button] == ["Sign out"]
    assert "You may not use Mohet Keys any more" in at.markdown[-1].value


def test_a_long_name_is_cut_in_the_header(visit: Visit) -> None:
    """And whole in the menu."""
    name = "Augusta Ada King, Countess of Lovelace"
    assert visitor_menu.short(name) == "Augusta Ada King, Count…"
    assert visitor_menu.short("Ada Lovelace") == "Ada Lovelace"
    at = visit(user(name=name))
    at.session_state["header.visitor"] = True
    at.run()
    assert name in drawn(at).replace("\\", "")
