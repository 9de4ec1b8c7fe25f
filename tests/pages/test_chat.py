"""Stories of the chat, told without a browser: the real parts, the simulator as providers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from mohet_keys.model import LOCAL_OWNER, CheckResult, Diagnosis, KeyEntry, NewKey, Verdict
from mohet_keys.simulator.server import Simulator
from mohet_keys.ui import resources
from mohet_keys.wiring import Parts
from tests.browser.secrets import behaving, good
from tests.pages.conftest import SHELL, OpenPage
from tests.pages.test_api_keys import words


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The six providers on loopback."""
    with Simulator() as running:
        yield running


def save(
    store: Parts, simulator: Simulator, slug: str, name: str, secret: str | None = None
) -> KeyEntry:
    """A checked key of a simulated provider."""
    typed = NewKey(
        provider=slug,
        name=name,
        secret=SecretStr(good(slug) if secret is None else secret),
        endpoint=simulator.endpoint(slug),
    )
    entry = store.keys.add(typed, owner=LOCAL_OWNER).entry
    resources.background().run(store.checks.check(entry.id, owner=LOCAL_OWNER), 10)
    return store.keys.entry(entry.id, owner=LOCAL_OWNER)


def open_chat() -> AppTest:
    """The chat, as a fresh visitor gets it."""
    at = AppTest.from_file(SHELL, default_timeout=20).run()
    assert not at.exception
    return at


def say(at: AppTest, text: str) -> None:
    """Type a message and send it; ends when the reply is whole."""
    at.chat_input[0].set_value(text).run()
    assert not at.exception


def test_without_a_key_the_chat_leads_to_the_setup(open_page: OpenPage, store: Parts) -> None:
    """Who has no key yet is asked for one."""
    assert "API key Setup" in words(open_chat())


def test_without_a_selection_nothing_can_be_sent(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The field is closed, the notice says why, and a key that works is one click away."""
    entry = save(store, simulator, "groq", "Works")
    save(store, simulator, "openai", "Broken", behaving("openai", "revoked"))
    at = open_chat()
    assert at.chat_input[0].disabled
    assert "No key is selected" in words(at)
    offered = [button.label for button in at.button if button.label.startswith("Use ")]
    assert offered == ["Use **Works** (Groq)"]
    at.button(key=f"gate.use:{entry.id}").click().run()
    assert not at.chat_input[0].disabled
    assert store.keys.entry(entry.id, owner=LOCAL_OWNER).selected


def test_a_message_gets_its_reply_with_model_key_time_and_tokens(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """What came in is drawn, and below it what it came from."""
    entry = save(store, simulator, "openai", "Production")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "Hello there")
    assert [message.name for message in at.chat_message] == ["user", "assistant"]
    text = words(at)
    assert entry.check is not None
    assert f"`{entry.check.recommended_model}` · Production" in text
    assert "tokens in" in text


@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.MISCONFIGURED, Verdict.LOCKED])
def test_a_bad_key_closes_the_field_in_the_diagnosis_own_words(
    open_page: OpenPage, store: Parts, simulator: Simulator, verdict: Verdict
) -> None:
    """Invalid, at a wrong endpoint, or locked: the notice says why and offers to fix it."""
    entry = save(store, simulator, "groq", "Turned")
    other = save(store, simulator, "mistral", "Other")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    said = Diagnosis(verdict, "it turned", "This is what happened.", "This is what helps.")
    store.keys.record(
        CheckResult(entry.id, entry.revision, said, entry.created_at), owner=LOCAL_OWNER
    )
    at = open_chat()
    assert at.chat_input[0].disabled
    assert "This is what happened" in words(at)
    assert "This is what helps" in words(at)
    assert at.button(key="gate.fix").label == "Fix this key"
    assert at.button(key=f"gate.use:{other.id}").label == "Use **Other** (Mistral)"


def test_fixing_a_key_opens_its_form(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """One click leads from the notice to the form of that key."""
    entry = save(store, simulator, "groq", "Broken", behaving("groq", "revoked"))
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    at.button(key="gate.fix").click().run()
    assert not at.exception
    assert "Groq Keys" in words(at)
    assert at.button(key=f"edit:{entry.id}.save").label == "Update Key"


@pytest.mark.parametrize("verdict", [Verdict.LIMITED, Verdict.UNREACHABLE])
def test_a_doubtful_key_warns_and_may_send(
    open_page: OpenPage, store: Parts, simulator: Simulator, verdict: Verdict
) -> None:
    """No credit and no answer are said; trying is allowed."""
    entry = save(store, simulator, "groq", "Doubtful")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    said = Diagnosis(verdict, "doubtful", "There may be trouble.", "Look at it.")
    store.keys.record(
        CheckResult(
            entry.id, entry.revision, said, entry.created_at, models=("m",), recommended_model="m"
        ),
        owner=LOCAL_OWNER,
    )
    at = open_chat()
    assert not at.chat_input[0].disabled
    assert "There may be trouble" in words(at)


def test_a_key_revoked_between_two_messages_stops_and_goes_on_with_another(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The provider's no marks the key at once; the message stays and is sent through another."""
    entry = save(store, simulator, "groq", "First")
    other = save(store, simulator, "mistral", "Second")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "Hello")
    simulator.revoke(good("groq"))
    say(at, "Are you still there?")
    checked = store.keys.entry(entry.id, owner=LOCAL_OWNER).check
    assert checked is not None
    assert checked.diagnosis.verdict is Verdict.INVALID
    assert at.chat_input[0].disabled
    assert "Are you still there?" in words(at)
    at.button(key=f"gate.use:{other.id}").click().run()
    assert not at.chat_input[0].disabled
    at.button(key="chat.again").click().run()
    assert not at.exception
    assert "· Second" in words(at)
    assert [message.name for message in at.chat_message] == ["user", "assistant"] * 2


