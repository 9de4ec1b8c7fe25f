"""Stories of a secret that is shown, told without a browser."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.journal import Wanted
from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, KeyEntry, Verdict
from mohet_keys.ui import clock, resources
from mohet_keys.ui.state import Revealing
from mohet_keys.wiring import Parts
from tests.leaks import canary, scan
from tests.pages.conftest import OpenPage
from tests.pages.test_api_keys import choose, open_edit, save, words


@pytest.fixture
def allowed(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """The parts of a page where secrets may be shown."""
    monkeypatch.setenv("MOHET_ALLOW_REVEAL", "1")
    resources.settings.cache_clear()
    return resources.parts()


def shown(at: AppTest) -> list[str]:
    """The secrets that are drawn now."""
    assert not at.exception
    return [str(element.value) for element in at.code]


def reveals(store: Parts) -> list[str]:
    """How each reveal went, the latest first."""
    page = store.repository.journal.page(Wanted(action="reveal"))
    return [each.result for each in page]


def ask(at: AppTest, entry: KeyEntry) -> None:
    """Open the dialog from the card's menu."""
    choose(at, entry, "Reveal")


def turn(monkeypatch: pytest.MonkeyPatch, store: Parts, seconds: float, who: str = "both") -> None:
    """Put service and page, or one of them, on another time."""
    now: datetime = clock.now() + timedelta(seconds=seconds)
    if who != "page":
        monkeypatch.setattr(store.keys, "_clock", lambda: now)
    if who != "service":
        monkeypatch.setattr(clock, "now", lambda: now)


def test_a_secret_is_shown_after_a_question(open_page: OpenPage, allowed: Parts) -> None:
    """It asks with the key's name, records, shows, and hides on a click."""
    secret = canary("gsk_")
    entry = save(allowed, secret=secret)
    at = open_page("groq")
    ask(at, entry)
    assert "Show the secret of “**Production**”?" in words(at)
    assert "20 seconds, and that it was shown is recorded" in words(at)
    assert (shown(at), reveals(allowed)) == ([], [])
    at.button(key="reveal.show").click().run()
    assert (shown(at), reveals(allowed)) == ([secret], ["done"])
    assert "Hidden again in 20 seconds." in words(at)
    at.button(key="reveal.hide").click().run()
    assert shown(at) == []


def test_cancel_shows_and_records_nothing(open_page: OpenPage, allowed: Parts) -> None:
    """The question alone is nothing that happened."""
    entry = save(allowed)
    at = open_page("groq")
    ask(at, entry)
    at.button(key="reveal.cancel").click().run()
    assert (shown(at), reveals(allowed)) == ([], [])
    assert "Show the secret" not in words(at)


