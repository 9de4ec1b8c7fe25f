"""Stories of a replaced secret on the API Keys page, told without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import wait
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys.model import LOCAL_OWNER, KeyChanges, KeyEntry
from mohet_keys.service import UNDO_FOR
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui import clock
from mohet_keys.ui.clock import Here
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.leaks import scan
from tests.pages.conftest import OpenPage
from tests.pages.test_api_keys import choose, open_edit, save_at, words
from tests.pages.test_api_keys import settle as settle_checks

OLD, NEW = good("groq"), good("groq", "new")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


def open_form(at: AppTest, entry: KeyEntry) -> str:
    """Open the form for a new secret from the card's menu; gives its name."""
    choose(at, entry, "Replace secret")
    return f"replace:{entry.id}"


def begin(at: AppTest, form: str, secret: str) -> None:
    """Type a secret and press the button."""
    at.text_input(key=f"{form}.secret").set_value(secret)
    at.button(key=f"{form}.start").click().run()
    assert not at.exception


def settle(at: AppTest) -> None:
    """Wait for the tests under way, and draw what came of them."""
    forms = at.session_state["mohet"].replacing.values()
    wait([form.test for form in forms if form.test], timeout=15)
    at.run()
    assert not at.exception


def replace(at: AppTest, entry: KeyEntry, secret: str = NEW) -> None:
    """The whole way."""
    begin(at, open_form(at, entry), secret)
    settle(at)


def held(at: AppTest) -> bytes:
    """Everything that the session keeps, and every field and word that is drawn."""
    state = repr({key: at.session_state[key] for key in at.session_state})
    fields = "".join(str(element.proto) for element in at.get("text_input"))
    return f"{state}{fields}{words(at)}".encode()


def secret_of(store: Parts, entry: KeyEntry) -> str | None:
    """What the key opens to now."""
    return store.keys.open(entry.id, owner=LOCAL_OWNER).secret


