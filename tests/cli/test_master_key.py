"""`master-key status`, `rotate` and `retire` on the command line, over a real store."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mohet_keys import resealing
from mohet_keys.leases import name_of_this_process
from mohet_keys.rotation import LASTS, LEASE
from mohet_keys.wiring import Parts
from tests.leaks import canary
from tests.masters import NEW, NEW_ID, OLD, OLD_ID, THIRD, add, replaced, started, store_in
from tests.shell import Said, Shell

ROOT = Path(__file__).parents[2]


class Operator:
    """Runs `master-key …` in this process, with master keys that are set for one command."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.folder = shell.folder

    def __call__(self, *arguments: str, **keys: str) -> Said:
        """Run it with these master keys set; as the product does, it forgets them."""
        with self.shell.monkeypatch.context() as patch:
            for name, value in keys.items():
                patch.setenv(f"MOHET_MASTER_{name.upper()}", value)
            return self.shell("master-key", *arguments)

    def store(self, which: str, work: Callable[[Parts], object] = lambda _: None) -> None:
        """Make the store, and do something with it."""
        store_in(self.folder, which)
        with started(self.folder, which) as parts:
            work(parts)

    def sql(self, statement: str) -> list[Any]:
        """Reach into the store behind the product's back."""
        return self.shell.sql(statement)