def test_a_rerun_draws_it_again_and_records_it_once(
    open_page: OpenPage, allowed: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within its time; afterwards any rerun closes the dialog."""
    secret = canary("gsk_")
    entry = save(allowed, secret=secret)
    at = open_page("groq")
    ask(at, entry)
    at.button(key="reveal.show").click().run()
    with monkeypatch.context() as later:
        turn(later, allowed, 12)
        assert shown(at.run()) == [secret]
        assert "Hidden again in 8 seconds." in words(at)
    with monkeypatch.context() as later:
        turn(later, allowed, 20)
        assert shown(at.run()) == []
        assert at.session_state["mohet"].revealing is None
    assert shown(at.run()) == []
    assert reveals(allowed) == ["done"]


@pytest.mark.parametrize("who", ["page", "service"])
@pytest.mark.parametrize("seconds", [20, -3600])
def test_t59_either_clock_ends_it(
    open_page: OpenPage, allowed: Parts, monkeypatch: pytest.MonkeyPatch, seconds: float, who: str
) -> None:
    """When the time is over and when a clock was set back: what is left is never more than was."""
    entry = save(allowed)
    at = open_page("groq")
    ask(at, entry)
    at.button(key="reveal.show").click().run()
    turn(monkeypatch, allowed, seconds, who)
    assert shown(at.run()) == []
    assert at.session_state["mohet"].revealing is None


def test_t39_the_session_holds_no_shown_secret(open_page: OpenPage, allowed: Parts) -> None:
    """Neither while it is shown nor afterwards."""
    secret = canary("gsk_")
    entry = save(allowed, secret=secret)
    at = open_page("groq")
    ask(at, entry)
    at.button(key="reveal.show").click().run()
    assert shown(at) == [secret]
    assert scan(secret, {"state": session(at)}) == []
    at.button(key="reveal.hide").click().run()
    assert scan(secret, {"state": session(at), "words": words(at).encode()}) == []


def session(at: AppTest) -> bytes:
    """All that session state holds."""
    return repr({key: at.session_state[key] for key in at.session_state}).encode()


def test_where_it_is_off_nothing_offers_it(open_page: OpenPage, store: Parts) -> None:
    """Neither in the menu nor below the edit form."""
    entry = save(store)
    at = open_page("groq")
    assert "Reveal" not in at.menu_button(key=f"card.menu:{entry.id}").options
    open_edit(at, entry)
    assert [button.label for button in at.button if button.label == "Reveal"] == []


def test_where_it_is_off_a_forged_choice_opens_nothing(open_page: OpenPage, store: Parts) -> None:
    """An entry that the menu does not have is not taken from it."""
    entry = save(store)
    at = open_page("groq")
    ask(at, entry)
    assert "Show the secret" not in words(at)
    assert at.session_state["mohet"].revealing is None


def test_where_it_is_off_a_forged_wish_shows_nothing(open_page: OpenPage, store: Parts) -> None:
    """A dialog that should not be there gets no secret, even with Show pressed in it."""
    entry = save(store)
    at = open_page("groq")
    at.session_state["mohet"].revealing = Revealing(entry.id)
    at.run()
    at.button(key="reveal.show").click().run()
    assert shown(at) == []
    assert "Secrets are not shown here" in words(at)
    assert reveals(store) == ["refused"]
    at.session_state["mohet"].revealing = Revealing(entry.id, clock.now() + timedelta(seconds=15))
    assert shown(at.run()) == []


@pytest.mark.parametrize("kind", ["keyless", "altered", "locked store"])
def test_what_has_nothing_to_show_offers_nothing(
    open_page: OpenPage, allowed: Parts, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys without a secret, and keys that do not open."""
    at = open_page("groq")
    entry = save(allowed)
    if kind == "keyless":
        changes = "UPDATE api_key SET has_secret = 0"
        with allowed.repository._database.writing() as connection:
            connection.exec_driver_sql(changes)
    elif kind == "altered":
        said = Diagnosis(Verdict.LOCKED, "locked", "It was altered.", "Enter it again.")
        result = CheckResult(entry.id, entry.revision, said, clock.now())
        allowed.keys.record(result, owner=LOCAL_OWNER)
    else:
        monkeypatch.setattr(type(allowed.safe), "locked", property(lambda _safe: "No master key."))
        monkeypatch.setattr(type(allowed.safe), "refresh", lambda _safe: None)
    at.run()
    assert "Reveal" not in at.menu_button(key=f"card.menu:{entry.id}").options


def test_t49_what_cannot_be_recorded_is_not_shown(open_page: OpenPage, allowed: Parts) -> None:
    """The page says what is wrong with the store."""
    entry = save(allowed)
    at = open_page("groq")
    ask(at, entry)
    refuse = "SELECT RAISE(ABORT, 'no')"
    with allowed.repository._database.writing() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER broken BEFORE INSERT ON event BEGIN {refuse}; END"
        )
    at.button(key="reveal.show").click().run()
    assert shown(at) == []
    assert at.error


def test_only_one_dialog_opens_at_a_time(open_page: OpenPage, allowed: Parts) -> None:
    """To ask for a secret ends the question about a delete, and the other way round."""
    entry = save(allowed)
    at = open_page("groq")
    choose(at, entry, "Delete")
    ask(at, entry)
    assert "Show the secret" in words(at)
    assert "Are you sure" not in words(at)
    choose(at, entry, "Delete")
    assert "Are you sure" in words(at)
    assert "Show the secret" not in words(at)