def test_a_new_secret_is_tested_and_swapped_in(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The form says where it is tested and what stays meanwhile; the card then offers the undo."""
    entry = save_at(store, simulator, OLD)
    simulator.delay = 0.2
    at = open_page("groq")
    form = open_form(at, entry)
    assert simulator.endpoint("groq") in words(at)
    assert at.text_input(key=f"{form}.secret").value == ""
    begin(at, form, NEW)
    button = at.button(key=f"{form}.start")
    assert (button.label, button.disabled) == ("Testing…", True)
    assert secret_of(store, entry) == OLD
    settle(at)
    assert "has its new secret" in words(at)
    assert "Valid]" in words(at)
    assert "Secret replaced just now. The former one can be brought back until" in words(at)
    assert secret_of(store, entry) == NEW


def test_t39_a_new_secret_leaves_nothing_in_the_session(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Neither while it is tested, nor when it was refused, nor when it is saved."""
    entry = save_at(store, simulator, OLD)
    simulator.delay = 0.2
    at = open_page("groq")
    form = open_form(at, entry)
    for secret in (f"{OLD} x", behaving("groq", "revoked", "-longer"), NEW):
        begin(at, form, secret)
        assert scan(secret, {"testing": held(at)}) == []
        settle(at)
        assert scan(secret, {"over": held(at)}) == []
    assert secret_of(store, entry) == NEW


@pytest.mark.parametrize("behaviour", ["revoked", "down", "html"])
def test_a_bad_one_is_explained_and_nothing_is_lost(
    open_page: OpenPage, store: Parts, simulator: Simulator, behaviour: str
) -> None:
    """The form stays, says why in the provider's matter, and takes another try."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    form = open_form(at, entry)
    begin(at, form, behaving("groq", behaviour))
    settle(at)
    assert "Nothing was replaced" in words(at)
    assert at.text_input(key=f"{form}.secret").value == ""
    assert secret_of(store, entry) == OLD
    begin(at, form, NEW)
    assert "Nothing was replaced" not in words(at)
    settle(at)
    assert secret_of(store, entry) == NEW


@pytest.mark.parametrize(
    ("typed", "said"),
    [(OLD, "that the key has now"), ("", "Enter the API key"), (good("openrouter"), "OpenRouter")],
)
def test_what_cannot_be_right_is_said_at_the_field(
    open_page: OpenPage, store: Parts, simulator: Simulator, typed: str, said: str
) -> None:
    """Nothing is sent, and the sentence stands below the field."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    begin(at, open_form(at, entry), typed)
    (problem,) = [line for line in words(at).splitlines() if line.startswith(":red[")]
    assert said in problem
    assert simulator.requests == []


def test_undo_brings_the_former_one_back_and_checks_it(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """One click, and the offer is gone."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    replace(at, entry)
    at.button(key=f"card.undo:{entry.id}").click().run()
    settle_checks(at)
    assert "has its former secret again" in words(at)
    assert "Valid]" in words(at)
    assert "Secret replaced" not in words(at)
    assert secret_of(store, entry) == OLD


def test_the_offer_ends_with_its_time(
    open_page: OpenPage, store: Parts, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card says until when in the reader's zone; then it is refused and offered no more."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    replace(at, entry)
    until = store.keys.entry(entry.id, owner=LOCAL_OWNER).undo_until
    assert until is not None
    assert f"until {until.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}." in words(at)

    def turn(now: datetime) -> None:
        monkeypatch.setattr(store.keys, "_clock", lambda: now)
        monkeypatch.setattr(clock, "Here", lambda: Here(now))

    turn(until - timedelta(minutes=12))
    at.run()
    assert "Secret replaced 3 minutes ago." in words(at)
    for past in (until - timedelta(minutes=30), until):
        turn(past)
        assert "Secret replaced" not in words(at.run())
    turn(until - timedelta(seconds=1))
    at.run()
    turn(until)
    at.button(key=f"card.undo:{entry.id}").click().run()
    assert "deleted for good" in words(at)
    assert "Secret replaced" not in words(at)
    assert secret_of(store, entry) == NEW


def test_t56_a_change_by_somebody_else_is_said_and_can_be_gone_over(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Before the test and during it: nothing is replaced until it is asked for again."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    form = open_form(at, entry)
    store.keys.edit(entry.id, KeyChanges(name="Theirs"), owner=LOCAL_OWNER, version=1)
    begin(at, form, NEW)
    assert "was changed by local" in words(at)
    assert simulator.requests == []
    simulator.delay = 0.3
    begin(at, form, NEW)
    store.keys.edit(entry.id, KeyChanges(name="Theirs again"), owner=LOCAL_OWNER, version=2)
    settle(at)
    assert "was changed by local" in words(at)
    assert secret_of(store, entry) == OLD
    begin(at, form, NEW)
    settle(at)
    assert secret_of(store, entry) == NEW


def test_a_key_that_was_deleted_meanwhile_is_gone(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """It says so, and no form is left."""
    entry = save_at(store, simulator, OLD)
    simulator.delay = 0.2
    at = open_page("groq")
    begin(at, open_form(at, entry), NEW)
    store.keys.remove(entry.id, owner=LOCAL_OWNER)
    settle(at)
    assert "There is no such key" in words(at)
    assert at.session_state["mohet"].replacing == {}


def test_cancel_gives_the_test_up(open_page: OpenPage, store: Parts, simulator: Simulator) -> None:
    """The card is back, and nothing was replaced."""
    entry = save_at(store, simulator, OLD)
    simulator.delay = 0.5
    at = open_page("groq")
    form = open_form(at, entry)
    begin(at, form, NEW)
    test = at.session_state["mohet"].replacing[entry.id].test
    at.button(key=f"{form}.cancel").click().run()
    assert test.cancelled()
    assert at.button(key=f"card.check:{entry.id}")
    assert secret_of(store, entry) == OLD


def test_a_test_goes_on_while_another_form_is_open(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Only forms that wait for nothing are closed by opening another one."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    form = open_form(at, entry)
    at.button(key="head.add:groq").click().run()
    assert not [field for field in at.text_input if field.key == f"{form}.secret"]
    simulator.delay = 0.3
    begin(at, open_form(at, entry), NEW)
    at.button(key="head.add:groq").click().run()
    assert at.button(key=f"{form}.start").disabled
    settle(at)
    assert secret_of(store, entry) == NEW


def test_t35_a_test_that_breaks_is_said_and_logged_by_its_kind(
    open_page: OpenPage,
    store: Parts,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The form says that nothing was replaced; what the error was about is said nowhere."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    form = open_form(at, entry)

    def breaks(*_given: object) -> None:
        raise RuntimeError(NEW)

    monkeypatch.setattr("mohet_keys.recommend.recommended", breaks)
    monkeypatch.setattr("mohet_keys.recommend.chat_models", breaks)
    begin(at, form, NEW)
    settle(at)
    assert "The test broke off" in words(at)
    assert "Nothing was replaced" in words(at)
    assert "broke off with RuntimeError" in caplog.text
    assert scan(NEW, {"log": caplog.text.encode(), "page": held(at)}) == []


def test_by_keyboard_it_is_reached_below_the_edit_form(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """What the menu offers stands there as a button as well."""
    entry = save_at(store, simulator, OLD)
    at = open_page("groq")
    open_edit(at, entry)
    at.button(key=f"edit:{entry.id}.replace").click().run()
    assert at.button(key=f"replace:{entry.id}.start").label == "Test and replace"


def test_where_there_is_no_secret_nothing_offers_to_replace_it(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """A local server's key has no such entry in its menu."""
    at = open_page("ollama")
    at.button(key="head.add:ollama").click().run()
    at.text_input(key="add:ollama.name").set_value("Home")
    at.text_input(key="add:ollama.endpoint").set_value(simulator.endpoint("ollama"))
    at.button(key="add:ollama.save").click().run()
    settle_checks(at)
    (entry,) = store.keys.list(owner=LOCAL_OWNER).entries
    assert list(at.menu_button(key=f"card.menu:{entry.id}").options) == [
        "Edit",
        "Use in chat",
        "Delete",
    ]


def test_the_time_of_an_undo_is_a_quarter_of_an_hour() -> None:
    """What the page says, the service keeps."""
    assert timedelta(minutes=15) == UNDO_FOR