def test_a_reply_can_be_given_anew_and_a_message_reworded(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Regenerate replaces the reply, an edit replaces the message and its reply."""
    entry = save(store, simulator, "groq", "Production")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "Hello")
    asked = len(simulator.requests)
    at.button(key="chat.again").click().run()
    assert len(simulator.requests) == asked + 1
    assert len(at.chat_message) == 2
    at.button(key="chat.edit").click().run()
    at.text_area(key="chat.reworded").set_value("Good evening")
    next(button for button in at.button if button.label == "Send").click().run()
    assert not at.exception
    assert len(at.chat_message) == 2
    assert "Good evening" in words(at)
    assert b"Good evening" in simulator.requests[-1].body
    at.button(key="chat.new").click().run()
    assert "Welcome to" in words(at)


def test_the_model_chosen_is_used_and_remembered_for_the_key(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """Each key keeps its own model, over other keys and new sessions."""
    first = save(store, simulator, "openai", "First")
    second = save(store, simulator, "groq", "Second")
    store.keys.select(first.id, owner=LOCAL_OWNER)
    assert first.check is not None
    model = next(m for m in first.check.models if m != first.check.recommended_model)
    store.keys.select(first.id, owner=LOCAL_OWNER, model=model)
    store.keys.select(second.id, owner=LOCAL_OWNER)
    store.keys.select(first.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "Hello")
    assert model.encode() in simulator.requests[-1].body
    assert f"`{model}`" in words(at)


def test_a_model_that_has_gone_is_replaced_with_a_note(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """The recommended model takes its place, and the chat says so."""
    entry = save(store, simulator, "groq", "Production")
    said = Diagnosis(Verdict.VALID, "key works", "It works.")
    for models in (("old", "new"), ("new",)):
        result = CheckResult(
            entry.id, 1, said, entry.created_at, models=models, recommended_model="new"
        )
        store.keys.record(result, owner=LOCAL_OWNER)
        if "old" in models:
            store.keys.select(entry.id, owner=LOCAL_OWNER, model="old")
    at = open_chat()
    assert "`old` is not offered any more, so `new` is used" in words(at)


def test_a_deleted_key_is_not_replaced_silently(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """After the selected key was deleted nothing is selected, and the visitor must choose."""
    entry = save(store, simulator, "groq", "First")
    save(store, simulator, "mistral", "Second")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "Hello")
    store.keys.remove(entry.id, owner=LOCAL_OWNER)
    at.run()
    assert at.chat_input[0].disabled
    assert "No key is selected" in words(at)
    assert "Hello" in words(at)
    assert at.button(key="chat.again").disabled


def test_t31_hostile_text_in_a_reply_is_tamed(
    open_page: OpenPage, store: Parts, simulator: Simulator
) -> None:
    """What a server writes into its reply becomes neither a picture nor a hidden link."""
    entry = save(store, simulator, "groq", "Production")
    store.keys.select(entry.id, owner=LOCAL_OWNER)
    at = open_chat()
    say(at, "![x](https://evil.example/x.png) [bank](https://evil.example)")
    drawn = "\n".join(str(element.value) for element in at.markdown)
    replies = drawn.split("You wrote")[1:] or [drawn]
    assert all("![x](https" not in reply for reply in replies)
