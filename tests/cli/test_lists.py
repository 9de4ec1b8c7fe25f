"""What there is, listed for people and for programs."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from mohet_keys.cli import output
from mohet_keys.model import Verdict
from mohet_keys.ui.verdict_badge import BADGES
from tests.browser.secrets import revoked
from tests.shell import SLUGS, Shell


def test_providers_are_listed_with_their_keys(shell: Shell) -> None:
    """The six providers with how many keys each has, as JSON and one a line."""
    shell.add("groq", "Work", "", "--no-check")
    rows = shell("providers", "--json").json
    assert [row["slug"] for row in rows] == SLUGS
    assert list(rows[0]) == ["slug", "label", "endpoint", "keys_url", "key_optional", "keys"]
    assert {row["slug"]: row["keys"] for row in rows} == {**dict.fromkeys(SLUGS, 0), "groq": 1}
    assert [row["slug"] for row in rows if row["key_optional"]] == ["lmstudio", "ollama"]
    said = shell("providers")
    assert [line.split()[0] for line in said.out.splitlines()] == SLUGS
    assert "1 key " in said.out


def test_the_first_command_makes_the_store(shell: Shell) -> None:
    """With nothing there yet, store and master key are made, and not a word is said of it."""
    for folder in (shell.settings.data_dir, shell.settings.config_dir):
        shutil.rmtree(folder)
    said = shell("list")
    assert (said.status, said.out, said.err) == (0, "No API keys yet.\n", "")
    assert shell.database.exists()
    assert shell.settings.generated_master_key_file.exists()


def test_keys_are_listed_one_a_line_and_aligned(shell: Shell) -> None:
    """Provider, name, verdict, hint, endpoint and age stand below each other, in 100 columns."""
    shell.add("mistral", "Ćevapi", "", "--no-check")
    shell.add("openai", "日本", revoked("openai"))
    shell.add("groq", "Work")
    shell("select", "groq/Work")
    lines = shell("list").out.splitlines()
    assert [line[2:].split()[:2] for line in lines] == [
        ["openai", "日本"],
        ["groq", "Work"],
        ["mistral", "Ćevapi"],
    ]
    assert [line.startswith("*") for line in lines] == [False, True, False]
    where = [line.index(word) for line, word in zip(lines, ("Inv", "Val", "Not"), strict=True)]
    assert where == [where[1] - 2, where[1], where[1]]  # the two wide signs take four columns
    assert all(len(line) <= 100 for line in lines)
    assert lines[0].endswith("just now")
    assert lines[2].endswith("never")


def test_a_list_can_be_of_one_provider(shell: Shell) -> None:
    """--provider leaves out the others; no keys at all are said in words, and [] in JSON."""
    assert shell("list").out == "No API keys yet.\n"
    assert shell("list", "--json").json == []
    shell.add("groq", "Work", "", "--no-check")
    assert len(shell("list", "--provider", "groq", "--json").json) == 1
    assert shell("list", "--provider", "openai", "--json").json == []


@pytest.mark.parametrize(("age", "said"), [(90, "1 min"), (7300, "2 h"), (200_000, "2 d")])
def test_the_age_of_a_check_is_in_the_largest_unit(shell: Shell, age: int, said: str) -> None:
    """A list says how long ago a key was checked."""
    shell.add("groq", "Work")
    at = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
    shell.sql("UPDATE key_check SET checked_at = ?", str(at))
    assert shell("list").out.endswith(f"{said} ago\n")


def test_t31_what_cannot_be_seen_is_escaped(shell: Shell) -> None:
    """A name or an answer altered in the database moves no cursor and hides nothing."""
    shell.add("groq", "Work")
    trick = "\x1b[2J\r\n\u202egro\u2028\x9b\u200bx"
    shell.sql("UPDATE api_key SET name = ?, endpoint = 'x'", trick)
    shell.sql("UPDATE key_check SET explanation = ?", trick)
    (key,) = shell("list", "--json").json
    shown = "\\x1b[2J\\r\\n\\u202egro\\u2028\\x9b\\u200bx"
    for command in (("list",), ("select", key["id"]), ("check", key["id"])):
        said = shell(*command)
        assert shown in said.out
        assert not set(trick) - set(shown) - {"\n"} & set(said.out)
    said = shell("remove", key["id"])
    assert (shown in said.err, said.err.count("\n")) == (True, 1)


def test_joiners_of_scripts_stay() -> None:
    """The joiners that Persian, Hindi and many emoji need are shown as they are."""
    for name in ("می\u200cخواهم", "क्\u200dष", "👩\u200d💻"):
        assert output.printable(name) == name


def test_the_words_are_those_of_the_badges() -> None:
    """Terminal and page say the same of each verdict."""
    assert {verdict: words for verdict, (words, *_) in BADGES.items()} == output.WORDS
    assert set(output.WORDS) == set(Verdict)
