"""The chat on the command line: the reply to stdout, trouble to stderr, the status for scripts."""

from __future__ import annotations

import json

import pytest

from tests.browser.secrets import behaving, good
from tests.leaks import scan
from tests.shell import Shell


def test_a_prompt_gets_its_reply(shell: Shell) -> None:
    """Through the selected key, with its recommended model, as plain text."""
    shell.add("groq", "Production")
    shell("select", "groq/Production")
    said = shell("chat", "Hello")
    assert (said.status, said.err) == (0, "")
    assert said.out == "Hello! What can I help you with today?\n"


def test_key_and_model_can_be_named(shell: Shell) -> None:
    """Without a selection a key is named; a model that is named is the one asked."""
    entry = shell.add("openai", "Production").json
    model = next(each for each in entry["models"] if each != entry["recommended_model"])
    said = shell("chat", "Hello", "--key", "openai/Production", "--model", model, "--json")
    assert said.status == 0
    assert said.json["model"] == model
    assert said.json["reply"] == "Hello! What can I help you with today?"
    assert said.json["outcome"] == "finished"
    assert said.json["key"]["name"] == "Production"
    assert said.json["tokens_out"] == 8


def test_a_message_counts_for_its_key(shell: Shell) -> None:
    """As one from the page does; a check counts nothing."""
    shell.add("groq", "Production")
    assert shell.sql("SELECT count(*) FROM daily_use") == [(0,)]
    shell("chat", "Hello", "--key", "groq/Production")
    counted = shell.sql("SELECT requests, errors, tokens_in, tokens_out FROM daily_use")
    assert counted == [(1, 0, 7, 8)]


def test_without_a_key_it_says_what_to_do(shell: Shell) -> None:
    """Nothing is sent, and the way on is named."""
    said = shell("chat", "Hello")
    assert (said.status, said.out) == (2, "")
    assert "--key" in said.err


def test_without_a_model_it_says_what_to_do(shell: Shell) -> None:
    """A key that was never checked shows no model to ask."""
    shell.add("groq", "New", "", "--no-check")
    said = shell("chat", "Hello", "--key", "groq/New")
    assert said.status == 2
    assert "--model" in said.err


@pytest.mark.parametrize("model", ["two words", "x" * 201, ""])
def test_a_text_that_is_no_model_is_refused(shell: Shell, model: str) -> None:
    """Nothing is sent to a model that cannot be."""
    shell.add("groq", "Production")
    assert shell("chat", "Hello", "--key", "groq/Production", "--model", model).status == 2


def test_a_bad_key_is_told_in_the_diagnosis_own_words(shell: Shell) -> None:
    """An invalid key sends nothing; the line on stderr is that of the card."""
    shell.add("groq", "Broken", behaving("groq", "revoked"))
    asked = len(shell.simulator.requests)
    said = shell("chat", "Hello", "--key", "groq/Broken", "--model", "openai/gpt-oss-20b")
    assert said.status == 1
    assert "does not recognise this key" in said.err
    assert said.err.count("\n") == 1
    assert len(shell.simulator.requests) == asked


def test_no_credit_is_told(shell: Shell) -> None:
    """A provider that wants money is quoted in plain words, as JSON too."""
    shell.add("openai", "Spent", behaving("openai", "nocredit"))
    said = shell("chat", "Hello", "--key", "openai/Spent", "--json")
    assert said.status == 1
    assert said.json["verdict"] == "limited"
    assert "credit" in said.json["explanation"]


def test_t31_a_reply_cannot_move_the_cursor(shell: Shell) -> None:
    """Control characters of a reply are shown as escapes; its lines stay lines."""
    shell.add("groq", "Production")
    said = shell("chat", "Say \x1b[31mred", "--key", "groq/Production")
    assert "\x1b" not in said.out
    assert "def add" in shell("chat", "python function", "--key", "groq/Production").out


def test_t30_nothing_said_holds_the_secret(shell: Shell) -> None:
    """Neither a reply nor an error shows the key."""
    secret = good("groq")
    shell.add("groq", "Production", secret)
    said = shell("chat", "Hello", "--key", "groq/Production", "--json")
    assert scan(secret, {"out": said.out.encode(), "err": said.err.encode()}) == []
    assert json.loads(said.out)["notes"] == []
