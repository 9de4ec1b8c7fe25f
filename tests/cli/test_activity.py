"""What happened to keys, told on the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mohet_keys.cli.activity import MOST
from tests.browser.secrets import good, revoked
from tests.leaks import canary, scan
from tests.shell import Shell

FIELDS = [
    *("id", "at", "actor", "action", "key_id", "key_name", "provider", "host", "result", "detail"),
    *("request_id", "fingerprint"),
]


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Tokyo."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_on_a_new_store_nothing_happened(shell: Shell) -> None:
    """It says so, and as JSON it is an empty list."""
    assert shell("activity").out == "Nothing happened yet.\n"
    assert shell("activity", "--json").json == []


def test_what_happened_is_one_line_each(shell: Shell, tokyo: None) -> None:
    """Time here, what, which, where, how it ended, who and why; the latest first."""
    shell.add("groq", "Production", revoked("groq"))
    said = shell("activity")
    check, added = said.out.splitlines()
    for words in ("Checked", "groq/Production", "127.0.0.1", "Invalid", "local", "wrong key"):
        assert words in check
    assert "Added" in added
    told = shell("activity", "--json").json
    assert [list(entry) for entry in told] == [FIELDS, FIELDS]
    assert [entry["result"] for entry in told] == ["invalid", "done"]
    assert told[0]["at"].endswith("Z")
    hour = int(told[0]["at"][11:13])
    assert int(check[11:13]) == (hour + 9) % 24
    assert (said.status, said.err) == (0, "")


def test_of_one_key_by_name_or_id_also_when_it_is_gone(shell: Shell) -> None:
    """A deleted key's story is there under its id; a key there never was is not found."""
    made = shell.add("groq", "Kept", good("groq", "1"), "--no-check").json["id"]
    gone = shell.add("groq", "Gone", good("groq", "2"), "--no-check").json["id"]
    shell("remove", gone, "--yes")
    by_name = shell("activity", "--key", "groq/Kept", "--json").json
    assert [(entry["key_id"], entry["action"]) for entry in by_name] == [(made, "add")]
    told = shell("activity", "--key", gone, "--json").json
    assert [entry["action"] for entry in told] == ["delete", "add"]
    for ref in ("groq/Gone", "nothing", ""):
        said = shell("activity", "--key", ref, "--json")
        assert (said.status, said.error["code"]) == (2, "not_found")


def test_what_happened_to_the_keys_of_others_is_not_told(shell: Shell) -> None:
    """Neither among all of it nor by the id of such a key."""
    shell.add("groq", "Mine", "", "--no-check")
    shell.sql(
        "INSERT INTO event (at, actor, owner, action, key_id, key_name, provider, host, result, "
        "detail, request_id) VALUES ('2026-11-19 14:05:00.000000', 'ada', 'ada', 'add', 'hers', "
        "'Hers', 'groq', 'h', 'done', '', '')"
    )
    assert [entry["key_name"] for entry in shell("activity", "--json").json] == ["Mine"]
    assert shell("activity", "--key", "hers").status == 2


def test_no_more_than_was_asked_for(shell: Shell) -> None:
    """The latest, and a word that there is more."""
    for number in range(3):
        shell.add("groq", f"Key {number}", good("groq", str(number)), "--no-check")
    lines = shell("activity", "--limit", "2").out.splitlines()
    assert ["Key 2" in lines[0], "Key 1" in lines[1]] == [True, True]
    assert lines[2:] == ["There is more that is older: --limit shows it."]
    assert len(shell("activity", "--limit", "3").out.splitlines()) == 3


@pytest.mark.parametrize("limit", ["0", "-1", str(MOST + 1)])
def test_a_limit_that_makes_no_sense_is_refused(shell: Shell, limit: str) -> None:
    """With one sentence, and 2."""
    said = shell("activity", f"--limit={limit}", "--json")
    assert (said.status, said.error["code"]) == (2, "usage")
    assert f"1 to {MOST}" in said.error["message"]


def test_t49_what_was_altered_forges_no_line(shell: Shell) -> None:
    """Whatever the database holds, an entry is one line and nothing moves the cursor."""
    trick = "\x1b[2J\r\n\u202egro\u2028x"
    given = [trick] * 8
    shell("list")
    shell.sql(
        "INSERT INTO event (at, owner, actor, action, key_name, provider, host, result, detail,"
        " request_id) VALUES ('2026-11-19 14:05:00.000000', 'local', ?, ?, ?, ?, ?, ?, ?, ?)",
        *given,
    )
    shell.sql(
        "INSERT INTO event (at, owner, actor, action, key_name, provider, host, result, detail,"
        " request_id) VALUES ('never', 'local', '', '', '', '', '', '', '', '')"
    )
    lost, altered = shell("activity").out.splitlines()
    assert "Cannot be read" in lost
    assert altered.count("\\x1b[2J\\r\\n\\u202egro\\u2028x") == 7
    assert altered.isprintable()
    assert shell("activity", "--json").out.isascii()


def test_t01_no_secret_is_told(shell: Shell) -> None:
    """Neither in text nor as JSON."""
    secret = canary("gsk_")
    shell.add("groq", "Canary", secret)
    said = shell("activity").out + shell("activity", "--json").out
    assert "Canary" in said
    assert scan(secret, {"command line": said.encode()}) == []
