"""Stores that do not open, or not with the present master key."""

from __future__ import annotations

import pytest

from tests.browser.secrets import good
from tests.leaks import canary, scan
from tests.shell import Shell

VERBS: list[list[str]] = [
    ["providers"],
    ["add", "groq", "New", "--secret-stdin"],
    ["list"],
    ["check", "--all"],
    ["edit", "groq/Work", "--name", "New"],
    ["move", "groq/Work"],
    ["remove", "groq/Work", "--yes"],
    ["select", "groq/Work"],
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_store_that_is_no_database_is_3(shell: Shell, verb: list[str]) -> None:
    """Every command says that the store cannot be opened, in one line, and leaves the file."""
    shell.database.write_bytes(b"this is no database, but long enough to be looked at" * 100)
    said = shell(*verb, "--json", stdin=good("groq"))
    assert (said.status, said.error["code"]) == (3, "store")
    assert "not a database" in said.error["message"]
    assert shell.database.read_bytes().startswith(b"this is no database")


def test_t10_a_malformed_master_key_is_3(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source and the rule are named, and never the value."""
    secret = canary("master")
    monkeypatch.setenv("MOHET_MASTER_KEY", secret)
    said = shell("list", "--json")
    assert (said.status, said.error["code"]) == (3, "master_key")
    assert "MOHET_MASTER_KEY" in said.error["message"]
    assert scan(secret, {"err": said.err.encode()}) == []


@pytest.fixture
def locked(shell: Shell) -> Shell:
    """A store with one key, whose master key is another one now."""
    shell.add("groq", "Work")
    shell.settings.generated_master_key_file.write_text("f0e1d2c3b4a59687" * 4)
    return shell


def test_t09_a_locked_store_lists_and_forgets(locked: Shell) -> None:
    """With the wrong master key, listing, renaming, selecting and deleting still work."""
    said = locked("list", "--json")
    assert (said.status, said.json[0]["verdict"]) == (0, "locked")
    assert "master key" in said.json[0]["explanation"]
    assert "Locked" in locked("list").out
    assert locked("edit", "groq/Work", "--name", "Home").status == 0
    assert locked("select", "groq/Home").status == 0
    assert locked("remove", "groq/Home", "--yes").status == 0


def test_t09_a_locked_store_saves_and_sends_nothing(locked: Shell) -> None:
    """With the wrong master key, adding is refused and a check says locked with status 1."""
    before, asked = locked.content(), len(locked.simulator.requests)
    said = locked.add("groq", "New", good("groq", "2"))
    assert (said.status, said.error["code"]) == (2, "locked")
    said = locked("edit", "groq/Work", "--secret-stdin", "--json", stdin=good("groq", "2"))
    assert (said.status, said.error["code"]) == (2, "locked")
    said = locked("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "locked")
    assert (locked.content(), len(locked.simulator.requests)) == (before, asked)


def test_t03_an_altered_key_is_locked(shell: Shell) -> None:
    """A key whose address was changed behind the product's back is not sent there."""
    shell.add("groq", "Work")
    shell.sql("UPDATE api_key SET endpoint = 'https://evil.example/v1'")
    asked = len(shell.simulator.requests)
    said = shell("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "locked")
    assert len(shell.simulator.requests) == asked
