"""Checks on the command line: the words, the status, and keys that look like another vendor’s."""

from __future__ import annotations

import pytest

from mohet_keys.cli import output
from mohet_keys.model import Verdict
from tests.browser.secrets import behaving, good, revoked
from tests.shell import Shell

# --- checking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "verdict", "status"),
    [
        ("good", "valid", 0),
        ("restricted", "limited", 0),
        ("revoked", "invalid", 1),
        ("html", "misconfigured", 1),
        ("down", "unreachable", 1),
    ],
)
def test_the_status_of_a_check_is_that_of_the_key(
    shell: Shell, behaviour: str, verdict: str, status: int
) -> None:
    """0 for a key that can be used, 1 for one that cannot, and the verdict in words and JSON."""
    secret = behaving("openai", behaviour)
    key = shell.add("openai", "Work", secret, "--no-check").json
    said = shell("check", key["id"], "--json")
    assert (said.status, [each["verdict"] for each in said.json]) == (status, [verdict])
    said = shell("check", "OpenAI/work")
    assert said.status == status
    assert said.out.startswith(f"openai/Work: {output.WORDS[Verdict(verdict)]} (")


def test_several_keys_are_checked_in_the_order_asked(shell: Shell) -> None:
    """One bad key makes the status 1; a key named twice is checked once."""
    shell.add("openai", "A", "", "--no-check")
    shell.add("groq", "B", revoked("groq"), "--no-check")
    assert shell("check", "openai/A", "--json").status == 0
    said = shell("check", "groq/B", "openai/A", "groq/b", "--json")
    assert (said.status, [key["name"] for key in said.json]) == (1, ["B", "A"])
    text = shell("check", "--all")
    assert text.status == 1
    assert text.out.index("openai/A: Valid") < text.out.index("groq/B: Invalid")


def test_all_of_no_keys_are_fine(shell: Shell) -> None:
    """--all with nothing saved is done at once."""
    said = shell("check", "--all", "--json")
    assert (said.status, said.json) == (0, [])
    assert shell("check", "--all").out == "No API keys yet.\n"


def test_an_unknown_key_stops_a_check_before_it_begins(shell: Shell) -> None:
    """Nothing is asked when one of the keys is not there."""
    shell.add("openai", "A", "", "--no-check")
    before = len(shell.simulator.requests)
    said = shell("check", "openai/A", "openai/B", "--json")
    assert (said.status, said.error["code"]) == (2, "not_found")
    assert len(shell.simulator.requests) == before


@pytest.mark.parametrize("verb", ["check", "edit", "move", "remove", "select"])
@pytest.mark.parametrize("ref", ["openai/Nobody", "nonsense", "", "a/b/c", "x\x00y"])
def test_an_unknown_key_is_refused_by_every_verb(shell: Shell, verb: str, ref: str) -> None:
    """An unknown id and an unknown name get one answer and change nothing."""
    more = {"edit": ["--name", "New"], "remove": ["--yes"]}.get(verb, [])
    said = shell(verb, ref, *more, "--json")
    assert (said.status, said.error["code"]) == (2, "not_found")


def test_an_outage_says_what_was_proven(shell: Shell) -> None:
    """A key that was valid and cannot be reached now says both."""
    shell.add("groq", "Work")
    shell.simulator.down = True
    said = shell("check", "groq/Work")
    assert said.status == 1
    assert "groq/Work: Unreachable" in said.out
    assert "It was valid when it was last reached" in said.out


def test_a_check_that_breaks_is_not_taken_for_an_old_result(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a check cannot be carried out, the verdict of an earlier one is not shown for it."""
    shell.add("groq", "Work")

    async def broken(*_args: object, **_more: object) -> None:
        raise ValueError

    monkeypatch.setattr("mohet_keys.probes.Prober.run", broken)
    said = shell("check", "groq/Work", "--json")
    assert (said.status, said.json[0]["verdict"], said.err) == (1, "unchecked", "")
    assert said.json[0]["reason"] == "not carried out"


# --- keys that look like another vendor's ---------------------------------------------------------


def test_a_key_of_another_vendor_is_held(shell: Shell) -> None:
    """It is saved and sent nowhere; the words say whose it looks like and how to go on."""
    before = len(shell.simulator.requests)
    where = shell.simulator.endpoint("openai")
    command = ("add", "openai", "--endpoint", where, "--secret-stdin")
    said = shell(*command, "Stray", stdin=good("groq"))
    assert (said.status, len(shell.simulator.requests)) == (1, before)
    (key,) = shell("list", "--json").json
    assert "looks like a Groq key" in said.out
    assert f"move {key['id']}" in said.out
    assert f"check {key['id']} --here-anyway" in said.out
    said = shell("check", "openai/Stray", "--json")
    assert (said.status, said.json[0]["verdict"]) == (1, "unchecked")
    assert len(shell.simulator.requests) == before


def test_a_held_key_can_be_checked_where_it_is(shell: Shell) -> None:
    """--here-anyway is the user's word that the key belongs there."""
    shell.add("openai", "Stray", good("groq"))
    said = shell("check", "openai/Stray", "--here-anyway", "--json")
    assert (said.status, said.json[0]["verdict"]) == (0, "valid")
    assert shell("check", "openai/Stray").status == 0


def test_a_held_key_can_be_moved(shell: Shell) -> None:
    """`move` gives it to its vendor, at the vendor's own address, and checks it there."""
    shell.add("openai", "Stray", good("groq"))
    said = shell("move", "openai/Stray", "--json")
    assert said.json["provider"] == "groq"
    assert said.json["endpoint"] == "https://api.groq.com/openai/v1"
    assert (said.status, said.json["verdict"]) == (1, "unreachable")
    assert shell("move", "groq/Stray", "--json").error["code"] == "refused"
