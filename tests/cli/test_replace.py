"""A replaced secret on the command line: what it says, its status, and what it leaves alone."""

from __future__ import annotations

import pytest

from mohet_keys.service import UNDO_FOR
from tests.browser.secrets import behaving, good
from tests.leaks import canary, files_below, scan
from tests.shell import FIELDS, Shell

NEW = good("groq", "new")


def key(shell: Shell) -> str:
    """A Groq key; gives its id."""
    made: str = shell.add("groq", "Production").json["id"]
    return made


def test_a_good_secret_is_swapped_in(shell: Shell) -> None:
    """It says so, how the key stands now, and how to go back."""
    made = key(shell)
    said = shell("replace", "groq/Production", "--secret-stdin", stdin=NEW)
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines()[:2] == [
        "groq/Production has its new secret.",
        "groq/Production: Valid (key works)",
    ]
    assert f"replace {made} --undo" in said.out
    assert UNDO_FOR.total_seconds() == 15 * 60  # as it says
    assert shell("list", "--json").json[0]["hint"].endswith(NEW[-4:])


def test_as_json_it_tells_key_test_and_undo(shell: Shell) -> None:
    """The key as everywhere, and beside it what is of the replacement alone."""
    made = key(shell)
    told = shell("replace", made, "--secret-stdin", "--json", stdin=f'"{NEW}"').json
    assert list(told) == [*FIELDS, "replaced", "tested", "undo_until", "notes"]
    assert (told["replaced"], told["verdict"], told["tested"]["verdict"]) == (
        True,
        "valid",
        "valid",
    )
    assert told["undo_until"].endswith("Z")
    assert told["notes"] == ["Took off the quotes around the key."]


@pytest.mark.parametrize("behaviour", ["revoked", "down"])
def test_a_bad_one_changes_nothing_and_ends_with_1(shell: Shell, behaviour: str) -> None:
    """It says what is wrong with the new one, and the key keeps the old."""
    made, bad = key(shell), behaving("groq", behaviour)
    before = shell.content()
    said = shell("replace", made, "--secret-stdin", stdin=bad)
    assert (said.status, said.err) == (1, "")
    assert "keeps the secret it has" in said.out
    told = shell("replace", made, "--secret-stdin", "--json", stdin=bad)
    assert told.status == 1
    assert (told.json["replaced"], told.json["undo_until"]) == (False, None)
    assert told.json["tested"]["verdict"] in {"invalid", "unreachable"}
    assert told.json["verdict"] == "valid"
    assert shell.content() == before


@pytest.mark.parametrize(
    ("typed", "code"),
    [(good("groq"), "input"), ("", "input"), ("two words", "input"), (good("openrouter"), "input")],
)
def test_what_is_refused_ends_with_2(shell: Shell, typed: str, code: str) -> None:
    """Nothing is sent, and the error names the field."""
    made, asked = key(shell), len(shell.simulator.requests)
    before = shell.content()
    said = shell("replace", made, "--secret-stdin", "--json", stdin=typed)
    assert (said.status, said.error["code"], said.error["field"]) == (2, code, "secret")
    assert (len(shell.simulator.requests), shell.content()) == (asked, before)


def test_undo_brings_the_former_one_back(shell: Shell) -> None:
    """And checks it; a second time there is nothing to bring back."""
    made = key(shell)
    shell("replace", made, "--secret-stdin", stdin=NEW)
    said = shell("replace", made, "--undo")
    assert said.status == 0
    assert said.out.startswith("groq/Production was given its former secret back.")
    assert "Valid (key works)" in said.out
    again = shell("replace", made, "--undo", "--json")
    assert (again.status, again.error["code"]) == (2, "refused")


def test_a_secret_comes_in_by_stdin_alone(shell: Shell) -> None:
    """Without a terminal it has to be announced, and an undo takes none."""
    made = key(shell)
    assert "--secret-stdin" in shell("replace", made).err
    assert shell("replace", made).status == 2
    assert shell("replace", made, "--undo", "--secret-stdin", stdin=NEW).status == 2
    assert "never an argument" in shell("replace", made, "something-else").err


def test_an_unknown_key_is_not_there(shell: Shell) -> None:
    """The answer of every command."""
    said = shell("replace", "groq/Nobody", "--secret-stdin", "--json", stdin=NEW)
    assert (said.status, said.error["code"]) == (2, "not_found")


def test_t01_nothing_that_is_said_or_kept_holds_a_secret(shell: Shell) -> None:
    """Whether it was refused, bad, good, or brought back; the scan finds one put in on purpose."""
    old, refused, bad, new = (canary(f"gsk_sim-{how}-") for how in ("good", "good", "echo", "good"))
    shell.add("groq", "Production", old)
    said = []
    for secret in (f"{refused} x", bad, new):
        for form in ((), ("--json",)):
            done = shell("replace", "groq/Production", "--secret-stdin", *form, stdin=secret)
            said.append(done.out + done.err)
    said.append(shell("replace", "groq/Production", "--undo", "--json").out)
    left = dict(files_below(shell.settings.data_dir))
    for secret in (old, refused, bad, new):
        assert scan(secret, {"said": "".join(said).encode(), **left}) == []
        assert scan(secret, {"said": f"{said}{secret}".encode()}) != []
