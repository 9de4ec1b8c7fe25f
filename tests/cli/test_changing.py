"""Keys edited, removed and selected on the command line."""

from __future__ import annotations

import pytest

from tests.bad_input import PUBLIC_HTTP
from tests.browser.secrets import good, revoked
from tests.shell import FIELDS, Shell

# --- editing --------------------------------------------------------------------------------------


def test_a_rename_is_not_checked(shell: Shell) -> None:
    """A new name needs no secret, asks nobody and keeps the verdict."""
    key = shell.add("openai", "Work").json
    before = len(shell.simulator.requests)
    said = shell("edit", "openai/Work", "--name", "Home", "--json")
    assert (said.status, said.json["name"], said.json["verdict"]) == (0, "Home", "valid")
    assert (said.json["id"], said.json["notes"]) == (key["id"], [])
    assert len(shell.simulator.requests) == before
    assert shell("edit", key["id"], "--name", "Work").out == "openai/Work was updated.\n"


def test_a_new_secret_is_checked(shell: Shell) -> None:
    """The secret comes from stdin and is checked at once; a bad one is kept with status 1."""
    shell.add("openai", "Work")
    said = shell("edit", "openai/Work", "--secret-stdin", "--json", stdin=revoked("openai"))
    assert (said.status, said.json["verdict"]) == (1, "invalid")
    said = shell("edit", "openai/Work", "--secret-stdin", stdin=good("openai"))
    assert said.status == 0
    assert said.out.startswith("openai/Work was updated.\nopenai/Work: Valid (")


def test_t15_a_changed_address_needs_the_secret(shell: Shell) -> None:
    """A stored secret never follows an edited address."""
    shell.add("openai", "Work")
    before = shell.content()
    where = shell.simulator.endpoint("gateway")
    elsewhere = where.replace("127.0.0.1", "localhost")
    said = shell("edit", "openai/Work", "--endpoint", elsewhere, "--json")
    assert (said.status, said.error["field"]) == (2, "secret")
    assert "localhost" in said.error["message"]
    assert shell.content() == before
    command = ("edit", "openai/Work", "--endpoint", where, "--secret-stdin", "--json")
    said = shell(*command, stdin=good("openai"))
    assert (said.status, said.json["endpoint"]) == (0, where)


def test_no_change_is_no_change(shell: Shell) -> None:
    """The same address written differently, and the same secret, change and check nothing."""
    shell.add("openai", "Work")
    before, asked = shell.content(), len(shell.simulator.requests)
    same = shell.simulator.endpoint("openai").replace("http", "HTTP") + "/"
    said = shell("edit", "openai/Work", "--endpoint", same, "--secret-stdin", stdin=good("openai"))
    assert (said.status, said.out.splitlines()[0]) == (0, "Nothing was changed.")
    assert (shell.content(), len(shell.simulator.requests)) == (before, asked)


@pytest.mark.parametrize(
    ("more", "secret", "field", "told"),
    [
        (["--secret-stdin"], "", "secret", "No key came in"),
        (["--secret-stdin"], " \n", "secret", "No key came in"),
        (["--secret-stdin"], "••••••••", "secret", "masked"),
        (["--secret-stdin"], "gsk_••••••••cdef", "secret", "masked"),
        (["--name", "other"], "", "name", "already have a key"),
        (["--name", " "], "", "name", "Enter a name"),
        (["--endpoint", "ftp://x"], "", "endpoint", "https://"),
        (["--secret-stdin"], good("openai", "2"), "secret", "already saved as “Other”"),
        (["--secret-stdin", "--endpoint", PUBLIC_HTTP], good("openai"), "endpoint", "unencrypted"),
    ],
)
def test_a_bad_edit_changes_nothing(
    shell: Shell, more: list[str], secret: str, field: str, told: str
) -> None:
    """Each mistake of an edit is refused at its field, and the key stays as it was."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("openai", "Other", good("openai", "2"), "--no-check")
    before = shell.content()
    said = shell("edit", "openai/Work", *more, "--json", stdin=secret)
    assert (said.status, said.error["field"]) == (2, field)
    assert told in said.error["message"]
    assert shell.content() == before


# --- removing and selecting -----------------------------------------------------------------------


def test_a_key_is_removed_only_with_a_yes(shell: Shell) -> None:
    """Without --yes nothing is deleted; with it, the key that was removed is shown."""
    key = shell.add("openai", "Work", "", "--no-check").json
    before = shell.content()
    said = shell("remove", "openai/Work", "--json")
    assert (said.status, said.error["code"]) == (2, "refused")
    assert "openai/Work" in said.error["message"]
    assert "--yes" in said.error["message"]
    assert shell.content() == before
    said = shell("remove", "openai/Work", "--yes", "--json")
    assert (said.status, list(said.json), said.json["id"]) == (0, FIELDS, key["id"])
    assert shell.content() == []


def test_removing_the_selected_key_is_said(shell: Shell) -> None:
    """Who deletes the key of the chat hears that none is selected now."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("openai", "Other", good("openai", "2"), "--no-check")
    shell("select", "openai/Work")
    assert shell("remove", "openai/Other", "--yes").out == "openai/Other was deleted.\n"
    said = shell("remove", "openai/Work", "--yes")
    assert said.out.startswith("openai/Work was deleted.")
    assert "no key is selected now" in said.out
    assert shell.sql("SELECT * FROM selection") == []


def test_a_key_is_selected_with_its_model(shell: Shell) -> None:
    """The selection is one key, perhaps with a model, which the key keeps; the one before it
    is selected no longer."""
    shell.add("openai", "Work", "", "--no-check")
    shell.add("groq", "Fast", "", "--no-check")
    said = shell("select", "openai/Work", "--json")
    assert (said.status, list(said.json), said.json["selected"]) == (0, FIELDS, True)
    said = shell("select", "groq/Fast", "--model", "openai/gpt-oss-20b")
    assert said.out.startswith("groq/Fast is now the key for the chat, with the model openai/gpt")
    assert [key["selected"] for key in shell("list", "--json").json] == [False, True]
    shell("select", "openai/Work")
    assert "with the model openai/gpt-oss-20b" in shell("select", "groq/Fast").out


def test_a_doubtful_selection_is_made_and_said(shell: Shell) -> None:
    """A model the key did not show and a key that cannot chat are chosen with a word of warning."""
    shell.add("groq", "Fast")
    assert "not among those" in shell("select", "groq/Fast", "--model", "gpt-2").out
    shell.add("openai", "Old", revoked("openai"))
    said = shell("select", "openai/Old")
    assert said.status == 0
    assert "cannot send through it" in said.out
    assert "openai/Old: Invalid" in said.out
