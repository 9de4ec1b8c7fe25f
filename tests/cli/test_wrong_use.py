"""Commands that make no sense, and secrets put in the wrong place: nothing typed is said back."""

from __future__ import annotations

import pytest

from mohet_keys import wiring
from tests.browser.secrets import good
from tests.leaks import canary, scan
from tests.shell import Shell

WRONG_USES: list[list[str]] = [
    ["add", "openai", "Name", "{}"],
    ["add", "openai", "Name", "--secret", "{}"],
    ["add", "openai", "Name", "--secret={}"],
    ["add", "openai", "Name", "--{}"],
    ["add", "{}", "Name"],
    ["add", "openai", "{}", "--secret-stdin"],
    ["add", "openai", "Name", "--endpoint"],
    ["edit", "openai/Name", "--secret-stdin", "{}"],
    ["edit", "openai/Name", "--name", "{}"],
    ["check", "{}"],
    ["list", "{}"],
    ["list", "--provider", "{}"],
    ["remove", "{}", "--yes"],
    ["select", "openai/Name", "--model", "{}"],
    ["select", "{}"],
    ["doctor", "{}"],
    ["{}"],
    ["--{}"],
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("prefix", ["sk-proj-", "", "unknown:"])
def test_a_secret_in_the_wrong_place_is_not_said_back(
    shell: Shell, prefix: str, as_json: bool
) -> None:
    """Whatever is put where on the command line, no message repeats it, and nothing is saved."""
    secret = canary(prefix)
    json_too = ["--json"] if as_json else []
    for command in WRONG_USES:
        arguments = [part.format(secret) for part in command]
        if arguments[:2] == ["add", "openai"] and arguments[2] == secret:
            arguments += ["--endpoint", "ftp://x"]  # the name of no known kind could be a name
        said = shell(*arguments, *json_too, stdin=good("openai"))
        assert said.status == 2, command
        assert scan(secret, {"out": said.out.encode(), "err": said.err.encode()}) == [], command
        assert said.err.count("\n") == 1
        if as_json:
            assert said.error["code"] in {"usage", "refused", "not_found", "input"}
    assert shell.content() == []


@pytest.mark.parametrize("arguments", [["add", "openai", "{}"], ["add", "openai", "N", "{}"]])
def test_a_key_as_an_argument_is_told_apart(shell: Shell, arguments: list[str]) -> None:
    """Who gives the key as an argument hears that others could read it there."""
    said = shell(*(part.format(canary("gsk_")) for part in arguments), "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert "other programs can read it" in said.error["message"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Choose a command: providers, add, list, check"),
        (["nonsense"], "Choose a command"),
        (["add"], "PROVIDER is missing. Usage: python -m mohet_keys add"),
        (["add", "openai"], "NAME is missing"),
        (["edit"], "KEY is missing"),
        (["edit", "openai/x"], "--name, --endpoint or --secret-stdin"),
        (["check"], "--all"),
        (["check", "openai/x", "--all"], "--all"),
        (["check", "--all", "--here-anyway"], "Name the keys"),
        (["list", "--colour"], "no such option"),
        (["add", "openai", "\udcff"], "not valid text"),
    ],
)
def test_wrong_use_is_one_line(shell: Shell, arguments: list[str], told: str) -> None:
    """A command that makes no sense ends with 2 and one sentence that helps."""
    said = shell(*arguments)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert told in said.err
    assert shell(*arguments, "--json").error["code"] == "usage"


def test_json_after_the_end_of_options_is_a_name(shell: Shell) -> None:
    """Behind `--` nothing is an option, so errors stay plain text."""
    said = shell("remove", "--", "--json")
    assert said.status == 2
    assert not said.err.startswith("{")


@pytest.mark.parametrize(
    "verb", ["", "providers", "add", "list", "check", "edit", "move", "remove", "select", "doctor"]
)
def test_every_command_has_help(shell: Shell, verb: str) -> None:
    """--help is plain text, for each command."""
    said = shell(*([verb] if verb else []), "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("Usage: python -m mohet_keys")
    assert verb in {"", "list"} or "--json" in said.out
    assert not set(said.out) & set("╭│╰─")


def test_t35_an_unforeseen_error_is_named_by_its_type_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours ends as one line without what it was about."""
    secret = canary("sk-proj-")

    def broken(_settings: object) -> None:
        raise ValueError(secret)

    monkeypatch.setattr(wiring, "build", broken)
    said = shell("list")
    assert (said.status, said.out) == (2, "")
    assert said.err == "Something unforeseen happened (ValueError).\n"
    assert shell("list", "--json").error["code"] == "internal"
