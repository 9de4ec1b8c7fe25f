"""Stories of the first run, told without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import wait

import pytest
from streamlit.testing.v1 import AppTest

from mohet_keys import discovery
from mohet_keys.model import LOCAL_OWNER
from mohet_keys.simulator.server import Simulator
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.leaks import scan
from tests.pages.conftest import SHELL, OpenPage
from tests.pages.test_api_keys import words


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The six providers on loopback, the local ones where the setup looks for them."""
    with Simulator() as running:
        here = {name: (running.endpoint(name),) for name in ("lmstudio", "ollama")}
        monkeypatch.setattr(discovery, "_usual", lambda _container: here)
        yield running


def open_setup() -> AppTest:
    """The setup, once it has looked around."""
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    assert "API key Setup" in words(at)
    wait([at.session_state["mohet"].setup.look], timeout=10)
    return at.run()


def choose(at: AppTest, label: str) -> None:
    """Choose a provider."""
    at.selectbox(key="setup.provider").set_value(label).run()


def start(at: AppTest, **fields: str) -> None:
    """Fill the form, press the button and wait for the test."""
    for name, value in fields.items():
        at.text_input(key=f"setup.{name}").set_value(value)
    at.button(key="setup.start").click().run()
    test = at.session_state["mohet"].setup.test
    if test is not None:
        wait([test], timeout=15)
        at.run()
    assert not at.exception


def test_a_good_key_leads_into_the_chat(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Choose, paste, test: the key is saved and selected, and the chat is open."""
    at = open_setup()
    choose(at, "Groq")
    start(at, secret=good("groq"), endpoint=simulator.endpoint("groq"))
    assert "Welcome to" in words(at)
    assert not at.chat_input[0].disabled
    (entry,) = store.keys.list(owner=LOCAL_OWNER).entries
    assert (entry.name, entry.selected) == ("Groq", True)


def test_a_failing_test_says_why_and_keeps_the_fields(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The reason and what helps are said, name and address stay, nothing is saved."""
    secret = behaving("groq", "revoked")
    at = open_setup()
    choose(at, "Groq")
    start(at, name="Mine", secret=secret, endpoint=simulator.endpoint("groq"))
    assert "does not recognise this key" in words(at)
    assert at.text_input(key="setup.name").value == "Mine"
    assert at.text_input(key="setup.endpoint").value == simulator.endpoint("groq")
    assert at.text_input(key="setup.secret").value == ""
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    state = repr({key: at.session_state[key] for key in at.session_state})
    assert scan(secret, {"state": state.encode()}) == []


def test_bad_input_is_said_at_its_field(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Nothing is sent for a key with a space in it."""
    at = open_setup()
    choose(at, "Groq")
    asked = len(simulator.requests)
    start(at, secret="two words", endpoint=simulator.endpoint("groq"))
    assert "is a space" in words(at)
    assert len(simulator.requests) == asked


def test_a_local_server_that_was_found_is_one_click_and_no_key(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """LMStudio and Ollama on this machine are offered, and start without a key."""
    at = open_setup()
    at.button(key="setup.server:ollama").click().run()
    assert at.text_input(key="setup.endpoint").value == simulator.endpoint("ollama")
    start(at)
    assert "Welcome to" in words(at)


def test_a_key_in_the_environment_is_taken_only_when_asked_for(
    open_page: OpenPage, store: Parts, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named, its value shown nowhere, and used with the test alone."""
    secret = good("mistral")
    monkeypatch.setenv("MISTRAL_API_KEY", secret)
    at = open_setup()
    asked = len(simulator.requests)
    at.button(key="setup.variable:MISTRAL_API_KEY").click().run()
    assert len(simulator.requests) == asked
    assert store.keys.counts(owner=LOCAL_OWNER) == {}
    state = repr({key: at.session_state[key] for key in at.session_state})
    assert scan(secret, {"state": state.encode(), "words": words(at).encode()}) == []
    start(at, endpoint=simulator.endpoint("mistral"))
    assert "Welcome to" in words(at)
    assert store.keys.counts(owner=LOCAL_OWNER) == {"mistral": 1}


def test_keys_can_be_saved_without_a_test(open_page: OpenPage, store: Parts) -> None:
    """Who is offline is led to the page that saves a key all the same."""
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    choose(at, "Groq")
    assert any("Save keys without a test" in str(link.proto) for link in at.get("page_link"))