@pytest.fixture
def operator(shell_without_store: Shell, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Commands in this process."""
    monkeypatch.setattr(resealing, "PAUSE", 0)
    return Operator(shell_without_store)


BOTH = {"key": NEW, "key_previous": OLD}


def test_the_way_of_a_generated_key_in_words(operator: Operator) -> None:
    """Status, rotate, retire: each says what is and what to do next."""
    operator.store("generated", lambda parts: add(parts, "K"))
    place = operator.folder / "config" / "master.key"
    first = operator("status")
    assert (first.status, first.err) == (0, "")
    assert str(place) in first.out
    row = r"^Data key \w{16} +seals now +1 secret +under \w{16}$"
    assert re.search(row, first.out, re.MULTILINE)
    assert "Nothing is to be done." in first.out
    rotated = operator("rotate")
    assert rotated.status == 0
    assert "new master key now" in rotated.out
    assert "Run master-key retire" in rotated.out
    again = operator("rotate")
    assert (again.status, "already" in again.out) == (0, True)
    retired = operator("retire")
    assert retired.status == 0
    assert "Backups that were made before" in retired.out
    assert f"It lies in {place}.previous." in retired.out
    assert "already" in operator("retire").out


def test_the_way_of_a_set_key_as_json(operator: Operator) -> None:
    """The same with two keys in the environment, for other programs."""
    operator.store("old", lambda parts: add(parts, "K"))
    found = operator("status", "--json", **BOTH).json
    assert list(found) == [
        "master_key",
        "previous",
        "waiting",
        "locked",
        "data_keys",
        "apps",
        "rotation",
        "resealing_unfinished",
        "next",
        "advice",
    ]
    assert found["master_key"] == {"id": NEW_ID, "source": "MOHET_MASTER_KEY"}
    assert found["previous"] == {"id": OLD_ID, "source": "MOHET_MASTER_KEY_PREVIOUS"}
    assert (found["locked"], found["apps"], found["rotation"]) == (None, [], None)
    assert found["next"] == "rotate"
    seal = next(key for key in found["data_keys"] if key["seals_now"])
    assert seal == {
        "id": seal["id"],
        "purpose": "seal",
        "seals_now": True,
        "secrets": 1,
        "opens_with": {OLD_ID: True},
    }
    rotated = operator("rotate", "--json", **BOTH).json
    assert (rotated["data_keys_added"], rotated["is_new"], rotated["resealed"]) == (2, False, None)
    assert (rotated["next"], rotated["master_key"]["id"]) == ("retire", NEW_ID)
    retired = operator("retire", "--json", **BOTH).json
    assert retired == {"master_key": found["master_key"], "retired": [OLD_ID], "kept": None}
    assert operator("status", "--json", key=NEW).json["next"] == "nothing"


def test_after_a_theft_everything_is_told(operator: Operator) -> None:
    """How many are sealed anew, what was left and why, and which keys to make anew."""

    def two(parts: Parts) -> None:
        for name in ("Good", "Bad"):
            add(parts, name)

    operator.store("old", two)
    operator.sql("UPDATE api_key SET endpoint = 'https://evil.example/v1' WHERE name = 'Bad'")
    said = operator("rotate", "--new-data-key", **BOTH)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert "1 secret sealed anew, 1 left that cannot be opened." in lines
    assert any(line.startswith("  groq/Bad: ") for line in lines)
    assert lines[-3:-1] == ["  groq/Bad", "  groq/Good"]
    assert "Make new ones at their providers" in said.out
    again = operator("rotate", "--new-data-key", "--json", **BOTH).json["resealed"]
    assert (again["secrets"], again["went_on"]) == (1, False)
    assert [each["key"] for each in again["left"]] == ["groq/Bad"]
    assert again["replace_at_providers"] == ["groq/Bad", "groq/Good"]
    assert len(again["deleted_data_keys"]) == 1


def test_an_app_that_runs_is_shown_and_waited_for(operator: Operator) -> None:
    """It is named with whether it has the present key, and nothing is retired under it."""
    app = name_of_this_process()

    def announced(parts: Parts) -> None:
        parts.repository.leases.announce(app, [OLD_ID], datetime.now(UTC))

    operator.store("old", announced)
    operator("rotate", **BOTH)
    said = operator("status", **BOTH)
    assert f"App: process {os.getpid()} on" in said.out
    assert "has it not" in said.out
    assert "Restart the app" in said.out
    (found,) = operator("status", "--json", **BOTH).json["apps"]
    assert (found["id"], found["master_keys"], found["has_present"]) == (app, [OLD_ID], False)
    refused = operator("retire", "--json", **BOTH)
    assert (refused.status, refused.error["code"]) == (2, "refused")
    assert f"process {os.getpid()} on" in refused.error["message"]


def test_a_rotation_under_way_is_shown_and_respected(operator: Operator) -> None:
    """The second is refused with status 2 and who is at the first."""

    def taken(parts: Parts) -> None:
        assert not parts.repository.leases.take(LEASE, "far-away:7:x", datetime.now(UTC), LASTS)

    operator.store("old", taken)
    refused = operator("rotate", "--json", **BOTH)
    assert (refused.status, refused.error["code"]) == (2, "refused")
    assert "process 7 on far-away" in refused.error["message"]
    found = operator("status", "--json", **BOTH).json
    assert (found["rotation"]["holder"], found["next"]) == ("far-away:7:x", "wait")
    assert "process 7 on far-away" in operator("status", **BOTH).out


@pytest.mark.parametrize("keys", [{}, {"key": THIRD}])
def test_t09_a_locked_store_has_a_status(operator: Operator, keys: dict[str, str]) -> None:
    """It says which master key it takes; rotate and retire are refused, and nothing is made."""
    operator.store("old")
    said = operator("status", **keys)
    assert (said.status, said.err) == (0, "")
    assert OLD_ID in said.out
    assert OLD_ID in operator("status", "--json", **keys).json["locked"]
    for command in ("rotate", "retire"):
        assert operator(command, **keys).status == 2
    assert not (operator.folder / "config").exists()


def test_t10_a_store_that_cannot_be_opened_has_none(operator: Operator) -> None:
    """A malformed key and a file that is no database end with status 3, in one line."""
    operator.store("old")
    for command in ("status", "rotate", "retire"):
        said = operator(command, key="short")
        assert (said.status, said.out) == (3, "")
        assert said.err.count("\n") == 1
        assert "MOHET_MASTER_KEY" in said.err
    (operator.folder / "data" / "mohet_keys.db").write_text("no database" * 100)
    assert operator("status", key=OLD).status == 3


def test_a_former_secret_counts(operator: Operator) -> None:
    """It is sealed as well, so it is among those that a data key seals."""
    operator.store("old", lambda parts: replaced(parts, add(parts, "K"), canary("gsk_")))
    (seal,) = [k for k in operator("status", "--json", key=OLD).json["data_keys"] if k["seals_now"]]
    assert seal["secrets"] == 2


def test_a_damaged_and_an_absent_key_are_told_apart(operator: Operator) -> None:
    """What a master key at hand does not open is damaged; of another one nothing can be said."""
    operator.store("old")
    operator("rotate", **BOTH)
    operator.sql(f"UPDATE data_key_wrap SET blob = x'00' WHERE master_id = '{NEW_ID}'")  # noqa: S608
    said = operator("status", key=NEW)
    assert f"{NEW_ID} (damaged)" in said.out
    assert f"{OLD_ID} (not at hand)" in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Choose a command: status, rotate, retire."),
        (["destroy"], "Choose a command: status, rotate, retire."),
        (["rotate", "now"], "no such option or argument"),
        (["retire", "--force"], "no such option or argument"),
    ],
)
def test_wrong_use_is_told(operator: Operator, arguments: list[str], told: str) -> None:
    """With status 2, one line, and nothing of what was typed."""
    said = operator(*arguments)
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not [word for word in arguments[1:] if word in said.err]
    assert not (operator.folder / "data").exists()


def test_it_is_a_command_of_the_program(operator: Operator) -> None:
    """`python -m mohet_keys master-key` works in a process of its own, and leaves no key there."""
    operator.store("old")
    command = [sys.executable, "-m", "mohet_keys", "master-key", "rotate", "--json"]
    environment = {**os.environ, "MOHET_MASTER_KEY": NEW, "MOHET_MASTER_KEY_PREVIOUS": OLD}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)["next"] == "retire"
    for hidden in (NEW, OLD):
        assert hidden.encode() not in done.stdout + done.stderr
